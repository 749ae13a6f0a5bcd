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
    case ("root", _), ("oci-layout", _), ("log-level", _): break
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
    default: level = try Self.level(value.description)
    }
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

    Serves layers of registries as an additional layer store, until it is unmounted or ended by a
    signal. storage.conf: additionallayerstores = ["MOUNTPOINT:ref"]

      --root DIR               where state and cache are kept (default /var/lib/strata-lazy)
      --oci-layout DIR         read layers from an OCI image layout, not from registries
      --no-background-fetch    complete only layers that have to be verified whole
      --verified-blob-digests  answer to a blob's digest only where it is known to belong to its TOC
      --log-level LEVEL        debug, info (default), warning or error; lines go to standard error

    One process, in the foreground: if it dies, containers on its layers read errors until they are
    started again.

    """
}
