import StrataConfig
public import StrataModel
public import StrataStore
public import StrataSystem

extension Store {
  /// Opens the store that podman and `strata` use on this machine: as storage.conf, its drop-ins and the
  /// environment say (storage-format 7), and strata.conf, which holds what only Strata knows.
  ///
  /// What is given here wins, as options of a command line do: with any of these the file gives only a
  /// root that is missing. The overlay driver is given the `strata-overlay` that lies beside the
  /// program, else the one in PATH, unless the configuration names a mount program. `onWarning` is told
  /// what the configuration holds that is passed over, one line each, and is kept as the store's own.
  ///
  /// Throws `prerequisites` for an ordinary user outside of a user namespace: `strata unshare` starts a
  /// program in the one that podman shares.
  public static func open(
    graphRoot: RawPath? = nil, runRoot: RawPath? = nil, driver: String? = nil,
    driverOptions: [String] = [], onWarning: (@Sendable (String) -> Void)? = nil
  ) throws(StoreError) -> Store {
    let surroundings = Surroundings.ofProcess()
    guard surroundings.hasStorageNamespace else {
      throw StoreError(
        .prerequisites,
        "an ordinary user's store is opened inside a user namespace: start the program by "
          + "`strata unshare`")
    }
    var options = StorageOptions()
    options.graphRoot = graphRoot?.description
    options.runRoot = runRoot?.description
    options.driver = driver
    options.driverOptions = driverOptions
    var settings: StorageSettings
    let own: StrataSettings
    do throws(ConfigurationError) {
      settings = try StorageSettings.load(options, surroundings: surroundings)
      own = try StrataSettings.load(surroundings: surroundings)
    } catch {
      throw StoreError(.incompleteOptions, error.description)
    }
    (settings.warnings + own.warnings).flatMap(\.lines).forEach { onWarning?($0) }
    guard settings.fillMountProgram(surroundings) else {
      throw StoreError(
        .prerequisites,
        "no mount program: strata-overlay is neither beside the program nor in PATH")
    }
    var configuration = StoreConfiguration(settings)
    configuration.take(own)
    configuration.onWarning = onWarning
    return try Store(configuration)
  }
}
