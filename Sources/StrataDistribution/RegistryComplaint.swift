import StrataJSON

/// What a registry says of a request that it did not serve, in one line.
package enum RegistryComplaint {
  /// Reads the body `{"errors":[{"code","message","detail"}]}` of an answer; a body of another form is
  /// told only if it is short text.
  package static func line(status: Int, body: [UInt8]) -> String {
    let reason = reasons[status] ?? "status \(status)"
    guard let json = try? JSONValue(parsing: body), json.members != nil else {
      let text = printable(String(decoding: body.prefix(200), as: UTF8.self))
      let isText = !text.isEmpty && !text.contains("<")
      return isText ? "\(reason): \(text)" : reason
    }
    var parts: [String] = []
    for error in json["errors"]?.array ?? [] {
      let message = error["message"]?.string ?? ""
      let code = error["code"]?.string ?? ""
      let text = message.isEmpty ? code.lowercased() : message
      if !text.isEmpty, !parts.contains(text) { parts.append(text) }
    }
    if let details = json["details"]?.string ?? json["message"]?.string, parts.isEmpty {
      parts.append(details)
    }
    let text = printable(parts.joined(separator: "; "))
    return text.isEmpty ? reason : "\(reason): \(text)"
  }

  /// The codes of an error body, as `MANIFEST_UNKNOWN`.
  package static func codes(_ body: [UInt8]) -> [String] {
    guard let json = try? JSONValue(parsing: body) else { return [] }
    return (json["errors"]?.array ?? []).compactMap { $0["code"]?.string }
  }

  private static let reasons: [Int: String] = [
    400: "bad request (400)", 401: "not logged in, or the login is wrong (401)",
    403: "access denied (403)", 404: "not found (404)", 405: "not allowed here (405)",
    408: "request timeout (408)", 416: "no such range (416)", 429: "too many requests (429)",
    500: "the registry failed (500)", 502: "bad gateway (502)",
    503: "the registry is not available (503)", 504: "gateway timeout (504)",
  ]

  /// On one line, without what a terminal would obey.
  private static func printable(_ text: String) -> String {
    let scalars = text.unicodeScalars.map { $0.value < 0x20 || $0.value == 0x7F ? " " : $0 }
    var result = String.UnicodeScalarView()
    result.append(contentsOf: scalars)
    let words = String(result).split(separator: " ")
    return String(words.joined(separator: " ").prefix(400))
  }
}
