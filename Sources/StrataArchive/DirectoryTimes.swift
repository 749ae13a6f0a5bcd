import StrataSystem

/// The times of a layer's directories, which are set last of all.
///
/// Paths are up to 4 KiB each and compress to nothing, so that a small blob could ask for any amount
/// of memory: beyond 4 MiB they go to a file without a name, in the layer's own file system.
struct DirectoryTimes {
  private var recent: [UInt8] = []
  private var file: SharedDescriptor?
  private var fileSize: Int64 = 0
  private var mayUseFile = true
  private static let memoryLimit = 4 << 20
  /// Length of the path, then seconds and nanoseconds of both times.
  private static let headSize = 28

  /// Adds a directory, by its cleaned path in the layer that lies in `diff`.
  mutating func append(
    _ path: [UInt8], access: FileTime, modification: FileTime, diff: FileDescriptor
  ) throws(Errno) {
    put(UInt64(path.count), 4)
    for time in [access, modification] {
      put(UInt64(bitPattern: time.seconds), 8)
      put(UInt64(time.nanoseconds), 4)
    }
    recent.append(contentsOf: path)
    if recent.count >= Self.memoryLimit { try spill(diff) }
  }

  /// Lets `use` see all directories in the order in which they came.
  func forEach(
    _ use: ([UInt8], FileTime, FileTime) throws(StreamError) -> Void
  ) throws(StreamError) {
    var rest: [UInt8] = []
    var offset: Int64 = 0
    while let file, offset < fileSize {
      do throws(Errno) {
        let more = try file.view.read(count: 1 << 20, at: offset)
        if more.isEmpty { throw .inputOutputError }
        offset += Int64(more.count)
        rest.append(contentsOf: more)
      } catch { throw StreamError(error, "read the times of directories back") }
      let used = try Self.forEach(in: rest, use)
      rest.removeFirst(used)
    }
    _ = try Self.forEach(in: recent, use)
  }

  private mutating func spill(_ diff: FileDescriptor) throws(Errno) {
    if file == nil, mayUseFile {
      if let opened = try? diff.open(".", [.readWrite, .temporaryFile], mode: 0o600) {
        file = SharedDescriptor(opened)
      }
      // A file system without such files: memory it is.
      mayUseFile = file != nil
    }
    guard let view = file?.view else { return }
    try view.writeAll(recent.rawSpan)
    fileSize += Int64(recent.count)
    recent.removeAll(keepingCapacity: true)
  }

  private mutating func put(_ number: UInt64, _ count: Int) {
    for index in 0..<count {
      recent.append(UInt8(truncatingIfNeeded: number >> UInt64(8 * index)))
    }
  }

  /// The whole records in `bytes`; returns how many bytes they are.
  private static func forEach(
    in bytes: [UInt8], _ use: ([UInt8], FileTime, FileTime) throws(StreamError) -> Void
  ) throws(StreamError) -> Int {
    var position = 0
    func number(_ count: Int) -> UInt64 {
      defer { position += count }
      return bytes[position..<(position + count)].reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }
    while bytes.count - position >= headSize {
      let start = position
      let length = Int(number(4))
      let access = FileTime(
        seconds: Int64(bitPattern: number(8)), nanoseconds: UInt32(truncatingIfNeeded: number(4)))
      let modification = FileTime(
        seconds: Int64(bitPattern: number(8)), nanoseconds: UInt32(truncatingIfNeeded: number(4)))
      guard bytes.count - position >= length else { return start }
      try use(Array(bytes[position..<(position + length)]), access, modification)
      position += length
    }
    return position
  }
}
