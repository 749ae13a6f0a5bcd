import CStrata
import Glibc

/// A file system's own name for an inode, which outlives descriptors and renames.
package struct FileHandle: Hashable, Sendable {
  package var type: Int32
  package var bytes: [UInt8]

  package init(type: Int32, bytes: [UInt8]) {
    self.type = type
    self.bytes = bytes
  }
}

extension FileDescriptor {
  /// The handle of the open file.
  ///
  /// C: `name_to_handle_at(AT_EMPTY_PATH)`.
  package func fileHandle() throws(Errno) -> FileHandle {
    var bytes = [UInt8](repeating: 0, count: Int(CSTRATA_MAX_HANDLE))
    var type: Int32 = 0
    let count = try unsafe bytes.withMutableMemory { memory throws(Errno) -> Int32 in
      try checked {
        unsafe cstrata_name_to_handle(
          rawValue, "", 0x1000, &type, memory.baseAddress?.assumingMemoryBound(to: UInt8.self))
      }
    }
    return FileHandle(type: type, bytes: Array(bytes.prefix(Int(count))))
  }

  /// Opens an inode of this descriptor's file system by its handle; ESTALE if it is gone.
  ///
  /// Needs CAP_DAC_READ_SEARCH of the first user namespace. C: `open_by_handle_at`.
  package func open(_ handle: FileHandle, _ flags: OpenFlags) throws(Errno) -> FileDescriptorOwner {
    let number = try unsafe handle.bytes.withMemory { memory throws(Errno) -> Int32 in
      try checked {
        unsafe cstrata_open_by_handle(
          rawValue, handle.type, memory.baseAddress?.assumingMemoryBound(to: UInt8.self),
          memory.count, flags.rawValue)
      }
    }
    return FileDescriptorOwner(owning: number)
  }

  /// The 16 bytes that name the file system (Linux 6.9).
  ///
  /// C: `FS_IOC_GETFSUUID`.
  package func fileSystemUUID() throws(Errno) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: 16)
    try unsafe bytes.withMutableMemory { memory throws(Errno) in
      try check {
        unsafe cstrata_fs_uuid(rawValue, memory.baseAddress?.assumingMemoryBound(to: UInt8.self))
      }
    }
    return bytes
  }

  /// An ioctl whose argument is a block of memory that the kernel reads, fills, or both; the block
  /// as it is afterwards.
  ///
  /// C: `ioctl`.
  package func control(_ command: UInt32, _ argument: [UInt8]) throws(Errno) -> [UInt8] {
    var block = argument
    try unsafe block.withMutableMemory { memory throws(Errno) in
      try check { unsafe cstrata_ioctl(rawValue, UInt(command), memory.baseAddress) }
    }
    return block
  }

  /// One copy_file_range(2) between offsets; the number of bytes copied.
  package func copyRange(
    from offset: Int64, to destination: FileDescriptor, at destinationOffset: Int64, count: Int
  ) throws(Errno) -> Int {
    var (from, to) = (offset, destinationOffset)
    return try checked {
      unsafe cstrata_copy_file_range(rawValue, &from, destination.rawValue, &to, count)
    }
  }
}
