package import StrataSystem

/// The command line of the daemon, in stargz-store's spelling: flags with one or two dashes, values
/// behind `=` or as the next word, then the mount point.
package struct DaemonOptions: Sendable {
  /// The state directory.
  package var root: RawPath = "/var/lib/strata-lazy"
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

  /// Reads the words behind the program's name.
  package init(_ words: [RawPath]) throws(LazyError) {
    var rest = words[...]
    while let word = rest.popFirst() {
      guard word.count > 1, word.hasPrefix("-"), word != "--" else {
        if word == "--" { continue }
        guard mountPoint.isEmpty else { throw LazyError("one mount point only: \(word)") }
        mountPoint = word
        continue
      }
      try take(word.description, &rest)
    }
    if mountPoint.isEmpty { throw LazyError("no mount point given: see strata-lazy --help") }
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
    case ("root", _), ("oci-layout", _), ("log-level", _), ("stop-timeout", _): break
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

  /// A number with `K`, `M`, `G` or `T` behind it for powers of 1024.
  private static func amount(_ text: String, of name: String) throws(LazyError) -> Int64 {
    let units: [Character: Int64] = ["K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40]
    let unit = text.last.flatMap { units[Character($0.uppercased())] }
    if let number = Int64(unit == nil ? text : String(text.dropLast())), number >= 0 {
      let (product, overflow) = number.multipliedReportingOverflow(by: unit ?? 1)
      if !overflow { return product }
    }
    throw LazyError("--\(name) \(text): a number, with K, M, G or T behind it")
  }

  private static func level(_ name: String) throws(LazyError) -> LogLevel {
    switch name {
    case "trace", "debug": return .debug
    case "info": return .info
    case "warn", "warning": return .warning
    case "error", "fatal", "panic": return .error
    default: throw LazyError("unknown log level \(name): debug, info, warning or error")
    }
  }

  /// What `--help` prints.
  package static let help = """
    Usage: strata-lazy [OPTION...] MOUNTPOINT
           strata-lazy pull|push ...   (as `strata pull` and `strata push`)
           strata-lazy record begin|end MOUNTPOINT IMAGE

    record: what is read between begin and end is fetched ahead at the next starts of the image.

    Serves layers of registries as an additional layer store, until it is unmounted or ended by a
    signal. storage.conf: additionallayerstores = ["MOUNTPOINT:ref"]

      --root DIR               where state and cache are kept (default /var/lib/strata-lazy)
      --oci-layout DIR         read layers from an OCI image layout, not from registries
      --no-background-fetch    complete only layers that have to be verified whole
      --verified-blob-digests  answer to a blob's digest only where it is known to belong to its TOC
      --cache-size BYTES       the most that the cache holds (as 500M, 20G); else a twentieth of the
                               disk is left free. What open files need is never taken
      --cache-age DAYS         content of deleted images goes when unread for so long (30; 0: never)
      --keep-mounted           never take content of layers in use: for hosts that go offline
      --no-prefetch            fetch nothing ahead of an image's start
      --background-bandwidth BYTES
                               a second, of background and prefetch together; readers have no limit
      --read-timeout SECONDS   how long a read waits for a registry before it is an error (60)
      --stop-timeout SECONDS   how long containers on its layers are served after SIGTERM (default 20)
      --log-level LEVEL        debug, info (default), warning or error; lines go to standard error

    Stays in the foreground. The process that is started keeps the mount and starts another that serves
    it. That one may die: it is started again, and what containers read meanwhile comes later. SIGHUP
    replaces it, by the program and the configuration as they are then. SIGTERM and SIGINT take the mount
    away and wait for its users; a second one does not wait.

    """
}
