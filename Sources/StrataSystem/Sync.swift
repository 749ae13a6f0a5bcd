import CStrata

extension FileDescriptor {
  /// Data and metadata to the disk.
  ///
  /// C: `fsync`.
  package func synchronize() throws(Errno) { try check { cstrata_fsync(rawValue) } }

  /// Data, and what is needed to read it, to the disk.
  ///
  /// C: `fdatasync`.
  package func synchronizeData() throws(Errno) { try check { cstrata_fdatasync(rawValue) } }

  /// The whole file system of this file to the disk.
  ///
  /// C: `syncfs`.
  package func synchronizeFileSystem() throws(Errno) { try check { cstrata_syncfs(rawValue) } }

  /// Writes the pages of a file to the disk and waits for them; neither its size nor where they lie
  /// need be there then, nor need the disk's own cache be empty.
  ///
  /// Both come with the next commit of the file system's log, if it has one for all of its files:
  /// a sync of any other file that is written later brings it about.
  ///
  /// C: `sync_file_range`, all three flags.
  package func writeBackData() throws(Errno) {
    try check { cstrata_sync_file_range_wait(rawValue) }
  }

  /// Starts write-back of a range and does not wait for it.
  ///
  /// C: `sync_file_range`.
  package func startWriteBack(offset: Int64, length: Int64) throws(Errno) {
    try check { cstrata_sync_file_range_write(rawValue, offset, length) }
  }
}
