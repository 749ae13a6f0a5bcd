package import StrataModel
package import StrataSystem

/// Calls `body` with the header of every entry of the layer that a tar-split file describes.
///
/// No file is opened: the bodies, which no header depends on, are read as zeros.
package func forEachHeader(
  ofTarSplit tarSplit: any ByteSource, _ body: (TarHeader) -> Void
) throws(StreamError) {
  let reader = TarReader(try TarSkeleton(tarSplit))
  while let header = try reader.next() { body(header) }
}

/// A tar with zeros in place of what files hold.
private final class TarSkeleton: ByteSource {
  private let reader: TarSplitReader
  private var segment: ArraySlice<UInt8> = []
  private var zeros: Int64 = 0

  init(_ tarSplit: any ByteSource) throws(StreamError) {
    reader = try TarSplitReader(tarSplit)
  }

  func read(into span: inout MutableRawSpan) throws(StreamError) -> Int {
    while segment.isEmpty, zeros == 0 {
      guard let entry = try reader.next() else { return 0 }
      switch entry.type {
      case 1: zeros = entry.size
      case 2: segment = entry.payload[...]
      default: throw StreamError(.malformed, "tar-split: entry of type \(entry.type)")
      }
    }
    let count = min(span.byteCount, segment.isEmpty ? Int(clamping: zeros) : segment.count)
    if segment.isEmpty {
      for offset in 0..<count { span.storeBytes(of: 0, toByteOffset: offset, as: UInt8.self) }
      zeros -= Int64(count)
    } else {
      for (offset, byte) in segment.prefix(count).enumerated() {
        span.storeBytes(of: byte, toByteOffset: offset, as: UInt8.self)
      }
      segment = segment.dropFirst(count)
    }
    return count
  }
}
