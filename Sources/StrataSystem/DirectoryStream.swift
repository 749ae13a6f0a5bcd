import CStrata

/// One entry of a directory.
package struct DirectoryEntry: Sendable {
  package var name: RawPath
  package var inode: UInt64
  /// `unknown` on file systems that do not tell.
  package var type: FileType
  /// The kernel's position behind this entry.
  package var offset: Int64
}

extension FileDescriptor {
  /// Calls `body` for each entry but `.` and `..`, in the file system's order, from the start.
  ///
  /// The descriptor must be open for reading; its position moves. C: `getdents64`.
  package func forEachEntry<Failure: Error>(
    _ body: (DirectoryEntry) throws(Failure) -> Void, onError: (Errno) -> Failure
  ) throws(Failure) {
    var buffer = [UInt8](repeating: 0, count: 64 * 1024)
    do throws(Errno) { _ = try seek(0) } catch { throw onError(error) }
    while true {
      let count: Int
      do throws(Errno) {
        count = try unsafe buffer.withMutableMemory { memory throws(Errno) -> Int in
          try checked { unsafe cstrata_getdents64(rawValue, memory.baseAddress, memory.count) }
        }
      } catch { throw onError(error) }
      if count == 0 { return }
      var position = 0
      while position < count {
        // struct linux_dirent64: inode 8, offset 8, record length 2, type 1, name.
        let (entry, length) = unsafe buffer.withMemory { memory -> (DirectoryEntry, Int) in
          let inode = unsafe memory.loadUnaligned(fromByteOffset: position, as: UInt64.self)
          let offset = unsafe memory.loadUnaligned(fromByteOffset: position + 8, as: Int64.self)
          let length = Int(
            unsafe memory.loadUnaligned(fromByteOffset: position + 16, as: UInt16.self))
          let type = unsafe memory[position + 18]
          let name = unsafe RawPath(
            memory: UnsafeRawBufferPointer(rebasing: memory[(position + 19)..<(position + length)]))
          return (
            DirectoryEntry(
              name: name, inode: inode, type: FileType(directoryType: type), offset: offset),
            length
          )
        }
        position += length
        if entry.name == "." || entry.name == ".." { continue }
        try body(entry)
      }
    }
  }

  /// All entries but `.` and `..`; opens the directory anew, so an O_PATH descriptor serves.
  package func entries() throws(Errno) -> [DirectoryEntry] {
    let directory = try open(".", [.readOnly, .directory])
    var result: [DirectoryEntry] = []
    try directory.view.forEachEntry({ (entry: DirectoryEntry) throws(Errno) in result.append(entry)
    }) {
      $0
    }
    return result
  }
}

extension FileType {
  /// From the `d_type` of a directory entry.
  init(directoryType: UInt8) {
    switch directoryType {
    case 1: self = .fifo
    case 2: self = .characterDevice
    case 4: self = .directory
    case 6: self = .blockDevice
    case 8: self = .regular
    case 10: self = .symlink
    case 12: self = .socket
    default: self = .unknown
    }
  }

  /// The `d_type` of a directory entry.
  package var directoryType: UInt8 {
    switch self {
    case .unknown: 0
    case .fifo: 1
    case .characterDevice: 2
    case .directory: 4
    case .blockDevice: 6
    case .regular: 8
    case .symlink: 10
    case .socket: 12
    }
  }
}
