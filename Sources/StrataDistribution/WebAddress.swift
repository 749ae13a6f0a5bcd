/// An absolute http or https address (RFC 3986), as far as a registry's client needs it.
package struct WebAddress: Sendable, Hashable, CustomStringConvertible {
  package enum Scheme: String, Sendable {
    case http, https
  }

  package var scheme: Scheme
  /// Host, and port if one is given, in lower case.
  package var authority: String
  /// Path and query, from the first slash on.
  package var target: String

  package init(_ scheme: Scheme, authority: String, target: String) {
    self.scheme = scheme
    self.authority = authority.lowercased()
    self.target = target
  }

  /// Reads an absolute address; nil for other schemes, for names and passwords in it and for what is
  /// no address.
  package init?(_ text: String) {
    let text = text.prefix { $0 != "#" }
    guard let colon = text.firstIndex(of: ":"),
      let scheme = Scheme(rawValue: text[..<colon].lowercased())
    else { return nil }
    let rest = text[text.index(after: colon)...]
    guard rest.hasPrefix("//"), Self.isPrintable(rest) else { return nil }
    let behind = rest.dropFirst(2)
    let authority = behind.prefix { $0 != "/" && $0 != "?" }
    guard !authority.isEmpty, !authority.contains("@") else { return nil }
    let target = behind[authority.endIndex...]
    self.init(
      scheme, authority: String(authority),
      target: target.hasPrefix("/") ? String(target) : "/" + target)
  }

  /// The address that a `Location` names, seen from this one; nil where it is none.
  package func resolving(_ location: String) -> WebAddress? {
    if location.contains("://"), let colon = location.firstIndex(of: ":"),
      location[..<colon].allSatisfy({ $0.isLetter })
    {
      return WebAddress(location)
    }
    let text = location.prefix { $0 != "#" }
    guard !text.isEmpty, Self.isPrintable(text) else { return nil }
    if text.hasPrefix("//") { return WebAddress("\(scheme.rawValue):\(text)") }
    if text.hasPrefix("/") {
      return WebAddress(scheme, authority: authority, target: String(text))
    }
    let path = target.prefix { $0 != "?" }
    if text.hasPrefix("?") {
      return WebAddress(scheme, authority: authority, target: path + String(text))
    }
    let folder = path[...(path.lastIndex(of: "/") ?? path.startIndex)]
    return WebAddress(scheme, authority: authority, target: folder + String(text))
  }

  /// With one more parameter behind the path.
  package func adding(query name: String, _ value: String) -> WebAddress {
    var result = self
    result.target += (target.contains("?") ? "&" : "?") + "\(name)=\(Self.escaped(value))"
    return result
  }

  /// Whether what may be shown to the one may be shown to the other: same host and port, and not less
  /// private.
  package func mayShare(secretsOf other: WebAddress) -> Bool {
    normalAuthority == other.normalAuthority && (scheme == .https || other.scheme == .http)
  }

  /// Host and port, the port spelled out.
  private var normalAuthority: String {
    let bracket = authority.lastIndex(of: "]") ?? authority.startIndex
    if authority[bracket...].contains(":") { return authority }
    return authority + (scheme == .https ? ":443" : ":80")
  }

  /// Whether the host is this machine: only the loopback addresses and `localhost` are.
  package static func isLoopback(_ authority: String) -> Bool {
    if authority.hasPrefix("[::1]") { return true }
    let host = authority.prefix { $0 != ":" }.lowercased()
    if host == "localhost" { return true }
    let parts = host.split(separator: ".", omittingEmptySubsequences: false)
    return parts.count == 4 && parts[0] == "127" && parts.allSatisfy { UInt8($0) != nil }
  }

  /// Everything but letters, digits and `-._~` by percent signs, as a value of a query or a form.
  package static func escaped(_ text: String) -> String {
    let digits = Array("0123456789ABCDEF".utf8)
    var result: [UInt8] = []
    for byte in text.utf8 {
      let isPlain =
        (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte)
        || (0x61...0x7A).contains(byte) || "-._~".utf8.contains(byte)
      if isPlain {
        result.append(byte)
      } else {
        result += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
      }
    }
    return String(decoding: result, as: UTF8.self)
  }

  package var description: String { "\(scheme.rawValue)://\(authority)\(target)" }

  private static func isPrintable(_ text: Substring) -> Bool {
    text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F }
  }
}
