import StrataJSON
import StrataModel
import Testing

private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

private func rewritten<Record: JSONRecord>(_ text: String, _: Record.Type) throws -> String {
  let records = try Record.decodeAll(bytes(text)).map(\.record)
  return "[" + records.map { String(decoding: $0.encoded(), as: UTF8.self) }.joined(separator: ",")
    + "]"
}

@Suite struct RecordCodecTests {
  @Test("What the Go tools wrote is written again byte for byte")
  func golden() throws {
    #expect(try rewritten(Golden.layers, LayerRecord.self) == Golden.layers)
    #expect(try rewritten(Golden.images, ImageRecord.self) == Golden.images)
    #expect(try rewritten(Golden.containers, ContainerRecord.self) == Golden.containers)
    #expect(try rewritten(Golden.mounts, MountRecord.self) == Golden.mounts)
  }

  @Test("Every member of a layer is read and written")
  func wholeLayer() throws {
    let hex = String(repeating: "ab", count: 32)
    let text =
      ##"[{"id":"x","names":["n1","n2"],"parent":"p","metadata":"m","mountlabel":"l","##
      + ##""created":"2026-01-02T03:04:05.6+02:00","compressed-diff-digest":"sha256:\##(hex)","##
      + ##""compressed-size":7,"diff-digest":"sha256:\##(hex)","toc-digest":"sha256:\##(hex)","##
      + ##""diff-size":-1,"compression":4,"uidset":[0,4294967295],"gidset":[5],"##
      + ##""flags":{"MountOpts":["a","b"],"incomplete":true,"n":12345678901234567},"##
      + ##""uidmap":[{"container_id":0,"host_id":100000,"size":65536}],"##
      + ##""gidmap":[{"container_id":1,"host_id":2,"size":3}],"big-data-names":["k"]}]"##
    let layer = try #require(LayerRecord.decodeAll(bytes(text)).first?.record)
    #expect(layer.names == ["n1", "n2"])
    #expect(layer.parent == "p")
    #expect(layer.created.description == "2026-01-02T03:04:05.6+02:00")
    #expect(layer.diffID?.hex == hex)
    #expect(layer.compression == .zstd)
    #expect(layer.uids == [0, 4_294_967_295])
    #expect(layer.isIncomplete)
    #expect(layer.flags.strings("MountOpts") == ["a", "b"])
    #expect(layer.mappings.uids == [IDMap(containerID: 0, hostID: 100_000, size: 65536)])
    #expect(try rewritten(text, LayerRecord.self) == text)
  }

  @Test("Unknown members, flags and odd values survive a change of the rest")
  func unknown() throws {
    let text =
      ##"[{"id":"x","created":"2026-01-02T03:04:05Z","diff-digest":"odd","compression":9,"##
      + ##""flags":{"a":{"b": [1.50, null]},"z":"\u00e9"},"new":{"x":[1,2]}}]"##
    var layer = try #require(LayerRecord.decodeAll(bytes(text)).first?.record)
    layer.metadata = "changed"
    layer.flags["incomplete"] = .bool(true)
    #expect(
      String(decoding: layer.encoded(), as: UTF8.self)
        == ##"{"id":"x","metadata":"changed","created":"2026-01-02T03:04:05Z","##
        + ##""flags":{"a":{"b": [1.50, null]},"incomplete":true,"z":"\u00e9"},"##
        + ##""diff-digest":"odd","compression":9,"new":{"x":[1,2]}}"##)
    layer.diffID = .ofNothing
    layer.compression = .gzip
    let again = String(decoding: layer.encoded(), as: UTF8.self)
    #expect(!again.contains("odd") && again.contains(##""compression":2"##))
    #expect(again.contains(##""new":{"x":[1,2]}"##))
  }

  @Test("Keys match in any case, null leaves a member empty, white space is free")
  func lenient() throws {
    let text =
      " [ { \"ID\" : \"x\" , \"Names\":[\"a\"],\n\"parent\":null,\t\"Created\":\"2026-01-02T03:04:05Z\" } ] \n"
    let layer = try #require(LayerRecord.decodeAll(bytes(text)).first?.record)
    #expect(layer.id == "x" && layer.names == ["a"] && layer.parent == nil)
    #expect(try LayerRecord.decodeAll([]).isEmpty)
    #expect(try LayerRecord.decodeAll(bytes(" null ")).isEmpty)
    #expect(try LayerRecord.decodeAll(bytes("[]")).isEmpty)
  }

  @Test(
    "What does not parse is refused with its offset",
    arguments: [
      (##"[{"id":"a","uidset":[-1]}]"##, "number out of range at byte offset 21"),
      (##"[{"id":"a"} {"id":"b"}]"##, "expected ',' or ']' at byte offset 12"),
      (##"[{"##, "unexpected end of JSON input at byte offset 2"),
      (##"[{"id":1}]"##, "expected a string at byte offset 7"),
      (##"[]x"##, "unexpected data after the value at byte offset 2"),
      (##"[{"created":"yesterday"}]"##, "expected a time as RFC 3339 spells it at byte offset 12"),
    ])
  func refused(text: String, message: String) {
    #expect {
      _ = try LayerRecord.decodeAll(bytes(text))
    } throws: {
      "\($0)" == message
    }
  }

  @Test("A file cut anywhere is refused, or is the empty one")
  func truncated() throws {
    let whole = bytes(Golden.images)
    for length in 1..<whole.count {
      #expect(throws: JSONError.self) { try ImageRecord.decodeAll(Array(whole[..<length])) }
    }
  }

  @Test("A manifest's digest must be one; other odd ones are kept")
  func imageDigests() throws {
    let text =
      ##"[{"id":"x","names":["n"],"big-data-names":["manifest","k"],"##
      + ##""big-data-digests":{"k":"what","manifest":"bogus"},"created":"2026-01-02T03:04:05Z"}]"##
    #expect {
      _ = try ImageRecord.decodeAll(bytes(text))
    } throws: {
      "\($0)".hasPrefix(
        ##"computing digests for image with ID "x" ([n]): validating digest "bogus" for big data "##
          + ##"item "manifest": invalid checksum digest format"##)
    }
    let kept = text.replacing("manifest", with: "mmmmmmmm")
    #expect(try rewritten(kept, ImageRecord.self) == kept)
  }
}

extension String {
  fileprivate func replacing(_ old: String, with new: String) -> String {
    var result: [UInt8] = []
    var rest = Array(utf8)[...]
    while !rest.isEmpty {
      if rest.starts(with: old.utf8) {
        result += Array(new.utf8)
        rest = rest.dropFirst(old.utf8.count)
      } else if let byte = rest.popFirst() {
        result.append(byte)
      }
    }
    return String(decoding: result, as: UTF8.self)
  }
}
