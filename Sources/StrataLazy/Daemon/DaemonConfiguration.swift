package import StrataConfig
package import StrataSystem

/// The text of a configuration file, which the holder reads and hands to its workers: one that was
/// changed for the worse meanwhile keeps no worker from starting.
package struct ConfigurationText: Sendable {
  package var path: RawPath
  package var text: String

  package init(path: RawPath, text: String) {
    self.path = path
    self.text = text
  }

  private static let limit = 1 << 20

  /// The file that the command line names, else the one at the usual place if there is one.
  package static func read(
    _ named: RawPath?, _ surroundings: Surroundings
  ) throws(LazyError) -> ConfigurationText? {
    let path = named ?? usualPath(surroundings)
    do throws(Errno) {
      let bytes = try FileDescriptor.workingDirectory.contents(of: path, limit: limit)
      return ConfigurationText(path: path, text: String(decoding: bytes, as: UTF8.self))
    } catch {
      if named == nil, error == .noSuchFileOrDirectory || error == .notADirectory { return nil }
      throw LazyError("configuration \(path): \(error)")
    }
  }

  /// `/etc/strata-lazy/config.toml`, and below the home directory of an ordinary user.
  private static func usualPath(_ surroundings: Surroundings) -> RawPath {
    let folder: RawPath =
      surroundings.isRootless
      ? surroundings.userConfiguration
        ?? (surroundings.home ?? "/").appending(".config") : "/etc"
    return folder.appending("strata-lazy/config.toml")
  }

  // MARK: - To the worker

  /// As a file in memory: the path, NUL, the text.
  func file() throws(Errno) -> FileDescriptorOwner {
    let file = try anonymousFile("strata-lazy-config")
    try file.view.writeAll(Array(path.bytes) + [0] + Array(text.utf8))
    return file
  }

  /// What `file` has written; nil where it is empty.
  init?(_ file: FileDescriptor) throws(Errno) {
    let bytes = try file.bytes(Self.limit + 4096, at: 0)
    guard let end = bytes.firstIndex(of: 0) else { return nil }
    path = RawPath(bytes[..<end])
    text = String(decoding: bytes[(end + 1)...], as: UTF8.self)
  }
}

extension DaemonOptions {
  /// Takes over what a configuration file says; unknown keys, and those of stargz-store that mean nothing
  /// here, are in `warnings`.
  ///
  /// A value that cannot be is an error that names file, line and key.
  mutating func take(_ configuration: ConfigurationText) throws(LazyError) {
    let document: SettingsDocument
    do throws(ConfigurationError) {
      document = try SettingsDocument(text: configuration.text, path: configuration.path)
    } catch { throw LazyError(error.description) }
    var reader = ConfigurationReader(document)
    if let path = try reader.path("root") { root = path }
    if let path = try reader.path("mount_point") { mountPoint = path }
    if let path = try reader.path("oci_layout") { layout = path }
    if try reader.bool("debug") == true { level = .debug }
    if let name = try reader.string("log_level") {
      guard let level = Self.levels[name] else {
        throw reader.wrong("log_level", "debug, info, warning or error")
      }
      self.level = level
    }
    if let seconds = try reader.integer("stop_timeout_sec", 0...86_400) {
      stopTimeout = UInt64(seconds) * 1_000_000_000
    }
    if let value = try reader.bool("no_background_fetch") { backgroundFetch = !value }
    if let value = try reader.bool("noprefetch") { bounds.prefetches = !value }
    if let value = try reader.bool("no_prometheus") { givesMetrics = !value }
    if let count = try reader.integer("max_concurrency", 1...256) { bounds.concurrency = count }
    try takeTables(&reader)
    warnings = reader.warnings()
  }

  private mutating func takeTables(_ reader: inout ConfigurationReader) throws(LazyError) {
    if let size = try reader.amount("cache.size") { bounds.cacheSize = size }
    if let days = try reader.integer("cache.age_days", 0...36_500) {
      bounds.cacheAge = days == 0 ? nil : Int64(days) * 86_400
    }
    if let value = try reader.bool("cache.evict_mounted") { bounds.keepsMounted = !value }
    if let rate = try reader.amount("fetch.background_bandwidth") {
      bounds.backgroundBandwidth = rate == 0 ? nil : rate
    }
    for key in ["blob.fetching_timeout_sec", "fetch.read_timeout_sec"] {
      guard let seconds = try reader.integer(key, 1...86_400) else { continue }
      bounds.readTimeout = UInt64(seconds) * 1_000_000_000
    }
    switch try reader.string("trust.blob_digest_keys") {
    case nil: break
    case "allow"?: trustsBlobDigests = true
    case "verified"?: trustsBlobDigests = false
    default: throw reader.wrong("trust.blob_digest_keys", "allow or verified")
    }
  }
}
