/// The bytes of a file name or path, as the kernel takes them: any byte but NUL.
///
/// Names are never `String`s inside Strata, since Linux names need not be UTF-8. Compared bytewise.
public struct RawPath: Hashable, Sendable, Comparable, ExpressibleByStringLiteral,
  CustomStringConvertible
{
  /// The bytes followed by one NUL, so that a system call needs no copy.
  private var storage: [UInt8]

  /// A path of these bytes.
  ///
  /// They end at the first NUL, as they would for the kernel.
  public init<Bytes: Collection<UInt8>>(_ bytes: Bytes) {
    // Names are made with every request: bytes that lie together are copied at once.
    let copy = bytes.withContiguousStorageIfAvailable {
      unsafe Self.terminated(UnsafeRawBufferPointer($0))
    }
    if let copy {
      storage = copy
      return
    }
    storage = []
    storage.reserveCapacity(bytes.count + 1)
    storage.append(contentsOf: bytes.prefix { $0 != 0 })
    storage.append(0)
  }

  /// As above of a part of an array: not generic, since every entry of an index becomes a name here.
  package init(_ bytes: ArraySlice<UInt8>) {
    storage = unsafe bytes.withUnsafeBytes { unsafe Self.terminated($0) }
  }

  /// The bytes in memory up to the first NUL.
  ///
  /// Not the generic initialiser above, which other modules call unspecialised: names of requests and
  /// of directory entries are made here, one for each.
  package init(memory: UnsafeRawBufferPointer) {
    storage = unsafe Self.terminated(memory)
  }

  private static func terminated(_ memory: UnsafeRawBufferPointer) -> [UInt8] {
    let end = unsafe memory.firstIndex(of: 0) ?? memory.count
    // Not `unsafeUninitializedCapacity`, which looks its own type up at every call (2 % of a walk).
    var storage = [UInt8](repeating: 0, count: end + 1)
    unsafe storage.withUnsafeMutableBytes {
      unsafe $0.copyMemory(from: UnsafeRawBufferPointer(rebasing: memory[..<end]))
    }
    return storage
  }

  /// The UTF-8 bytes of the text.
  public init(_ text: String) {
    self.init(text.utf8)
  }

  /// A path written in source.
  public init(stringLiteral value: String) {
    self.init(value.utf8)
  }

  /// The bytes without the closing NUL.
  public var bytes: ArraySlice<UInt8> { storage[..<(storage.count - 1)] }

  /// The number of bytes.
  public var count: Int { storage.count - 1 }

  /// Whether there are no bytes.
  public var isEmpty: Bool { count == 0 }

  /// For display and for formats that are text: invalid UTF-8 becomes U+FFFD.
  public var description: String { String(decoding: bytes, as: UTF8.self) }

  /// The text, or nil where the bytes are not UTF-8.
  public var string: String? { String(validating: bytes, as: UTF8.self) }

  /// Whether the path starts at the root.
  public var isAbsolute: Bool { storage[0] == slash }

  /// This path, a slash and `name`; `name` alone if this path is empty.
  public func appending(_ name: RawPath) -> RawPath {
    if isEmpty { return name }
    var result = self
    result.storage.removeLast()
    if result.storage.last != slash { result.storage.append(slash) }
    result.storage.append(contentsOf: name.storage)
    return result
  }

  /// The components between slashes, without empty ones.
  public var components: [RawPath] {
    bytes.split(separator: slash).map { RawPath($0) }
  }

  /// The last component; empty for `/` and for the empty path.
  public var lastComponent: RawPath {
    components.last ?? RawPath([])
  }

  /// Everything before the last component, without a closing slash (`/` stays); empty if there is
  /// one component only.
  public var parent: RawPath {
    var end = storage.count - 1
    while end > 1, storage[end - 1] == slash { end -= 1 }
    while end > 0, storage[end - 1] != slash { end -= 1 }
    while end > 1, storage[end - 1] == slash { end -= 1 }
    return RawPath(storage[..<end])
  }

  /// Lexically cleaned like Go's `path.Clean`: no empty or `.` component, `..` takes its
  /// predecessor away, and above the root or the start stays at the root or is kept.
  public var cleaned: RawPath {
    var kept: [RawPath] = []
    for component in components where component != "." {
      if component == ".." {
        if let last = kept.last, last != ".." {
          kept.removeLast()
          continue
        }
        if isAbsolute { continue }
      }
      kept.append(component)
    }
    let joined = kept.map(\.bytes).joined(separator: [slash])
    if isAbsolute { return RawPath([slash] + joined) }
    return kept.isEmpty ? "." : RawPath(Array(joined))
  }

  /// Whether the bytes start with those of `prefix`.
  public func hasPrefix(_ prefix: RawPath) -> Bool {
    bytes.starts(with: prefix.bytes)
  }

  /// Bytewise order, shorter first.
  public static func < (left: RawPath, right: RawPath) -> Bool {
    left.bytes.lexicographicallyPrecedes(right.bytes)
  }

  /// Calls `body` with the NUL-terminated bytes; the pointer is valid for the call only.
  package func withCString<Result, Failure: Error>(
    _ body: (UnsafePointer<CChar>) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try unsafe storage.withUnsafeBufferPointer { bytes throws(Failure) -> Result in
      // The storage always holds at least the NUL, so there is a base address.
      guard let base = bytes.baseAddress else { return unsafe try body(emptyCString) }
      return try unsafe base.withMemoryRebound(to: CChar.self, capacity: bytes.count) {
        pointer throws(Failure) -> Result in
        try unsafe body(pointer)
      }
    }
  }
}

private let slash = UInt8(ascii: "/")

/// One NUL that lives for ever: what `withCString` gives where an array has no memory.
private nonisolated(unsafe) let emptyCString: UnsafePointer<CChar> = {
  let memory = UnsafeMutablePointer<CChar>.allocate(capacity: 1)
  unsafe memory.initialize(to: 0)
  return unsafe UnsafePointer(memory)
}()
