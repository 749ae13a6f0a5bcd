import StrataSystem

extension StorageSettings {
  /// Reads what is in force: the configuration file by its search order, then the environment, then
  /// the command line (storage-format 7.1 and 7.3).
  ///
  /// Roots and driver are filled in.
  package static func load(surroundings: Surroundings) throws(ConfigurationError) -> StorageSettings
  {
    try load(StorageOptions(), surroundings: surroundings)
  }

  /// As above, with the options of a command line.
  package static func load(
    _ options: StorageOptions, surroundings: Surroundings
  ) throws(ConfigurationError) -> StorageSettings {
    var settings = try fromFiles(surroundings)
    if options.replaceFile {
      settings.replace(by: options, surroundings)
    } else {
      settings.applyEnvironment(surroundings)
    }
    settings.fillDriver(surroundings)
    if let store = settings.imageStore, store == settings.graphRoot {
      throw ConfigurationError(
        "imagestore \(store) must either be not set or be a different than graphroot")
    }
    return settings
  }

  private static func fromFiles(
    _ surroundings: Surroundings
  ) throws(ConfigurationError) -> StorageSettings {
    let driver = surroundings["STORAGE_DRIVER"]
    if let named = surroundings["CONTAINERS_STORAGE_CONF"] {
      guard let document = try SettingsDocument(reading: RawPath(named)) else {
        throw ConfigurationError("stat \(named): no such file or directory")
      }
      var settings = StorageSettings()
      try settings.take(document, driver: driver, surroundings: surroundings)
      settings.fillRoots(surroundings)
      return settings
    }
    return surroundings.isRootless
      ? try rootless(surroundings, driver) : try rootful(surroundings, driver)
  }

  /// The system's file: the user's own if `XDG_CONFIG_HOME` names one, `/etc`, `/usr/share`.
  private static func rootful(
    _ surroundings: Surroundings, _ driver: String?
  ) throws(ConfigurationError) -> StorageSettings {
    var settings = StorageSettings()
    var candidates: [RawPath] = []
    if let user = surroundings.userConfiguration, !surroundings.isRootless {
      candidates.append(user.appending("containers/storage.conf"))
    }
    candidates.append(surroundings.system("/etc/containers/storage.conf"))
    candidates.append(surroundings.system("/usr/share/containers/storage.conf"))
    for candidate in candidates {
      if let document = try SettingsDocument(reading: candidate) {
        try settings.take(document, driver: driver, surroundings: surroundings)
        break
      }
    }
    settings.fillRoots(surroundings)
    return settings
  }

  /// A user's file replaces the system's wholly.
  ///
  /// Without one the system's driver holds, its `rootless_storage_path`, and of its options
  /// `ignore_chown_errors` alone (versions up to 1.62).
  private static func rootless(
    _ surroundings: Surroundings, _ driver: String?
  ) throws(ConfigurationError) -> StorageSettings {
    let directory = surroundings.userConfiguration ?? surroundings.home?.appending(".config")
    if let path = directory?.appending("containers/storage.conf") {
      var settings = StorageSettings()
      do throws(ConfigurationError) {
        if let document = try SettingsDocument(reading: path) {
          try settings.take(document, driver: driver, surroundings: surroundings)
          settings.fillRoots(surroundings)
          return settings
        }
      } catch {
        // A broken file of the user is passed over with a warning, as the peers do.
        var settings = try ofSystem(surroundings, driver)
        settings.warnings.append(.text("Failed to read \(path) \(error)"))
        return settings
      }
    }
    return try ofSystem(surroundings, driver)
  }

  private static func ofSystem(
    _ surroundings: Surroundings, _ driver: String?
  ) throws(ConfigurationError) -> StorageSettings {
    var settings = try rootful(surroundings, driver)
    settings.graphRoot = ""
    settings.runRoot = ""
    for key in ["graphroot", "runroot"] { settings.origins[key] = nil }
    settings.driverOptions = settings.driverOptions.filter { $0.contains(".ignore_chown_errors=") }
    if !["overlay", "btrfs", "vfs"].contains(settings.driver) { settings.driver = driver ?? "" }
    settings.fillRoots(surroundings)
    return settings
  }

  /// Roots that no file names.
  private mutating func fillRoots(_ surroundings: Surroundings) {
    if graphRoot.isEmpty {
      if surroundings.isRootless {
        graphRoot =
          rootlessStoragePath.isEmpty
          ? rootlessGraphRoot(surroundings)
          : resolved(RawPath(expanded(rootlessStoragePath, surroundings)))
      } else {
        graphRoot = "/var/lib/containers/storage"
      }
    }
    if runRoot.isEmpty {
      runRoot =
        surroundings.isRootless ? rootlessRunRoot(surroundings) : "/run/containers/storage"
    }
  }

  /// With any of its options the command line decides alone, but for a root that it does not name.
  private mutating func replace(by options: StorageOptions, _ surroundings: Surroundings) {
    if let root = options.graphRoot {
      graphRoot = Self.absolute(root, surroundings)
      origins["graphroot"] = "--graph"
    }
    if let root = options.runRoot {
      runRoot = Self.absolute(root, surroundings)
      origins["runroot"] = "--run"
    }
    driver = options.driver ?? ""
    origins["driver"] = options.driver.map { _ in "--storage-driver" }
    driverOptions = options.driverOptions
    origins["options"] = options.driverOptions.isEmpty ? nil : "--storage-opt"
    driverPriority = []
    imageStore = options.imageStore.map { Self.absolute($0, surroundings) }
    isTransient = options.isTransient
    warnings = []
    useCanonicalDriverName()
  }

  /// `STORAGE_DRIVER` and `STORAGE_OPTS`.
  private mutating func applyEnvironment(_ surroundings: Surroundings) {
    if let name = surroundings["STORAGE_DRIVER"], files.isEmpty {
      driver = name
      origins["driver"] = "STORAGE_DRIVER"
      useCanonicalDriverName()
    }
    guard let text = surroundings["STORAGE_OPTS"] else { return }
    let options = text.split(separator: ",").map { String($0) }
    driverOptions = surroundings.isRootless ? driverOptions + options : options
    origins["options"] = "STORAGE_OPTS"
  }

  private static func absolute(_ path: String, _ surroundings: Surroundings) -> RawPath {
    let given = RawPath(path)
    return (given.isAbsolute ? given : surroundings.workingDirectory.appending(given)).cleaned
  }
}
