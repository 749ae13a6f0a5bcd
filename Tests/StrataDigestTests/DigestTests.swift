import StrataDigest
import StrataModel
import StrataSystem
import Testing

@Suite struct DigestTests {
  /// `printf abc | sha256sum`.
  static let abc = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

  @Test func digestsBytesThatComeInPieces() throws {
    var digester = Digester()
    digester.update(Array("a".utf8).rawSpan)
    digester.update([UInt8]().rawSpan)
    digester.update(Array("bc".utf8).rawSpan)
    #expect(digester.digest().description == Self.abc)
    #expect(digester.finish().description == Self.abc)
    #expect(Digester.digest(of: []) == Digest.ofNothing)
  }

  @Test func countsAndDigestsWhatIsRead() throws {
    let source = DigestingSource(ArraySource(Array("abc".utf8)))
    #expect(source.digest() == Digest.ofNothing)
    #expect(try source.readToEnd(limit: 10) == Array("abc".utf8))
    #expect(source.digest().description == Self.abc)
    #expect(source.byteCount == 3)
  }

  @Test func passesOnWhatItDigests() throws {
    let target = ArraySink()
    let sink = DigestingSink(target)
    try sink.write(Array("ab".utf8))
    try sink.write(Array("c".utf8))
    #expect(sink.finish().0.description == Self.abc)
    #expect(sink.finish().1 == 3)
    #expect(target.bytes == Array("abc".utf8))
  }

  @Test func letsThroughWhatWasPromised() throws {
    let source = VerifyingSource(
      ArraySource(Array("abc".utf8)), digest: try Digest(Self.abc), size: 3, what: "blob")
    #expect(try source.readToEnd(limit: 10).count == 3)
  }

  @Test func checksPromisesInOtherAlgorithms() throws {
    // printf abc | sha512sum
    let promised = try Digest(
      "sha512:ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
        + "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f")
    let right = VerifyingSource(
      ArraySource(Array("abc".utf8)), digest: promised, size: nil, what: "blob")
    #expect(try right.readToEnd(limit: 10).count == 3)
    let wrong = VerifyingSource(
      ArraySource(Array("abd".utf8)), digest: promised, size: nil, what: "blob")
    #expect(throws: StreamError.self) { try wrong.readToEnd(limit: 10) }
  }

  @Test(arguments: [
    ("abd", 3, "digest is"), ("ab", 3, "2 bytes instead of 3"), ("abcd", 3, "more instead of 3"),
    ("", 3, "0 bytes instead of 3"),
  ])
  func refusesWhatWasNotPromised(text: String, size: Int64, message: String) throws {
    let source = VerifyingSource(
      ArraySource(Array(text.utf8)), digest: try Digest(Self.abc), size: size, what: "blob 7")
    do throws(StreamError) {
      _ = try source.readToEnd(limit: 100)
      Issue.record("accepted")
    } catch {
      #expect(error.kind == .mismatch)
      #expect(error.message.hasPrefix("blob 7: ") && error.message.contains(message))
    }
  }
}
