import StrataJSON
import StrataModel

/// What a token server has given out (distribution's token specification).
package struct AccessToken: Sendable, Hashable {
  package var text: String
  /// When it should be renewed, in seconds since 1970: at three quarters of its life.
  package var renewal: Int64

  /// Reads an answer; nil where it holds no token.
  ///
  /// A token without a life lives for a minute, and none for less.
  package init?(answer: [UInt8], now: Int64) {
    guard let json = try? JSONValue(parsing: answer),
      let text = [json["token"]?.string, json["access_token"]?.string].compactMap({ $0 })
        .first(where: { !$0.isEmpty }),
      // It goes into a header.
      text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F })
    else { return nil }
    self.text = text
    let life = min(max(json["expires_in"]?.int64 ?? 60, 60), 1 << 31)
    let issued = json["issued_at"]?.string.flatMap { Timestamp($0) }?.seconds ?? now
    // A clock that is ahead of ours must not make it live for ever.
    renewal = min(issued, now) + life * 3 / 4
  }
}
