import StrataJSON
import StrataModel
import StrataTestSupport
import Testing

private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }
private func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

@Suite struct JSONValueTests {
  @Test("Order of members and spelling of numbers survive")
  func roundTrip() throws {
    let source = ##"{"z":1.50e+3,"a":[true,false,null,{}],"m":{"k":"v"},"n":-0,"e":[]}"##
    #expect(try JSONValue(parsing: bytes(source)).text() == source)
  }

  @Test("Indented as Go's MarshalIndent")
  func indented() throws {
    let value = try JSONValue(parsing: bytes(##"{"a":[1,2],"b":{},"c":[],"d":{"e":"f"}}"##))
    #expect(
      value.text(indent: "  ") == """
        {
          "a": [
            1,
            2
          ],
          "b": {},
          "c": [],
          "d": {
            "e": "f"
          }
        }
        """)
  }

  @Test("Strings are escaped as Go escapes them")
  func escapes() throws {
    let odd = "a<b>&\"\\\n\r\t\u{1}\u{2028}\u{2029}é\u{1F600}\u{7F}"
    #expect(
      JSONValue.string(odd).text()
        == ##""a\u003cb\u003e\u0026\"\\\n\r\t\u0001\u2028\u2029é😀"## + "\u{7F}\"")
    #expect(JSONValue.string("<&>").text(escapesHTML: false) == ##""<&>""##)
    #expect(try JSONValue(parsing: JSONValue.string(odd).encoded()) == .string(odd))
    #expect(
      try JSONValue(parsing: bytes(##""\ud83d\ude00\ud800x\u0041\/""##))
        == .string("\u{1F600}\u{FFFD}xA/"))
  }

  @Test("Members are found in any case, the exact one first")
  func members() throws {
    var value = try JSONValue(parsing: bytes(##"{"Layers":[1],"layers":["a"],"Size":7}"##))
    #expect(value["layers"]?.strings == ["a"])
    #expect(value["size"]?.int64 == 7)
    #expect(value["none"] == nil)
    value["new"] = .bool(true)
    value["Layers"] = nil
    #expect(value.text() == ##"{"layers":["a"],"Size":7,"new":true}"##)
  }

  @Test(
    "Hostile text is refused and costs no stack",
    arguments: [
      "{\"a\":1,}", "[1,]", "[01]", "\"\u{1}\"", "\"\\x\"", "\"\\u12\"", "tru", "1.", "1e", "-",
      "{\"a\" 1}", "{1:2}", "", " ",
    ])
  func refused(source: String) {
    #expect(throws: JSONError.self) { try JSONValue(parsing: bytes(source)) }
    #expect(throws: JSONError.self) { try JSONText(bytes(source)) }
  }

  @Test func deepNesting() throws {
    let deep = [UInt8](repeating: UInt8(ascii: "["), count: 1_000_000)
    #expect(throws: JSONError.self) { try JSONValue(parsing: deep) }
    #expect(throws: JSONError.self) { try JSONText(deep) }
    let allowed = String(repeating: "[", count: 9000) + String(repeating: "]", count: 9000)
    _ = try JSONText(bytes(allowed))
  }
}

@Suite struct JSONTextTests {
  private let source = ##"{ "a" : 1, "config":{"Env":["X=1"] , "Cmd":null}, "z":1.0 }"##

  @Test("A member is replaced and the rest keeps its bytes")
  func set() throws {
    var json = try JSONText(bytes(source))
    try json.set("config", "Cmd", to: .strings(["sh"]))
    try json.set("a", to: .integer(2))
    #expect(
      text(json.bytes)
        == ##"{ "a" : 2, "config":{"Env":["X=1"] , "Cmd":["sh"]}, "z":1.0 }"##)
  }

  @Test("What is missing is added last, with the objects on the way")
  func add() throws {
    var json = try JSONText(bytes(source))
    try json.set("config", "Labels", "k", to: .string("v"))
    try json.append(to: "config", "Env", value: .string("Y=2"))
    try json.append(to: "history", value: .members([("empty_layer", .bool(true))]))
    #expect(
      text(json.bytes)
        == ##"{ "a" : 1, "config":{"Env":["X=1","Y=2"] , "Cmd":null,"Labels":{"k":"v"}}, "z":1.0,"##
        + ##""history":[{"empty_layer":true}] }"##)
    var empty = try JSONText(bytes("{}"))
    try empty.set("x", to: .null)
    #expect(text(empty.bytes) == ##"{"x":null}"##)
  }

  @Test(
    "A member is taken away with one comma",
    arguments: [
      ("a", ##"{ "config":{"Env":["X=1"] , "Cmd":null}, "z":1.0 }"##),
      ("config", ##"{ "a" : 1, "z":1.0 }"##),
      ("z", ##"{ "a" : 1, "config":{"Env":["X=1"] , "Cmd":null} }"##),
    ])
  func remove(name: String, result: String) throws {
    var json = try JSONText(bytes(source))
    try json.remove(name)
    #expect(text(json.bytes) == result)
    try json.remove("nothing")
    #expect(json.value(at: "config", "Env")?.strings == (name == "config" ? nil : ["X=1"]))
    _ = try JSONText(json.bytes)
  }

  @Test("The only member goes")
  func removeOnly() throws {
    var json = try JSONText(bytes(##"{"a":{"b":[1, 2]}}"##))
    try json.remove("a", "b")
    #expect(text(json.bytes) == ##"{"a":{}}"##)
  }
}

@Suite(.tags(.fuzz)) struct ScannerFuzzTests {
  @Test("Mutated files never trap, and what is accepted is written and read again alike")
  func mutations() throws {
    var random = Generator(state: 42)
    let seeds = [Golden.layers, Golden.images, Golden.containers].map(bytes)
    for _ in 0..<3000 {
      var mutated = seeds[Int(random.next() % 3)]
      for _ in 0..<(1 + random.next() % 3) {
        let index = Int(random.next() % UInt64(mutated.count))
        switch random.next() % 3 {
        case 0: mutated[index] = UInt8(truncatingIfNeeded: random.next())
        case 1: mutated.remove(at: index)
        default: mutated.insert(mutated[Int(random.next() % UInt64(mutated.count))], at: index)
        }
      }
      _ = try? ImageRecord.decodeAll(mutated)
      _ = try? ContainerRecord.decodeAll(mutated)
      _ = try? JSONText(mutated)
      guard let layers = try? LayerRecord.decodeAll(mutated) else { continue }
      for layer in layers {
        var scanner = JSONScanner(layer.record.encoded())
        #expect(try LayerRecord(decoding: &scanner) == layer.record)
      }
    }
  }
}

/// A generator whose sequence is the same at every run.
private struct Generator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state ^= state << 13
    state ^= state >> 7
    state ^= state << 17
    return state
  }
}
