package import StrataConfig
package import StrataSystem

/// The command line of the daemon, in stargz-store's spelling: flags with one or two dashes, values
/// behind `=` or as the next word, then the mount point.
package struct DaemonOptions: Sendable {
  /// The state directory.
  package var root: RawPath
  package var level = LogLevel.info
  /// A folder in the OCI image layout to read from in place of registries.
  package var layout: RawPath?
  package var backgroundFetch = true
  package var trustsBlobDigests = true
  /// Bounds of cache and network.
  package var bounds = LazyOptions()
  /// How long users of the mount are served after the daemon was told to end, in nanoseconds.
  package var stopTimeout: UInt64 = 20_000_000_000
  package var mountPoint: RawPath = ""
  /// Whether the socket in the state directory gives out metrics besides the state.
  package var givesMetrics = true
  /// What the configuration file says and means nothing, a line each.
  package var warnings: [String] = []

  private init(_ surroundings: Surroundings) { root = lazyStateDirectory(surroundings) }

  /// Reads a configuration file, if there is one, and the words behind the program's name, which stand
  /// before what it says.
  package init(
    _ words: [RawPath], _ configuration: ConfigurationText?, _ surroundings: Surroundings
  ) throws(LazyError) {
    try self.init(anywhere: words, configuration, surroundings)
    if mountPoint.isEmpty { throw LazyError("no mount point given: see strata-lazy --help") }
  }

  /// As above, where no mount point is needed.
  package init(
    anywhere words: [RawPath], _ configuration: ConfigurationText?, _ surroundings: Surroundings
  ) throws(LazyError) {
    self.init(surroundings)
    if let configuration { try take(configuration) }
    var rest = words[...]
    var given: RawPath?
    while let word = rest.popFirst() {
      guard word.count > 1, word.hasPrefix("-"), word != "--" else {
        if word == "--" { continue }
        guard given == nil else { throw LazyError("one mount point only: \(word)") }
        given = word
        continue
      }
      try take(word.description, &rest)
    }
    if let given { mountPoint = given }
  }

  /// The configuration file that the command line names.
  package static func configurationPath(_ words: [RawPath]) throws(LazyError) -> RawPath? {
    for (number, word) in words.enumerated() where word.hasPrefix("-") {
      let parts = word.description.drop { $0 == "-" }.split(separator: "=", maxSplits: 1)
      guard parts.first == "config" else { continue }
      if parts.count == 2 { return RawPath(String(parts[1])) }
      guard number + 1 < words.count else { throw LazyError("\(word) needs a value") }
      return words[number + 1]
    }
    return nil
  }

  private mutating func take(_ word: String, _ rest: inout ArraySlice<RawPath>) throws(LazyError) {
    let parts = word.drop { $0 == "-" }.split(separator: "=", maxSplits: 1)
    let name = parts.first.map(String.init) ?? ""
    switch (name, parts.count) {
    case ("no-background-fetch", 1):
      backgroundFetch = false
      return
    case ("verified-blob-digests", 1):
      trustsBlobDigests = false
      return
    case ("no-prefetch", 1):
      bounds.prefetches = false
      return
    case ("keep-mounted", 1):
      bounds.keepsMounted = true
      return
    case ("root", _), ("oci-layout", _), ("log-level", _), ("stop-timeout", _), ("config", _): break
    case ("cache-size", _), ("cache-age", _), ("background-bandwidth", _), ("read-timeout", _):
      break
    default: throw LazyError("unknown option \(word): see strata-lazy --help")
    }
    let value: RawPath
    if parts.count == 2 {
      value = RawPath(String(parts[1]))
    } else {
      guard let next = rest.popFirst() else { throw LazyError("\(word) needs a value") }
      value = next
    }
    switch name {
    case "config": break
    case "root": root = value
    case "oci-layout": layout = value
    case "stop-timeout":
      guard let seconds = UInt64(value.description), seconds <= 86400 else {
        throw LazyError("\(word): not a number of seconds: \(value)")
      }
      stopTimeout = seconds * 1_000_000_000
    case "log-level": level = try Self.level(value.description)
    default: try setBound(name, value.description)
    }
  }

  private mutating func setBound(_ name: String, _ value: String) throws(LazyError) {
    let number = try Self.amount(value, of: name)
    switch name {
    case "cache-size": bounds.cacheSize = number
    case "cache-age": bounds.cacheAge = number == 0 ? nil : min(number, 36_500) * 86_400
    case "background-bandwidth": bounds.backgroundBandwidth = number == 0 ? nil : number
    default: bounds.readTimeout = UInt64(min(max(number, 1), 86_400)) * 1_000_000_000
    }
  }

  private static func amount(_ text: String, of name: String) throws(LazyError) -> Int64 {
    guard let number = byteAmount(text) else {
      throw LazyError("--\(name) \(text): a number, with K, M, G or T behind it")
    }
    return number
  }

  /// Those of the peer among them.
  static let levels: [String: LogLevel] = [
    "trace": .debug, "debug": .debug, "info": .info, "warn": .warning, "warning": .warning,
    "error": .error, "fatal": .error, "panic": .error,
  ]

  private static func level(_ name: String) throws(LazyError) -> LogLevel {
    guard let level = levels[name] else {
      throw LazyError("unknown log level \(name): debug, info, warning or error")
    }
    return level
  }
}
