import StrataConfig
import StrataModel
import StrataSetup
import StrataStore
package import StrataSystem

/// What one run of the program holds: who it is called as, its options, its output, and the store
/// once a verb has asked for it.
final class Session {
  let persona: Persona
  let output: Output
  private(set) var surroundings: Surroundings
  /// Options that count on both sides of the verb.
  var global: PeerArguments
  /// The network half, in the program that has it.
  var transfer: (any RegistryTransfer)?
  /// The options before the verb that every verb takes behind it too, for a program that goes on.
  var leadingWords: [RawPath] = []
  /// The words behind the verb.
  var verbWords: [String] = []
  private var openStore: Store?
  private var loadedSettings: StorageSettings?
  private var loadedStrataSettings: StrataSettings?

  init(
    persona: Persona, surroundings: Surroundings, global: PeerArguments, output: Output
  ) {
    self.persona = persona
    self.surroundings = surroundings
    self.global = global
    self.output = output
  }

  /// Whether debugging lines are wanted.
  var isDebugging: Bool { global.isOn("debug") }

  /// A line for whoever looks for the cause of something.
  func debug(_ text: @autoclosure () -> String) {
    guard isDebugging else { return }
    output.error(LogLine.text(.debug, text(), now: wallClock()))
  }

  /// A line about something that is wrong and does not stop the verb.
  func warn(_ text: String) {
    output.flush()
    Self.tell(persona, text)
  }

  /// A line on standard error, from any thread.
  private static func tell(_ persona: Persona, _ text: String) {
    let line =
      switch persona {
      case .strata: "strata: warning: \(oneLine(text))"
      case .peer: LogLine.text(.warning, text, now: FileTime.now)
      }
    try? FileDescriptor.standardError.writeAll(Array((line + "\n").utf8))
  }

  /// Reads another storage.conf, and that alone.
  func useConfiguration(_ file: String) {
    surroundings.variables["CONTAINERS_STORAGE_CONF"] = file
    loadedSettings = nil
  }

  /// What is in force for the store.
  func settings() throws(ConfigurationError) -> StorageSettings {
    if let loadedSettings { return loadedSettings }
    var options = StorageOptions()
    options.graphRoot = global.text("graph")
    options.runRoot = global.text("run")
    options.driver = global.text("storage-driver")
    options.driverOptions = global.list("storage-opt")
    options.imageStore = global.text("image-store")
    options.isTransient = global.isOn("transient-store")
    var settings = try StorageSettings.load(options, surroundings: surroundings)
    settings.warnings.forEach(report)
    if !settings.fillMountProgram(surroundings) {
      throw ConfigurationError(
        "no mount program: strata-overlay is neither beside \(persona.name) nor in PATH: install it "
          + "or name one with --storage-opt overlay.mount_program=PATH")
    }
    loadedSettings = settings
    return settings
  }

  private func report(_ warning: StorageSettings.Warning) {
    if persona == .peer, case .unknownKeys(let file, let keys) = warning {
      let names = keys.map { quoted($0.name) }.joined(separator: " ")
      warn("Failed to decode the keys [\(names)] from \(quoted(file))")
    } else {
      warning.lines.forEach(warn)
    }
  }

  /// The store, opened at the first call; an ordinary user is moved into a namespace before.
  ///
  /// `keepingLeftovers` is for verbs that tell of what dead processes have left.
  func store(keepingLeftovers: Bool = false) throws -> Store {
    if let openStore { return openStore }
    try enterNamespaceIfNeeded()
    // Before any file is opened; what `unshare` starts keeps the caller's.
    _ = raiseDescriptorLimit()
    let settings = try settings()
    debug("Root: \(settings.graphRoot)")
    debug("Run Root: \(settings.runRoot)")
    debug("Driver Name: \(settings.driver)")
    debug("Driver Options: [\(settings.driverOptions.joined(separator: " "))]")
    var configuration = StoreConfiguration(settings)
    let persona = persona
    configuration.removesLeftovers = !keepingLeftovers
    configuration.onWarning = { Self.tell(persona, $0) }
    let own = try strataSettings()
    configuration.take(own)
    // The peer waits without a word, and for ever unless something says otherwise.
    if persona == .strata {
      configuration.lockTimeout = own.lockTimeout
      configuration.onWait = { lock, holder in
        Self.tell(persona, "waiting for \(holder ?? "another process"), which holds \(lock)")
      }
    }
    do throws(StoreError) {
      let store = try Store(configuration)
      openStore = store
      return store
    } catch {
      throw Opening(error: error)
    }
  }

  /// What only Strata knows: its own file, variables and options.
  func strataSettings() throws -> StrataSettings {
    if let loadedStrataSettings { return loadedStrataSettings }
    var settings = try StrataSettings.load(surroundings: surroundings)
    for key in StrataSettings.Key.allCases {
      guard let text = global.text(key.rawValue) else { continue }
      do throws(ConfigurationError) { try settings.setOption(key, text) } catch {
        throw StoreError(.usage, error.description)
      }
    }
    settings.warnings.forEach(report)
    loadedStrataSettings = settings
    return settings
  }

  /// A store that could not be opened, which the peer reports on standard output.
  struct Opening: Error {
    var error: StoreError
  }

  /// Makes an ordinary user root of a namespace in which the subordinate ids count, once.
  func enterNamespaceIfNeeded() throws {
    guard surroundings.userID != 0 else { return }
    try enterStorageNamespace(&surroundings, warn: persona == .strata ? warn : { _ in })
    loadedSettings = nil
    loadedStrataSettings = nil
  }

  /// The time, for ages.
  func wallClock() -> FileTime { FileTime.now }
}

/// Lines in the form of the peer's logger.
package enum LogLine {
  package enum Level: String { case debug, warning, error }

  package static func text(_ level: Level, _ message: String, now: FileTime) -> String {
    let time = Timestamp(seconds: now.seconds, nanoseconds: 0)
    return "time=\"\(time)\" level=\(level.rawValue) msg=\(quoted(message))"
  }
}
