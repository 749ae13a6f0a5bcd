/// A time in Go's spelling of RFC 3339 with nanoseconds, as the records hold it.
///
/// The text that was read is kept, so that an untouched record is written back as it was.
public struct Timestamp: Hashable, Sendable, CustomStringConvertible {
  /// Seconds since the epoch, in UTC.
  public let seconds: Int64
  /// 0..<1,000,000,000.
  public let nanoseconds: UInt32
  private let text: String

  /// A time of these parts, spelled in UTC without trailing zeros of the fraction.
  public init(seconds: Int64, nanoseconds: UInt32) {
    self.seconds = seconds
    self.nanoseconds = nanoseconds
    text = Self.spell(seconds, nanoseconds)
  }

  /// Go's zero time, `0001-01-01T00:00:00Z`.
  public static let zero = Timestamp(seconds: -62_135_596_800, nanoseconds: 0)

  /// Reads `2006-01-02T15:04:05[.fraction](Z|+hh:mm|-hh:mm)`; nil if the text is anything else.
  public init?(_ text: String) {
    var reader = Digits(Array(text.utf8))
    guard let year = reader.number(4), reader.skip("-"), let month = reader.number(2),
      reader.skip("-"), let day = reader.number(2), reader.skip("T") || reader.skip("t"),
      let hour = reader.number(2), reader.skip(":"), let minute = reader.number(2),
      reader.skip(":"), let second = reader.number(2),
      (1...12).contains(month), (1...Self.days(in: month, of: year)).contains(day), hour < 24,
      minute < 60, second < 60
    else { return nil }
    var fraction: UInt32 = 0
    if reader.skip(".") {
      var digits = 0
      while let digit = reader.number(1) {
        if digits < 9 { fraction = fraction * 10 + UInt32(digit) }
        digits += 1
      }
      guard digits > 0 else { return nil }
      while digits < 9 {
        fraction *= 10
        digits += 1
      }
    }
    var offset = 0
    if !(reader.skip("Z") || reader.skip("z")) {
      let negative = reader.skip("-")
      guard negative || reader.skip("+"), let h = reader.number(2), reader.skip(":"),
        let m = reader.number(2), h < 24, m < 60
      else { return nil }
      offset = (h * 60 + m) * (negative ? -60 : 60)
    }
    guard reader.isAtEnd else { return nil }
    let days = Self.daysFromEpoch(year: year, month: month, day: day)
    seconds = Int64(days) * 86400 + Int64(hour * 3600 + minute * 60 + second - offset)
    nanoseconds = fraction
    self.text = text
  }

  /// The text as read, or as spelled.
  public var description: String { text }

  /// Whether the two are the same instant, however spelled.
  public static func == (left: Timestamp, right: Timestamp) -> Bool {
    (left.seconds, left.nanoseconds) == (right.seconds, right.nanoseconds)
  }

  /// Equal times hash alike, whatever their zone.
  public func hash(into hasher: inout Hasher) {
    hasher.combine(seconds)
    hasher.combine(nanoseconds)
  }

  private static func days(in month: Int, of year: Int) -> Int {
    switch month {
    case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
    case 4, 6, 9, 11: 30
    default: 31
    }
  }

  /// Days since 1970-01-01 in the proleptic Gregorian calendar.
  private static func daysFromEpoch(year: Int, month: Int, day: Int) -> Int {
    // Years start in March here, so that the leap day is a year's last.
    let y = month <= 2 ? year - 1 : year
    let era = (y >= 0 ? y : y - 399) / 400
    let yearOfEra = y - era * 400
    let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
    let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
    return era * 146_097 + dayOfEra - 719_468
  }

  private static func spell(_ seconds: Int64, _ nanoseconds: UInt32) -> String {
    var days = Int(seconds / 86400)
    var rest = Int(seconds % 86400)
    if rest < 0 {
      rest += 86400
      days -= 1
    }
    let shifted = days + 719_468
    let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
    let dayOfEra = shifted - era * 146_097
    let yearOfEra =
      (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let monthFromMarch = (5 * dayOfYear + 2) / 153
    let day = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
    let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
    let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    var text =
      "\(padded(year, 4))-\(padded(month, 2))-\(padded(day, 2))T\(padded(rest / 3600, 2)):"
      + "\(padded(rest / 60 % 60, 2)):\(padded(rest % 60, 2))"
    if nanoseconds > 0 {
      var fraction = padded(Int(nanoseconds), 9)
      while fraction.last == "0" { fraction.removeLast() }
      text += "." + fraction
    }
    return text + "Z"
  }

  private static func padded(_ number: Int, _ width: Int) -> String {
    let digits = String(number)
    return String(repeating: "0", count: max(0, width - digits.count)) + digits
  }
}

/// A cursor over ASCII digits and marks.
private struct Digits {
  private let bytes: [UInt8]
  private var position = 0

  init(_ bytes: [UInt8]) { self.bytes = bytes }

  var isAtEnd: Bool { position == bytes.count }

  /// A number of exactly `width` digits, or nil with nothing consumed.
  mutating func number(_ width: Int) -> Int? {
    guard position + width <= bytes.count else { return nil }
    var value = 0
    for byte in bytes[position..<(position + width)] {
      guard byte >= 0x30, byte <= 0x39 else { return nil }
      value = value * 10 + Int(byte - 0x30)
    }
    position += width
    return value
  }

  mutating func skip(_ mark: Unicode.Scalar) -> Bool {
    guard position < bytes.count, bytes[position] == UInt8(ascii: mark) else { return false }
    position += 1
    return true
  }
}
