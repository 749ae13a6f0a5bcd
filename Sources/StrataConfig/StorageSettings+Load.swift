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
    _ given: StorageOptions, surroundings: Surroundings
  ) throws(ConfigurationError) -> StorageSettings {
    var settings = try fromFiles(surroundings)
    let options = given.withoutEmpty
    if options.replaceFile {
      settings.replace(by: options, surroundings)
    } else {
      settings.applyEnvironment(surroundings)
    }
    try settings.fillDriver(surroundings)
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
    let files = StorageFiles(surroundings: surroundings)
    var settings = StorageSettings()
    var layers = LayeredSettings(StorageKeys.schema)
    var isOwn = true
    if let named = surroundings["CONTAINERS_STORAGE_CONF"] {
      guard let document = try SettingsDocument(reading: RawPath(named)) else {
        throw ConfigurationError("stat \(named): no such file or directory")
      }
      try settings.lay(document, over: &layers)
    } else {
      isOwn = try settings.layMainFile(files, over: &layers)
      for file in try files.dropIns() {
        if let document = try SettingsDocument(reading: file) {
          try settings.lay(document, over: &layers)
        }
      }
    }
    if let last = surroundings["CONTAINERS_STORAGE_CONF_OVERRIDE"] {
      guard let document = try SettingsDocument(reading: RawPath(last)) else {
        throw ConfigurationError("open \(last): no such file or directory")
      }
      try settings.lay(document, over: &layers)
    }
    settings.take(layers, driver: driver, surroundings: surroundings)
    if surroundings.isRootless, !isOwn,
      !["overlay", "btrfs", "vfs"].contains(settings.driver)
    {
      settings.driver = driver ?? ""
    }
    settings.fillRoots(surroundings)
    return settings
  }

  /// Lays the main file: a user's own replaces the system's wholly; true if that was it or if the user is
  /// root.
  ///
  /// Without one the system's driver holds for a user, its `rootless_storage_path`, and of its options
  /// `ignore_chown_errors` alone (versions up to 1.62). A broken file of a user is passed over with a
  /// warning, as the peers do.
  private mutating func layMainFile(
    _ files: StorageFiles, over layers: inout LayeredSettings
  ) throws(ConfigurationError) -> Bool {
    let isRootless = files.surroundings.isRootless
    if let path = files.ofUser {
      do throws(ConfigurationError) {
        if let document = try SettingsDocument(reading: path) {
          if isRootless { laySharedPath(files, over: &layers) }
          try lay(document, over: &layers)
          return true
        }
      } catch {
        guard isRootless else { throw error }
        warnings.append(.text("Failed to read \(path) \(error)"))
      }
    }
    for path in files.ofSystem {
      guard let document = try SettingsDocument(reading: path) else { continue }
      try lay(document, over: &layers) { !isRootless || StorageKeys.isForUsers($0) }
      break
    }
    return !isRootless
  }

  /// Lays what a system's file says of users' graph roots, which holds for a user whose own says nothing.
  private func laySharedPath(_ files: StorageFiles, over layers: inout LayeredSettings) {
    for path in files.ofSystem {
      guard let document = (try? SettingsDocument(reading: path)) ?? nil else { continue }
      layers.lay(document) { $0 == StorageKeys.rootlessStoragePath }
      return
    }
  }

  /// Lays one file over the others, once it is known that its values are what they must be.
  private mutating func lay(
    _ document: SettingsDocument, over layers: inout LayeredSettings,
    where isTaken: ([String]) -> Bool = { _ in true }
  ) throws(ConfigurationError) {
    try StorageKeys.schema.check(document)
    layers.lay(document, where: isTaken)
    files.append(document.path)
    let unknown = StorageKeys.schema.unknownKeys(document)
    if !unknown.isEmpty {
      warnings.append(.unknownKeys(file: document.path.description, keys: unknown))
    }
  }

  /// Roots that no file names.
  private mutating func fillRoots(_ surroundings: Surroundings) {
    if graphRoot.isEmpty {
      if surroundings.isRootless {
        graphRoot =
          rootlessStoragePath.isEmpty
          ? rootlessGraphRoot(surroundings)
          : resolved(RawPath(expanded(rootlessStoragePath, surroundings)))
        origins["graphroot"] = origins["rootless_storage_path"]
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
    self.options = options.driverOptions.map { DriverOption($0, from: "--storage-opt") }
    driverPriority = []
    origins["driver_priority"] = nil
    imageStore = options.imageStore.map { Self.absolute($0, surroundings) }
    origins["imagestore"] = options.imageStore.map { _ in "--image-store" }
    isTransient = options.isTransient
    origins["transient_store"] = options.isTransient ? "--transient-store" : nil
    warnings = []
    useCanonicalDriverName()
  }

  /// `STORAGE_OPTS`, in place of the files' options, of an ordinary user behind them.
  private mutating func applyEnvironment(_ surroundings: Surroundings) {
    guard let text = surroundings["STORAGE_OPTS"] else { return }
    let given = text.split(separator: ",").map { DriverOption(String($0), from: "STORAGE_OPTS") }
    options = surroundings.isRootless ? options + given : given
  }

  private static func absolute(_ path: String, _ surroundings: Surroundings) -> RawPath {
    let given = RawPath(path)
    return (given.isAbsolute ? given : surroundings.workingDirectory.appending(given)).cleaned
  }
}
