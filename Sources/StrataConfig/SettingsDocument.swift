package import StrataSystem
import TOMLKit

/// A value of a TOML file, freed from the library that read it.
package indirect enum SettingValue: Sendable, Equatable {
  case string(String)
  case bool(Bool)
  case integer(Int)
  case array([SettingValue])
  case table([String: SettingValue])
  /// A number or a date: nothing that any of our files holds.
  case other

  /// The member at a path of keys; one that is spelled otherwise, in large and small letters, counts where
  /// none is spelled so, as with the peer's reader of TOML.
  package subscript(path: [String]) -> SettingValue? {
    guard let first = path.first else { return self }
    guard case .table(let members) = self else { return nil }
    let member =
      members[first]
      ?? members.filter { $0.key.lowercased() == first.lowercased() }.min { $0.key < $1.key }?.value
    return member?[Array(path.dropFirst())]
  }
}

/// One TOML file as read.
package struct SettingsDocument: Sendable {
  package var path: RawPath
  package var content: SettingValue
  private let lines: [String: Int]

  /// Reads and parses a file.
  ///
  /// A missing one is nil; other failures name the file, and the place of a syntax error.
  init?(reading path: RawPath) throws(ConfigurationError) {
    let bytes: [UInt8]
    do throws(Errno) {
      bytes = try FileDescriptor.workingDirectory.contents(of: path, limit: 16 << 20)
    } catch {
      if error == .noSuchFileOrDirectory || error == .notADirectory { return nil }
      throw ConfigurationError("open \(path): \(error)")
    }
    try self.init(text: String(decoding: bytes, as: UTF8.self), path: path)
  }

  /// Parses a text; `path` is for messages.
  package init(text: String, path: RawPath) throws(ConfigurationError) {
    self.path = path
    let bytes = Array(text.utf8)
    if let line = Self.lineOfDeepKey(bytes) {
      throw ConfigurationError(
        "\(path):\(line): a key of more than \(Self.depthLimit) parts: correct this file")
    }
    // The library would end a text there, and a path would be another one.
    for (number, line) in bytes.split(
      separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false
    ).enumerated() where line.contains(0) || Self.hasEscapedNUL(line) {
      throw ConfigurationError("\(path):\(number + 1): a NUL character: correct this file")
    }
    lines = Self.lines(of: bytes)
    do {
      content = Self.convert(table: try TOMLTable(string: text))
    } catch let error as TOMLParseError {
      let place = error.source.begin
      throw ConfigurationError(
        "\(path):\(place.line):\(place.column): \(error.description): correct this file")
    } catch {
      throw ConfigurationError("\(path): not a TOML file: correct this file")
    }
  }

  private static func convert(table: TOMLTable) -> SettingValue {
    var members: [String: SettingValue] = [:]
    for key in table.keys {
      if let value = table[key] { members[key] = convert(value.tomlValue) }
    }
    return .table(members)
  }

  private static func convert(_ value: TOMLValue) -> SettingValue {
    switch value.type {
    case .string: value.string.map { .string($0) } ?? .other
    case .bool: value.bool.map { .bool($0) } ?? .other
    case .int: value.int.map { .integer($0) } ?? .other
    case .table: value.table.map { convert(table: $0) } ?? .other
    case .array: value.array.map { .array($0.map { convert($0.tomlValue) }) } ?? .other
    default: .other
    }
  }

  /// Where a key stands: `FILE:LINE`, or the file where the line was not found.
  package func origin(of path: [String]) -> String {
    // A member of a table that is written on one line stands there.
    (line(of: path) ?? line(of: path.dropLast())).map { "\(self.path):\($0)" }
      ?? self.path.description
  }

  /// The line on which a key stands, for warnings: the first line of its table that starts with it.
  ///
  /// The TOML library does not keep places, and a guess that finds nothing costs nothing.
  package func line(of path: [String]) -> Int? {
    lines[path.joined(separator: ".").lowercased()]
  }

  private static func hasEscapedNUL(_ line: ArraySlice<UInt8>) -> Bool {
    guard line.contains(UInt8(ascii: "\\")) else { return false }
    let text = String(decoding: line, as: UTF8.self)
    return text.contains("\\u0000") || text.contains("\\U00000000")
  }

  private static let depthLimit = 200

  /// The first line with a key of so many parts that whoever follows them, the library too, would use up
  /// its stack.
  ///
  /// A run of names, quotation marks and dots, which no value of ours is that long; comments aside.
  private static func lineOfDeepKey(_ text: [UInt8]) -> Int? {
    var line = 1
    var dots = 0
    var isComment = false
    for byte in text {
      switch byte {
      case UInt8(ascii: "\n"): (line, dots, isComment) = (line + 1, 0, false)
      case UInt8(ascii: "#") where dots == 0: isComment = true
      case UInt8(ascii: "."):
        dots += 1
        if dots >= depthLimit, !isComment { return line }
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"),
        UInt8(ascii: "\""), UInt8(ascii: "'"), UInt8(ascii: " "), UInt8(ascii: "\t"):
        break
      default: dots = 0
      }
    }
    return nil
  }

  /// The first line of each key and table, in one pass over the bytes: every command reads its files.
  private static func lines(of text: [UInt8]) -> [String: Int] {
    var lines: [String: Int] = [:]
    var table = ""
    var number = 0
    for line in text.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
      number += 1
      let bare = line.drop { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") }
      guard let first = bare.first, first != UInt8(ascii: "#") else { continue }
      var key: String
      if first == UInt8(ascii: "["), let end = bare.lastIndex(of: UInt8(ascii: "]")) {
        table = plain(bare[..<end])
        key = table
      } else if let equals = bare.firstIndex(of: UInt8(ascii: "=")) {
        key = plain(bare[..<equals])
        if !table.isEmpty { key = "\(table).\(key)" }
      } else {
        continue
      }
      key = key.lowercased()
      if lines[key] == nil { lines[key] = number }
    }
    return lines
  }

  private static func plain(_ name: ArraySlice<UInt8>) -> String {
    String(decoding: name.filter { !"[]\"' \t".utf8.contains($0) }, as: UTF8.self)
  }
}
