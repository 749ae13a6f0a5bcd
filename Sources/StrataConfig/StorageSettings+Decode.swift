import StrataSystem

extension StorageSettings {
  /// Takes over what the files say together.
  ///
  /// `driver`, if not nil, is `STORAGE_DRIVER`, which stands before the files' own.
  mutating func take(
    _ layers: LayeredSettings, driver override: String?, surroundings: Surroundings
  ) {
    func text(_ path: [String], as name: String, _ use: (String) -> Void) {
      guard let (text, origin) = layers.text(path) else { return }
      use(text)
      origins[name] = origin
    }
    func expand(_ text: String) -> RawPath {
      resolved(RawPath(expanded(text, surroundings)))
    }
    text(StorageKeys.driver, as: "driver") { driver = $0 }
    if let (names, origin) = layers.texts(StorageKeys.driverPriority) {
      driverPriority = names
      origins["driver_priority"] = origin
    }
    text(StorageKeys.graphRoot, as: "graphroot") { graphRoot = expand($0) }
    text(StorageKeys.runRoot, as: "runroot") { runRoot = expand($0) }
    text(StorageKeys.rootlessStoragePath, as: "rootless_storage_path") { rootlessStoragePath = $0 }
    text(StorageKeys.imageStore, as: "imagestore") { imageStore = expand($0) }
    if let laid = layers[StorageKeys.transientStore], case .bool(let flag) = laid.value {
      isTransient = flag
      origins["transient_store"] = laid.origin
    }
    if let laid = layers[StorageKeys.disableVolatile], case .bool(let flag) = laid.value {
      disablesVolatile = flag
      origins["disable-volatile"] = laid.origin
    }
    if let laid = layers[StorageKeys.automaticUser], case .string(let name) = laid.value {
      rootAutoUserNamespaceUser = name
      origins["root-auto-userns-user"] = laid.origin
    }
    if let laid = layers[StorageKeys.automaticMinimum], case .integer(let size) = laid.value {
      autoUserNamespaceMinimum = UInt32(truncatingIfNeeded: size)
      origins["auto-userns-min-size"] = laid.origin
    }
    if let laid = layers[StorageKeys.automaticMaximum], case .integer(let size) = laid.value {
      autoUserNamespaceMaximum = UInt32(truncatingIfNeeded: size)
      origins["auto-userns-max-size"] = laid.origin
    }
    for (name, text, origin) in layers.table(StorageKeys.pullOptions) {
      pullOptions[name] = text
      origins["pull_options.\(name)"] = origin
    }
    if let override {
      driver = override
      origins["driver"] = "STORAGE_DRIVER"
    }
    useCanonicalDriverName()
    options = Self.options(layers, driver)
  }

  /// `overlay2` is a synonym, with a warning.
  mutating func useCanonicalDriverName() {
    guard driver == "overlay2" else { return }
    driver = "overlay"
    warnings.append(
      .text("the driver name overlay2 is an old one: write overlay, which is used now"))
  }

  /// The list of storage-format 7.2, in its order; measured with 1.43 for the driver's own table.
  private static func options(_ layers: LayeredSettings, _ driver: String) -> [DriverOption] {
    var options: [DriverOption] = []
    func add(_ key: String, _ value: String, _ origin: String) {
      options.append(DriverOption("\(driver).\(key)=\(value)", from: origin))
    }
    func add(_ key: String, of table: [String]) {
      if let (text, origin) = layers.text(table + [key]) { add(key, text, origin) }
    }
    for (path, key) in [
      (StorageKeys.imageStores, "imagestore"), (StorageKeys.layerStores, "additionallayerstore"),
    ] {
      guard let (paths, origin) = layers.texts(path) else { continue }
      for path in paths { add(key, path, origin) }
    }
    for key in StorageKeys.ofEveryDriver { add(key, of: StorageKeys.options) }
    if let mask = layers[StorageKeys.forceMask], case .integer(let bits) = mask.value, bits != 0 {
      add("force_mask", String(bits, radix: 8), mask.origin)
    }
    add("force_mask", of: StorageKeys.options)
    add("mountopt", of: StorageKeys.options)
    for (table, keys) in StorageKeys.ofOneDriver where table == driver {
      for key in keys { add(key, of: StorageKeys.options + [table]) }
    }
    return options
  }
}
