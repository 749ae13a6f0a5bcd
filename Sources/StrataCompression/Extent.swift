package import StrataModel
package import StrataSystem

/// Decompresses a part of what a gzip member or zstd frame at the start of `extent` holds, and those
/// behind it: `count` plain bytes after the first `skipping`.
///
/// The extent may end anywhere behind what is needed. Nothing beyond the wanted bytes is made, whatever
/// the extent would give. Errors: `unexpectedEnd` where it gives fewer, `malformed`, `limit`.
package func decompressExtent(
  _ extent: RawSpan, _ compression: Compression, skipping: Int, count: Int
) throws(StreamError) -> [UInt8] {
  let decoder: any Decoder
  switch compression {
  case .gzip: decoder = GzipDecoder()
  case .zstd: decoder = try ZstdDecoder()
  case .none, .bzip2, .xz: throw StreamError(.unsupported, "chunk: neither gzip nor zstd")
  }
  var position = 0
  let scratch = ByteBuffer(capacity: min(skipping, 1 << 16))
  var left = skipping
  while left > 0 {
    scratch.clear()
    try scratch.append(limit: left) { (span: inout MutableRawSpan) throws(StreamError) -> Int in
      try decodeStep(decoder, extent, &position, &span)
    }
    left -= scratch.count
  }
  let result = ByteBuffer(capacity: count)
  while result.count < count {
    try result.append { (span: inout MutableRawSpan) throws(StreamError) -> Int in
      try decodeStep(decoder, extent, &position, &span)
    }
  }
  return result.withBytes { [UInt8]($0) }
}

/// One call of a decoder that made something.
private func decodeStep(
  _ decoder: any Decoder, _ extent: RawSpan, _ position: inout Int, _ output: inout MutableRawSpan
) throws(StreamError) -> Int {
  while true {
    let from = position
    let step = try unsafe output.withUnsafeMutableBytes { output throws(StreamError) in
      try unsafe extent.extracting(droppingFirst: from).withUnsafeBytes {
        input throws(StreamError) in
        try unsafe decoder.decode(input, into: output, isLast: true)
      }
    }
    position += step.consumed
    if step.produced > 0 { return step.produced }
    if step.consumed == 0 || (position == extent.byteCount && step.hasEnded) {
      throw StreamError(.unexpectedEnd, "chunk: its compressed bytes end too early")
    }
  }
}
