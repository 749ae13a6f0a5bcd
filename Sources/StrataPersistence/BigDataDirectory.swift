package import StrataModel
package import StrataSystem

/// The directory of a record's data items, one file for each key.
package struct BigDataDirectory: Sendable {
  /// `<graph root>/<driver>-<kind>/<id>`; made with the first item.
  package let path: RawPath

  package init(path: RawPath) {
    self.path = path
  }

  /// The file name of a key: itself if all its characters are `.`, digits or lower-case letters, else
  /// `=` and standard base64 (storage-format 1.6).
  ///
  /// Base64 may hold a slash; the path is then cleaned as the peer's is, so that both find the file.
  package static func fileName(_ key: String) -> RawPath {
    let isPlain = key.utf8.allSatisfy {
      $0 == UInt8(ascii: ".") || (UInt8(ascii: "0")...UInt8(ascii: "9")) ~= $0
        || (UInt8(ascii: "a")...UInt8(ascii: "z")) ~= $0
    }
    return isPlain ? RawPath(key) : RawPath("=" + base64(Array(key.utf8)))
  }

  /// The file of a key.
  package func file(_ key: String) -> RawPath {
    path.appending(Self.fileName(key)).cleaned
  }

  /// Writes an item whole, 0600.
  ///
  /// A reader that has the old file open keeps it.
  ///
  /// Errors: `.invalidBigDataName` for the empty key, `.` and `..`.
  package func write(_ key: String, _ bytes: [UInt8], kind: String, synchronize: Bool = true)
    throws(StoreError)
  {
    if key.isEmpty {
      throw StoreError(.invalidBigDataName)
        .wrapped("can't set empty name for \(kind) big data item")
    }
    if key == "." || key == ".." {
      throw StoreError(.invalidBigDataName).wrapped("can't use \(quoted(key))")
    }
    do throws(Errno) {
      try FileDescriptor.workingDirectory.makeDirectories(path, mode: 0o700)
    } catch {
      throw StoreError(error, "mkdir \(path)")
    }
    try AtomicFile.write(bytes, to: file(key), synchronize: synchronize)
  }

  /// The bytes of an item.
  ///
  /// Needs no lock: files are replaced, never rewritten.
  ///
  /// Errors: `.fileMissing` if there is no file.
  package func read(_ key: String) throws(StoreError) -> [UInt8] {
    let file = file(key)
    do throws(Errno) {
      return try FileDescriptor.workingDirectory.contents(of: file)
    } catch {
      let failure = StoreError(error, "open \(file)")
      throw error == .noSuchFileOrDirectory
        ? StoreError(.fileMissing, failure.message) : failure
    }
  }

  /// Reads an item without keeping it, and gives its length: items may be larger than memory.
  ///
  /// Errors: as for `read`.
  package func readThrough(_ key: String) throws(StoreError) -> Int64 {
    let file = file(key)
    var failure: StoreError
    do throws(Errno) {
      let source = FileSource(
        try FileDescriptor.workingDirectory.open(file, .readOnly), name: file)
      do throws(StreamError) {
        return try source.copy(to: NullSink())
      } catch {
        failure = StoreError(error)
      }
    } catch {
      failure = StoreError(error, "open \(file)")
      if error == .noSuchFileOrDirectory { failure = StoreError(.fileMissing, failure.message) }
    }
    throw failure
  }

  /// Removes an item's file, if it is there.
  package func remove(_ key: String) throws(StoreError) {
    do throws(Errno) {
      try FileDescriptor.workingDirectory.unlink(file(key))
    } catch {
      if error != .noSuchFileOrDirectory { throw StoreError(error, "unlink \(file(key))") }
    }
  }

  /// Removes the directory with all that is in it, if it is there.
  package func removeAll() throws(StoreError) {
    do throws(Errno) {
      try FileDescriptor.workingDirectory.removeTree(path)
    } catch {
      throw StoreError(error, "removing \(path)")
    }
  }
}

/// RFC 4648 base64 with padding.
package func base64(_ bytes: [UInt8]) -> String {
  let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
  var text: [UInt8] = []
  for start in stride(from: 0, to: bytes.count, by: 3) {
    let group = bytes[start..<min(start + 3, bytes.count)]
    var bits = group.reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
    bits <<= UInt32(8 * (3 - group.count))
    for index in 0..<4 {
      text.append(
        index <= group.count
          ? alphabet[Int(bits >> UInt32(18 - 6 * index) & 63)] : UInt8(ascii: "="))
    }
  }
  return String(decoding: text, as: UTF8.self)
}
