package import StrataConfig
package import StrataStore

extension StoreConfiguration {
  /// A store as these settings say; what they do not speak of, waits and warnings, is as by default.
  package init(_ settings: StorageSettings) {
    self.init(
      graphRoot: settings.graphRoot, runRoot: settings.runRoot, driver: settings.driver,
      driverOptions: settings.driverOptions, transient: settings.isTransient,
      imageStore: settings.imageStore, disablesVolatile: settings.disablesVolatile)
  }
}
