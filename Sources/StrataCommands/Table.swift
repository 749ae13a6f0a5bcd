/// Rows of text in aligned columns for a terminal or a pipe.
package struct Table {
  /// How a column stands.
  package enum Alignment { case left, right }

  private let titles: [String]
  private let alignments: [Alignment]
  private var rows: [[String]] = []

  /// A table with these titles; the alignments of columns that are not given is left.
  package init(_ titles: [String], _ alignments: [Alignment] = []) {
    self.titles = titles
    self.alignments =
      alignments + [Alignment](repeating: .left, count: max(0, titles.count - alignments.count))
  }

  /// A row; empty cells are shown as they are, control characters of names spelled out.
  package mutating func add(_ row: [String]) { rows.append(row.map(oneLine)) }

  /// All lines, each with its line end and no blanks before it.
  package var text: String {
    let all = [titles] + rows
    let counts = all.map { $0.map(Self.width) }
    var widths = [Int](repeating: 0, count: titles.count)
    for row in counts {
      for (index, count) in row.enumerated() { widths[index] = max(widths[index], count) }
    }
    var result: [UInt8] = []
    result.reserveCapacity(all.count * (widths.reduce(0, +) + 2 * widths.count))
    for (row, counts) in zip(all, counts) {
      for (index, cell) in row.enumerated() {
        let padding = repeatElement(UInt8(ascii: " "), count: widths[index] - counts[index])
        if alignments[index] == .right { result.append(contentsOf: padding) }
        result.append(contentsOf: cell.utf8)
        if alignments[index] == .left { result.append(contentsOf: padding) }
        if index < row.count - 1 { result.append(contentsOf: "  ".utf8) }
      }
      while result.last == UInt8(ascii: " ") { result.removeLast() }
      result.append(UInt8(ascii: "\n"))
    }
    return String(decoding: result, as: UTF8.self)
  }

  /// How many characters a cell has; of plain ASCII each byte is one.
  private static func width(_ cell: String) -> Int {
    cell.utf8.allSatisfy { $0 < 0x80 } ? cell.utf8.count : cell.count
  }
}

/// A size as people read it, in powers of 1000 as podman and docker print it: `312 MB`, `1.24 GB`.
package func humanSize(_ bytes: Int64) -> String {
  if bytes < 0 { return "?" }
  if bytes < 1000 { return "\(bytes) B" }
  var value = Double(bytes)
  var unit = 0
  let units = ["B", "kB", "MB", "GB", "TB", "PB", "EB"]
  while value >= 999.5, unit < units.count - 1 {
    value /= 1000
    unit += 1
  }
  // Three digits that mean something.
  let decimals = value < 9.995 ? 2 : value < 99.95 ? 1 : 0
  return "\(rounded(value, decimals)) \(units[unit])"
}

/// A number with a fixed count of decimals, without Foundation.
package func rounded(_ value: Double, _ decimals: Int) -> String {
  var scale = 1
  for _ in 0..<decimals { scale *= 10 }
  let scaled = Int((value * Double(scale)).rounded())
  guard decimals > 0 else { return String(scaled) }
  let fraction = String(scaled % scale)
  return "\(scaled / scale)." + String(repeating: "0", count: decimals - fraction.count) + fraction
}

/// How long ago a time was: `3 minutes ago`; `long ago` for times before 1970, which images made to be
/// reproducible carry.
package func humanAge(of seconds: Int64, now: Int64) -> String {
  if seconds <= 0 { return "long ago" }
  let age = now - seconds
  if age < 0 { return "in the future" }
  let steps: [(Int64, String)] = [
    (365 * 86400, "year"), (30 * 86400, "month"), (7 * 86400, "week"), (86400, "day"),
    (3600, "hour"), (60, "minute"), (1, "second"),
  ]
  for (length, name) in steps where age >= length {
    let count = age / length
    return "\(count) \(name)\(count == 1 ? "" : "s") ago"
  }
  return "just now"
}

/// The first 12 digits of an id, as people say it.
package func shortID(_ id: String) -> String { String(id.prefix(12)) }
