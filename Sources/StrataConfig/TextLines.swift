import StrataSystem

/// The lines of a small text file as fields between `separator`s, without comments and empty lines;
/// none where the file cannot be read.
func fields(of path: RawPath, separator: Character) -> [[Substring]] {
  guard let bytes = try? FileDescriptor.workingDirectory.contents(of: path, limit: 16 << 20) else {
    return []
  }
  let text = String(decoding: bytes, as: UTF8.self)
  return text.split(separator: "\n").compactMap { line in
    guard line.first != "#" else { return nil }
    return line.split(separator: separator, omittingEmptySubsequences: false)
  }
}
