package import StrataModel
package import StrataSystem

/// Files that are replaced whole: readers see the old content or the new one, never a part.
package enum AtomicFile {
  /// Writes a temporary file beside `path` and renames it over (storage-format 3.7).
  ///
  /// On any error the temporary file is removed and what was there before is untouched. The directory
  /// is not synced, as the peer's is not. Whoever calls holds the lock of the file: what a killed process
  /// left of an earlier write is removed.
  ///
  /// - Parameters:
  ///   - bytes: The new content.
  ///   - path: The file.
  ///   - mode: Its permission bits, whatever the umask.
  ///   - synchronize: Whether the data must be on the disk before the name changes hands; false for
  ///     what need not survive a reboot.
  /// - Throws: The kernel's refusal, with the path.
  /// - Returns: The modification time of what was written, by which a later look knows it again.
  @discardableResult
  package static func write(
    _ bytes: [UInt8], to path: RawPath, mode: UInt32 = 0o600, synchronize: Bool = true
  ) throws(StoreError) -> FileTime {
    let directory: FileDescriptorOwner
    let parent = path.parent.isEmpty ? "." : path.parent
    do throws(Errno) {
      directory = try FileDescriptor.workingDirectory.open(parent, [.path, .directory])
    } catch {
      throw StoreError(error, "open \(parent)")
    }
    let name = path.lastComponent
    let (number, temporary) = try create(beside: name, in: directory.view, parent)
    let file = FileDescriptorOwner(owning: number)
    do throws(Errno) {
      try file.view.writeAll(bytes)
      if synchronize { try file.view.synchronizeData() }
      let time = try file.view.status().modificationTime
      try setMode(mode, of: temporary, in: directory.view)
      try file.close()
      try directory.view.rename(temporary, to: directory.view, name)
      return time
    } catch {
      try? directory.view.unlink(temporary)
      throw StoreError(error, "write \(path)")
    }
  }

  /// The umask takes bits from the mode of a new file and never adds any, so 0600 needs no call.
  private static func setMode(_ mode: UInt32, of name: RawPath, in directory: FileDescriptor)
    throws(Errno)
  {
    if mode != 0o600 { try directory.setMode(of: name, mode) }
  }

  /// A new file `.tmp-<name>`: the peer's scheme without its digits, whose leftovers everyone knows to
  /// skip; always of one name, so that the next write finds them.
  private static func create(
    beside name: RawPath, in directory: FileDescriptor, _ parent: RawPath
  ) throws(StoreError) -> (Int32, RawPath) {
    let temporary = RawPath(Array(".tmp-".utf8) + name.bytes)
    do throws(Errno) {
      while true {
        do throws(Errno) {
          let file = try directory.open(temporary, [.readWrite, .create, .exclusive], mode: 0o600)
          return (file.release(), temporary)
        } catch  where error == .fileExists {
          try directory.unlink(temporary)
        }
      }
    } catch {
      throw StoreError(error, "open \(parent.appending(temporary))")
    }
  }
}
