import StrataArchive
import StrataModel
import StrataSystem
import StrataTestSupport
import Testing

@Suite struct TarTests {
  /// Headers that ustar cannot hold, and some that it just can.
  static let headers: [TarHeader] = {
    var headers: [TarHeader] = []
    for count in [1, 99, 100, 101, 155, 156, 200, 256, 300, 1000] {
      headers.append(TarHeader(name: String(repeating: "n", count: count)))
      headers.append(TarHeader(name: String(repeating: "d/", count: count) + "f"))
      headers.append(
        TarHeader(name: "l", type: .symlink, linkName: [UInt8](repeating: 0x6c, count: count)))
    }
    headers.append(TarHeader(name: "naïve"))
    headers.append(TarHeader(name: [0x6e, 0xff, 0xfe], type: .regular))
    for time in [
      TarHeader.Time(seconds: -1, nanoseconds: 500_000_000), TarHeader.Time(seconds: -5),
      TarHeader.Time(seconds: 1 << 33), TarHeader.Time(seconds: 12, nanoseconds: 1),
      TarHeader.Time(seconds: -1, nanoseconds: 1),
    ] {
      headers.append(TarHeader(name: "t", modificationTime: time))
    }
    var large = TarHeader(name: "owner", mode: 0o7777)
    (large.uid, large.gid) = (3_000_000, 4_294_967_294)
    large.userName = [UInt8](repeating: 0x75, count: 40)
    large.groupName = Array("grüppe".utf8)
    large.accessTime = TarHeader.Time(seconds: 7, nanoseconds: 8)
    large.changeTime = TarHeader.Time(seconds: 9)
    large.xattrs = [TarHeader.Xattr(name: Array("user.a".utf8), value: [0, 10, 0xff])]
    headers.append(large)
    var device = TarHeader(name: "dev", type: .blockDevice)
    (device.deviceMajor, device.deviceMinor) = (4095, 1_048_575)
    headers.append(device)
    return headers
  }()

  @Test func readsBackWhatItWrites() throws {
    for header in Self.headers {
      let sink = ArraySink()
      let writer = TarWriter(sink)
      try writer.append(header)
      try writer.append(TarHeader(name: "after"), bytes: Array("body".utf8))
      try writer.finish()
      #expect(sink.bytes.count.isMultiple(of: 512))
      let reader = TarReader(ArraySource(sink.bytes))
      #expect(try reader.next() == header)
      #expect(try reader.next()?.displayName == "after")
      #expect(try reader.readBody(limit: 10) == Array("body".utf8))
      #expect(try reader.next() == nil)
      #expect(try reader.next() == nil)
    }
  }

  @Test func writesWhatGNUTarReads() throws {
    let sink = ArraySink()
    let writer = TarWriter(sink)
    for (index, header) in Self.headers.enumerated() where header.name.allSatisfy({ $0 < 0x80 }) {
      var numbered = header
      numbered.name = Array("\(index)-".utf8) + header.name
      try writer.append(numbered)
    }
    try writer.finish()
    let result = try runProgram("tar", ["tvf", "-", "--full-time"], input: sink.bytes)
    #expect(result.status == 0 && result.stderr.isEmpty, "\(result)")
    #expect(result.lines.count == Self.headers.count - 2)
  }

  @Test func holdsBodiesToTheirSize() throws {
    var header = TarHeader(name: "f")
    for (size, isRight) in [(3, false), (4, true), (5, false)] {
      header.size = Int64(size)
      let body = ArraySource(Array("body".utf8))
      let writer = TarWriter(ArraySink())
      if isRight {
        try writer.append(header, body: body)
      } else {
        #expect(throws: StreamError.self) { try writer.append(header, body: body) }
      }
    }
  }

  @Test func skipsBodiesThatNobodyReads() throws {
    let tar = try TarMaker().file("a", String(repeating: "x", count: 700_000)).file("b").bytes()
    let reader = TarReader(ArraySource(tar))
    #expect(try reader.next()?.displayName == "a")
    #expect(try reader.next()?.displayName == "b")
    #expect(throws: StreamError.self) { try reader.readBody(limit: 5) }
  }

  /// The bound on headers that describe others, and no more memory than that.
  @Test func refusesHugeHeaders() throws {
    var header = TarHeader(name: "PaxHeaders/x", type: TarHeader.EntryType(rawValue: 0x78))
    header.size = 2 << 20
    let sink = ArraySink()
    let writer = TarWriter(sink)
    try writer.append(header, body: ArraySource([UInt8](repeating: 0x61, count: 2 << 20)))
    try writer.finish()
    let reader = TarReader(ArraySource(sink.bytes))
    #expect(throws: StreamError.self) { try reader.next() }
  }

  /// Many records of one key, each pair compared, would take hours.
  @Test(.timeLimit(.minutes(1))) func readsManyRecordsInTime() throws {
    var records: [UInt8] = []
    for number in 0..<60_000 {
      let text = "k\(number % 40_000)=v\n"
      var length = text.utf8.count + 2
      length = text.utf8.count + 1 + String(length).utf8.count
      if String(length).utf8.count + 1 + text.utf8.count != length { length += 1 }
      records.append(contentsOf: "\(length) \(text)".utf8)
    }
    let sink = ArraySink()
    let writer = TarWriter(sink)
    try writer.append(
      TarHeader(name: "x", type: TarHeader.EntryType(rawValue: 0x78)), bytes: records)
    try writer.append(TarHeader(name: "f"))
    try writer.finish()
    #expect(try TarReader(ArraySource(sink.bytes)).next()?.displayName == "f")
  }
}
