/// Where the data of a sparse file lies; between the pieces are holes.
struct SparseMap {
  /// Pieces in order of their offsets, none over another.
  private(set) var pieces: [Range<Int64>] = []

  /// Builds the map from offsets and lengths in turn; nil where they are no such map of a file of
  /// `size` bytes whose data are `stored` bytes.
  init?(_ numbers: [Int64], size: Int64, stored: Int64) {
    guard numbers.count.isMultiple(of: 2), size >= 0 else { return nil }
    var end: Int64 = 0
    var total: Int64 = 0
    for index in stride(from: 0, to: numbers.count, by: 2) {
      let (offset, length) = (numbers[index], numbers[index + 1])
      guard offset >= end, length >= 0 else { return nil }
      let (next, overflow) = offset.addingReportingOverflow(length)
      guard !overflow, next <= size else { return nil }
      if length > 0 { pieces.append(offset..<next) }
      end = next
      total += length  // never more than `size`
    }
    guard total == stored else { return nil }
  }
}
