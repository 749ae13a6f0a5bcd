package import StrataSystem

/// What storage.conf, the environment and the command line together say of a store.
package struct StorageSettings: Sendable {
  /// The name of the graph driver; empty until one is chosen.
  package var driver = ""
  /// The order in which a driver is chosen when none is named.
  package var driverPriority: [String] = []
  /// Options of the driver, a later one wins; the order is that of storage-format 7.2.
  package var options: [DriverOption] = []
  package var graphRoot: RawPath = ""
  package var runRoot: RawPath = ""
  /// `rootless_storage_path` of the file that was used.
  package var rootlessStoragePath = ""
  package var imageStore: RawPath?
  package var isTransient = false
  package var disablesVolatile = false
  package var rootAutoUserNamespaceUser = "containers"
  package var autoUserNamespaceMinimum: UInt32 = 1024
  package var autoUserNamespaceMaximum: UInt32 = 65536
  package var pullOptions: [String: String] = [:]

  /// Where each value that is no default came from, by its name in storage.conf: `FILE:LINE`, a variable
  /// or an option.
  package var origins: [String: String] = [:]
  /// The files that were read, in order.
  package var files: [RawPath] = []
  /// One line each, for standard error.
  package var warnings: [Warning] = []

  package init() {}

  /// `driver.key=value` each.
  package var driverOptions: [String] { options.map(\.text) }

  /// An option of the driver and where it came from.
  package struct DriverOption: Sendable, Hashable {
    /// `driver.key=value`.
    package var text: String
    package var origin: String

    package init(_ text: String, from origin: String) {
      self.text = text
      self.origin = origin
    }
  }

  /// Something in a file that is passed over.
  package enum Warning: Sendable, Hashable {
    /// Keys that storage.conf does not have; each with its line, where that was found.
    case unknownKeys(file: String, keys: [UnknownKey])
    /// Any other.
    case text(String)

    /// A line for each thing.
    package var lines: [String] {
      switch self {
      case .text(let text): [text]
      case .unknownKeys(let file, let keys):
        keys.map { key in
          let line = key.line.map { ":\($0)" } ?? ""
          return "\(file)\(line): unknown key \"\(key.name)\" is passed over"
        }
      }
    }
  }

  /// A key that storage.conf does not have.
  package struct UnknownKey: Sendable, Hashable {
    package var name: String
    package var line: Int?
  }
}

/// The options of the command line that count for the store.
package struct StorageOptions: Sendable, Hashable {
  package var graphRoot: String?
  package var runRoot: String?
  package var driver: String?
  package var driverOptions: [String] = []
  package var imageStore: String?
  package var isTransient = false

  package init() {}

  /// Whether the configuration file gives only a missing root, and the environment nothing
  /// (storage-format 7.3).
  ///
  /// `--transient-store` and `--image-store` alone do not count.
  package var replaceFile: Bool {
    graphRoot != nil || runRoot != nil || driver != nil || !driverOptions.isEmpty
  }

  /// An empty text is no root and no driver: it comes of a variable that is not set, and the peer takes
  /// it as if it were not there.
  var withoutEmpty: StorageOptions {
    var options = self
    if graphRoot?.isEmpty == true { options.graphRoot = nil }
    if runRoot?.isEmpty == true { options.runRoot = nil }
    if driver?.isEmpty == true { options.driver = nil }
    if imageStore?.isEmpty == true { options.imageStore = nil }
    return options
  }
}
