import Glibc
import StrataArchive
import StrataCompression
import StrataModel
import StrataSystem

/// Reads an archive entry by entry.
///
/// Checksums are put right first: nothing would get past them otherwise.
func fuzzTar(_ input: [UInt8]) {
  let bytes = withChecksums(input)
  do {
    let reader = TarReader(ArraySource(bytes))
    var left = bytes.count
    while let header = try reader.next() {
      if left == 0 { contradiction("more entries than blocks") }
      left -= 1
      _ = header.displayName
      var end: Int64 = 0
      try reader.pieces { offset, piece in
        if offset < end { contradiction("pieces out of order") }
        end = offset + Int64(piece.byteCount)
      }
      if end > max(header.size, 0) { contradiction("a body beyond its size") }
    }
    try reader.drain()
  } catch {}
}

/// The records of one PAX header in front of a file; no number of a header has to be right.
func fuzzPax(_ input: [UInt8]) {
  var records = TarHeader(name: "PaxHeaders/f", size: Int64(input.count))
  records.type = TarHeader.EntryType(rawValue: 0x78)
  let sink = ArraySink()
  do {
    let writer = TarWriter(sink)
    try writer.append(records, body: ArraySource(input))
    try writer.append(TarHeader(name: "f"), bytes: Array("hello\n".utf8))
    try writer.finish()
  } catch { contradiction("\(error)") }
  fuzzTar(sink.bytes)
}

/// Writes a layer to disk, and makes its tar again: the same bytes, or the layer is refused.
func fuzzLayer(_ input: [UInt8]) {
  let bytes = withChecksums(input)
  do {
    guard let folder = scratchFolder else { contradiction("no STRATA_FUZZ_FOLDER") }
    try folder.view.removeTree("layer")
    try folder.view.makeDirectory("layer", mode: 0o755)
    let tarSplit = ArraySink()
    let diff = try folder.view.open("layer", [.path, .directory])
    let layer: AppliedLayer
    do {
      layer = try applyLayer(
        ArraySource(bytes), to: diff.view, tarSplit: tarSplit,
        options: ApplyOptions(inUserNamespace: true))
    } catch { return }
    let again = ArraySink()
    try assembleLayer(tarSplit: ArraySource(tarSplit.bytes), files: [diff.view], to: again)
    if layer.compression == .none, again.bytes != bytes { contradiction("another tar") }
    if try folder.view.entries().count != 1 { contradiction("something beside the layer") }
  } catch { contradiction("\(error)") }
}

/// A tar-split file, with one file that its entries can find.
func fuzzTarSplit(_ input: [UInt8]) {
  do {
    guard let folder = scratchFolder else { contradiction("no STRATA_FUZZ_FOLDER") }
    if try !folder.view.exists("f") {
      let file = try folder.view.open("f", [.writeOnly, .create])
      try file.view.writeAll(Array("hello\n".utf8).rawSpan)
    }
    try assembleLayer(tarSplit: ArraySource(input), files: [folder.view], to: BoundedSink(1 << 28))
  } catch {}
}

/// Where layers are written: a folder of the caller's, best on tmpfs.
private let scratchFolder: SharedDescriptor? = {
  guard let path = environmentValue("STRATA_FUZZ_FOLDER"),
    let opened = try? FileDescriptor.workingDirectory.open(RawPath(path), [.path, .directory])
  else { return nil }
  return SharedDescriptor(opened)
}()

/// The input with the right checksum in each block that has the magic of a tar header.
private func withChecksums(_ input: [UInt8]) -> [UInt8] {
  var bytes = input
  var start = 0
  while start + 512 <= bytes.count {
    if bytes[(start + 257)..<(start + 262)].elementsEqual("ustar".utf8) {
      for index in 148..<156 { bytes[start + index] = 0x20 }
      let sum = bytes[start..<(start + 512)].reduce(0) { $0 + Int($1) }
      let digits = Array(String(sum, radix: 8).utf8)
      for index in 0..<6 { bytes[start + 148 + index] = 0x30 }
      for (index, digit) in digits.enumerated() {
        bytes[start + 154 - digits.count + index] = digit
      }
      bytes[start + 154] = 0
    }
    start += 512
  }
  return bytes
}

/// Takes a bounded number of bytes and drops them.
final class BoundedSink: ByteSink {
  private var left: Int

  init(_ limit: Int) { left = limit }

  func write(_ bytes: RawSpan) throws(StreamError) {
    left -= bytes.byteCount
    if left < 0 { throw StreamError(.limit, "more than the fuzzer's bound") }
  }
}
