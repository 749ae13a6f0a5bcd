import StrataModel
import StrataPersistence
import StrataSystem

/// That a blob, a TOC and a diff ID belong together, found out by reading the whole blob once.
struct Binding: Hashable, Sendable {
  var blob: Digest
  var toc: Digest
  var diffID: Digest
  /// The size of the plain tar.
  var plainSize: Int64
}

/// What was found out of a layer: lines `<blob> <toc> <diff ID> verified <size of the tar>` in the file
/// `binding` beside its index.
enum Bindings {
  private static let limit = 1 << 20

  /// The verified bindings in a layer's folder; lines that are none are left out.
  static func read(_ folder: RawPath) -> [Binding] {
    let path = folder.appending("binding")
    guard let bytes = try? FileDescriptor.workingDirectory.contents(of: path, limit: limit) else {
      return []
    }
    return bytes.split(separator: UInt8(ascii: "\n")).compactMap { line in
      let words = String(decoding: line, as: UTF8.self).split(separator: " ")
      guard words.count == 5, words[3] == "verified", let blob = try? Digest(words[0]),
        let toc = try? Digest(words[1]), let diffID = try? Digest(words[2]),
        let size = Int64(words[4])
      else { return nil }
      return Binding(blob: blob, toc: toc, diffID: diffID, plainSize: size)
    }
  }

  /// Adds one.
  static func add(_ binding: Binding, to folder: RawPath) throws(StoreError) {
    var bindings = read(folder).filter { $0.blob != binding.blob || $0.diffID != binding.diffID }
    bindings.append(binding)
    let text = bindings.map { "\($0.blob) \($0.toc) \($0.diffID) verified \($0.plainSize)\n" }
    try AtomicFile.write(Array(text.joined().utf8), to: folder.appending("binding"))
  }
}
