import StrataSystem
import StrataTestSupport

/// A source file, split so that words in comments and texts are not taken for code.
struct SourceFile: CustomStringConvertible, Sendable {
  /// The path from the package's folder: `Sources/StrataModel/Digest.swift`.
  let path: String
  let text: String

  var description: String { path }
  var lines: [Substring] { text.split(separator: "\n", omittingEmptySubsequences: false) }

  /// The target's folder name.
  var target: String { String(path.split(separator: "/")[1]) }

  /// The modules it imports, whatever the access level.
  var imports: [String] {
    codeLines.compactMap { line in
      let words = line.split(separator: " ")
      guard let index = words.firstIndex(of: "import"), index + 1 < words.count,
        words[..<index].allSatisfy({ importModifiers.contains(String($0)) })
      else { return nil }
      // `import struct Crypto.SHA256` names a declaration of the module.
      let isKind = importKinds.contains(String(words[index + 1])) && index + 2 < words.count
      return String(words[index + (isKind ? 2 : 1)].prefix { $0 != "." })
    }
  }

  /// The lines without comments and without what stands between quotation marks.
  ///
  /// Multi-line texts are dropped as a whole.
  var codeLines: [String] {
    var result: [String] = []
    var inText = false
    for line in lines {
      if line.contains("\"\"\"") {
        inText.toggle()
        result.append("")
        continue
      }
      result.append(inText ? "" : codeOnly(line))
    }
    return result
  }

  /// The numbers of the lines whose code holds one of the words, whole.
  func lines(with words: Set<String>) -> [Int] {
    codeLines.enumerated().compactMap { index, line in
      let found = line.split { !($0.isLetter || $0.isNumber || $0 == "_" || $0 == "!") }
      return found.contains { words.contains(String($0)) } ? index + 1 : nil
    }
  }

  /// The part of a line before `//`, without texts.
  private func codeOnly(_ line: Substring) -> String {
    var result = ""
    var inQuotes = false
    var previous: Character = " "
    for character in line {
      if character == "\"", previous != "\\" { inQuotes.toggle() }
      if !inQuotes {
        if character == "/", previous == "/" {
          result.removeLast()
          break
        }
        result.append(character)
      }
      previous = character == "\\" && previous == "\\" ? " " : character
    }
    return result
  }
}

private let importModifiers: Set<String> = [
  "public", "package", "internal", "private", "fileprivate", "@preconcurrency", "@testable",
  "@_exported",
]

private let importKinds: Set<String> = [
  "struct", "class", "enum", "protocol", "func", "var", "let", "typealias", "actor",
]

/// All Swift files below a folder of the package.
func sourceFiles(in folder: String) throws -> [SourceFile] {
  let root = packageFolder()
  func walk(_ relative: RawPath) throws(Errno) -> [SourceFile] {
    let directory = try FileDescriptor.workingDirectory.open(
      root.appending(relative), [.readOnly, .directory])
    var found: [SourceFile] = []
    for entry in try directory.view.entries().sorted(by: { $0.name < $1.name }) {
      let inner = relative.appending(entry.name)
      if entry.type == .directory {
        found += try walk(inner)
      } else if inner.description.hasSuffix(".swift") {
        let bytes = try directory.view.contents(of: entry.name)
        found.append(
          SourceFile(path: inner.description, text: String(decoding: bytes, as: UTF8.self)))
      }
    }
    return found
  }
  return try walk(RawPath(folder))
}
