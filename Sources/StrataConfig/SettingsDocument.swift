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

  /// The member at a path of keys.
  package subscript(path: [String]) -> SettingValue? {
    guard let first = path.first else { return self }
    guard case .table(let members) = self else { return nil }
    return members[first]?[Array(path.dropFirst())]
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
    lines = Self.lines(of: Array(text.utf8))
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
    line(of: path).map { "\(self.path):\($0)" } ?? self.path.description
  }

  /// The line on which a key stands, for warnings: the first line of its table that starts with it.
  ///
  /// The TOML library does not keep places, and a guess that finds nothing costs nothing.
  package func line(of path: [String]) -> Int? { lines[path.joined(separator: ".")] }

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
      if lines[key] == nil { lines[key] = number }
    }
    return lines
  }

  private static func plain(_ name: ArraySlice<UInt8>) -> String {
    String(decoding: name.filter { !"[]\"' \t".utf8.contains($0) }, as: UTF8.self)
  }
}
