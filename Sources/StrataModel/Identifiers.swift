/// Ids of records and names of link directories.
///
/// Random bytes are passed in, so that this module makes no system call.
public enum Identifiers {
  /// A new record id: 32 random bytes in hex whose first 12 digits are not all decimal, so that the
  /// short form is never taken for a number.
  ///
  /// - Parameter randomBytes: Gives that many bytes, fresh ones at each call.
  /// - Returns: 64 hex digits.
  package static func newID(_ randomBytes: (Int) -> [UInt8]) -> String {
    while true {
      let id = hexText(randomBytes(32))
      if !id.utf8.prefix(12).allSatisfy(isDecimal) { return id }
    }
  }

  /// A new link name: 17 random bytes in RFC 4648 base32, cut to 26 characters.
  ///
  /// - Parameter randomBytes: Gives that many bytes.
  /// - Returns: 26 letters and digits.
  package static func newLink(_ randomBytes: (Int) -> [UInt8]) -> String {
    let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".utf8)
    var text: [UInt8] = []
    var bits: UInt32 = 0
    var count = 0
    for byte in randomBytes(17) {
      bits = bits << 8 | UInt32(byte)
      count += 8
      while count >= 5 {
        count -= 5
        text.append(alphabet[Int(bits >> UInt32(count) & 31)])
      }
    }
    return String(decoding: text.prefix(26), as: UTF8.self)
  }

  /// Whether the text is a whole id: 64 lower-case hex digits.
  ///
  /// Directories of images and containers with other names are not the store's.
  public static func isWhole(_ text: String) -> Bool {
    text.utf8.count == 64
      && text.utf8.allSatisfy { isDecimal($0) || (UInt8(ascii: "a")...UInt8(ascii: "f")) ~= $0 }
  }

  /// Whether a caller's id may stand as a directory name: the peer takes any text, but one that
  /// would lead elsewhere is refused.
  public static func isUsable(_ text: String) -> Bool {
    // One pass: a load asks it of every record.
    text.utf8.allSatisfy { $0 != UInt8(ascii: "/") && $0 != 0 }
      && (1...255).contains(text.utf8.count) && text != "." && text != ".."
  }

  /// A list without its repetitions, each name where it first stood.
  public static func deduplicated(_ names: [String]) -> [String] {
    var seen: Set<String> = []
    return names.filter { seen.insert($0).inserted }
  }

  private static func isDecimal(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "0")...UInt8(ascii: "9")) ~= byte
  }
}
