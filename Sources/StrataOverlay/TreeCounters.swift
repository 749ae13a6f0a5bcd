import StrataSystem

/// What the tree did so far, for SIGUSR1.
struct TreeCounters: Sendable {
  /// Names looked up that had a node, that an index knew, and that a layer was asked for.
  var namesKnown = 0, namesIndexed = 0, namesAsked = 0
  /// Directories whose descriptor was still open, and those that were opened.
  var descriptorsFound = 0, descriptorsOpened = 0
  var indexesBuilt = 0
  /// Files, directories and others that were copied up, and the bytes of files that were.
  var copyUps = 0, copiedBytes: Int64 = 0
}

/// The memory of this process that is in RAM, in bytes; 0 where /proc does not tell.
func residentMemory() -> Int {
  guard
    let text = try? FileDescriptor.workingDirectory.contents(of: "/proc/self/statm", limit: 256)
  else { return 0 }
  let fields = text.split(separator: UInt8(ascii: " "))
  guard fields.count > 1 else { return 0 }
  return (Int(String(decoding: fields[1], as: UTF8.self)) ?? 0) * 4096
}
