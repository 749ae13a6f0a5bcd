package import StrataConfig
package import StrataStore

extension StoreConfiguration {
  /// A store as these settings say; what they do not speak of, waits, durability and warnings, is as by default.
  package init(_ settings: StorageSettings) {
    self.init(
      graphRoot: settings.graphRoot, runRoot: settings.runRoot, driver: settings.driver,
      driverOptions: settings.driverOptions, transient: settings.isTransient,
      imageStore: settings.imageStore, disablesVolatile: settings.disablesVolatile)
  }

  /// Takes over what is Strata's own.
  ///
  /// The wait for locks only where something says it: by default programs wait as long as it takes.
  package mutating func take(_ settings: StrataSettings) {
    additionalLayerTimeout = settings.additionalLayerTimeout
    synchronizesContent = settings.synchronizes
    if settings.isGiven(.lockTimeout) { lockTimeout = settings.lockTimeout }
  }
}
