/// Writes bytes as deflate's stored blocks, none of them the last, and gives their length: 5 more for
/// each 65,535.
///
/// `target` has to have that room.
func storeBlocks(_ source: UnsafeRawBufferPointer, into target: UnsafeMutableRawBufferPointer)
  -> Int
{
  var position = 0
  var start = 0
  while start < source.count {
    let length = min(source.count - start, 65_535)
    let low = UInt8(length & 0xff)
    let high = UInt8(length >> 8)
    for byte in [0, low, high, ~low, ~high] {
      unsafe target[position] = byte
      position += 1
    }
    unsafe UnsafeMutableRawBufferPointer(rebasing: target[position..<(position + length)])
      .copyMemory(from: UnsafeRawBufferPointer(rebasing: source[start..<(start + length)]))
    position += length
    start += length
  }
  return position
}
