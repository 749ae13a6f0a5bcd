import StrataCompression
import StrataModel
import StrataSystem

/// gzip's framing by both engines: the same bytes, and ISA-L takes what zlib takes.
///
/// The reverse does not hold: zlib alone refuses a header with reserved flags, which Go's reader
/// takes as ISA-L does.
func fuzzGzip(_ input: [UInt8]) {
  guard input.starts(with: [0x1f, 0x8b, 0x08]) else { return }
  guard let sure = plain(input, .zlib) else {
    _ = plain(input, .isal)
    return
  }
  guard let fast = plain(input, .isal) else { contradiction("ISA-L refuses what zlib takes") }
  if fast != sure { contradiction("the engines differ") }
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
