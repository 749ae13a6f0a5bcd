import StrataConfig
import StrataSystem

/// Reads values of a configuration file by their dotted keys, and remembers which were asked for.
struct ConfigurationReader {
  private let document: SettingsDocument
  private var known: Set<[String]> = []

  init(_ document: SettingsDocument) { self.document = document }

  mutating func string(_ key: String) throws(LazyError) -> String? {
    guard let value = value(key) else { return nil }
    guard case .string(let text) = value else { throw wrong(key, "a text in quotes") }
    return text
  }

  /// A path that does not depend on where the daemon was started.
  mutating func path(_ key: String) throws(LazyError) -> RawPath? {
    guard let text = try string(key) else { return nil }
    let path = RawPath(text)
    guard path.isAbsolute else { throw wrong(key, "an absolute path") }
    return path.cleaned
  }

  mutating func bool(_ key: String) throws(LazyError) -> Bool? {
    guard let value = value(key) else { return nil }
    guard case .bool(let value) = value else { throw wrong(key, "true or false") }
    return value
  }

  mutating func integer(_ key: String, _ range: ClosedRange<Int>) throws(LazyError) -> Int? {
    guard let value = value(key) else { return nil }
    guard case .integer(let number) = value, range.contains(number) else {
      throw wrong(key, "a number from \(range.lowerBound) to \(range.upperBound)")
    }
    return number
  }

  /// A number of bytes: an integer, or a text with `K`, `M`, `G` or `T` behind it.
  mutating func amount(_ key: String) throws(LazyError) -> Int64? {
    switch value(key) {
    case nil: return nil
    case .integer(let number)? where number >= 0: return Int64(number)
    case .string(let text)?:
      if let number = byteAmount(text) { return number }
    default: break
    }
    throw wrong(key, "a number of bytes, as 500000 or \"20G\"")
  }

  /// The error for a value that cannot be.
  func wrong(_ key: String, _ expected: String) -> LazyError {
    LazyError("\(place(key)): \(key) has to be \(expected)")
  }

  /// A line for each key that nobody asked for.
  func warnings() -> [String] {
    var result: [String] = []
    visit(document.content, []) { path in
      let key = path.joined(separator: ".")
      let reason = Self.foreign.first { key == $0.key || key.hasPrefix("\($0.key).") }?.reason
      result.append("\(place(key)): " + (reason.map { "\(key): \($0)" } ?? "unknown key \(key)"))
    }
    return result
  }

  // MARK: - Keys

  /// Keys of stargz-store that mean nothing here, and why.
  private static let foreign: [(key: String, reason: String)] = {
    let unneeded = "of stargz-store, without a meaning here"
    let verified = "no effect: content is always verified"
    return [
      ("disable_verification", verified), ("allow_no_verification", verified),
      ("resolver", "no effect: mirrors are those of registries.conf"),
      ("kubeconfig_keychain", "no effect: logins are those of auth.json"),
    ]
      + [
        "http_cache_type", "filesystem_cache_type", "resolve_result_entry_ttl_sec",
        "prefetch_size", "prefetch_timeout_sec", "prefetch_async_size", "log_file_access",
        "metadata_store", "blob.valid_interval", "blob.check_always", "blob.chunk_size",
        "blob.force_single_range_mode", "blob.prefetch_chunk_size", "blob.max_retries",
        "blob.min_wait_msec", "blob.max_wait_msec", "directory_cache", "fuse",
      ].map { ($0, unneeded) }
  }()

  private mutating func value(_ key: String) -> SettingValue? {
    let path = key.split(separator: ".").map { String($0) }
    known.insert(path)
    return document.content[path]
  }

  private func place(_ key: String) -> String {
    let line = document.line(of: key.split(separator: ".").map { String($0) })
    return "\(document.path)" + (line.map { ":\($0)" } ?? "")
  }

  /// Calls `body` with the outermost keys below which nothing was asked for.
  private func visit(_ value: SettingValue, _ path: [String], _ body: ([String]) -> Void) {
    if known.contains(path) { return }
    let isWhole = Self.foreign.contains { $0.key == path.joined(separator: ".") }
    let leadsToKnown = path.isEmpty || known.contains { $0.starts(with: path) }
    guard case .table(let members) = value, !isWhole, leadsToKnown else { return body(path) }
    for key in members.keys.sorted() {
      if let member = members[key] { visit(member, path + [key], body) }
    }
  }
}

/// A number with `K`, `M`, `G` or `T` behind it for powers of 1024; nil for anything else.
func byteAmount(_ text: String) -> Int64? {
  let units: [Character: Int64] = ["K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40]
  let unit = text.last.flatMap { units[Character($0.uppercased())] }
  guard let number = Int64(unit == nil ? text : String(text.dropLast())), number >= 0 else {
    return nil
  }
  let (product, overflow) = number.multipliedReportingOverflow(by: unit ?? 1)
  return overflow ? nil : product
}
