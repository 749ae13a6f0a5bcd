import StrataCompression
import StrataModel
import StrataSystem

/// gzip's framing by both engines: the same bytes, or both refuse.
func fuzzGzip(_ input: [UInt8]) {
  guard input.starts(with: [0x1f, 0x8b, 0x08]) else { return }
  let (fast, sure) = (plain(input, .isal), plain(input, .zlib))
  if let fast, let sure, fast != sure { contradiction("the engines differ") }
  if (fast == nil) != (sure == nil) {
    contradiction("ISA-L \(fast == nil ? "refuses" : "takes") what zlib does not")
  }
}

/// Whatever format the first bytes name.
func fuzzCompressed(_ input: [UInt8]) {
  _ = plain(input, .best)
}

/// At most the first 16 MiB; nil where it is refused.
private func plain(_ input: [UInt8], _ engine: InflateEngine) -> [UInt8]? {
  do {
    let source = try DecompressingSource(ArraySource(input), engine: engine)
    let buffer = ByteBuffer(capacity: 1 << 16)
    var result: [UInt8] = []
    while try source.fill(buffer) {
      buffer.withBytes { result.append($0) }
      if result.count > 1 << 24 { break }
    }
    return result
  } catch { return nil }
}
