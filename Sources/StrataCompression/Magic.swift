package import StrataModel

/// How a blob is compressed, by its first bytes; six are enough, and fewer at the end of a short
/// one.
///
/// The peer looks for the same marks (storage-format 4.9).
package func detectCompression(_ start: [UInt8]) -> Compression {
  for (mark, compression) in marks where start.starts(with: mark) { return compression }
  return .none
}

private let marks: [([UInt8], Compression)] = [
  ([0x42, 0x5a, 0x68], .bzip2),
  ([0x1f, 0x8b, 0x08], .gzip),
  ([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00], .xz),
  ([0x28, 0xb5, 0x2f, 0xfd], .zstd),
]
