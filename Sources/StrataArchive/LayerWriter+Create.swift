import StrataModel
import StrataSystem

/// Making the entry itself: its parents, what stood in its way, and the file.
extension LayerWriter {
  /// Makes what the header describes.
  func create(_ name: CleanName, _ header: TarHeader) throws(StreamError) {
    let owner = try owner(of: header)
    switch header.type {
    case .regular, .directory, .symlink, .hardLink, .fifo: break
    case .characterDevice, .blockDevice:
      if options.inUserNamespace {
        _ = try parent(of: name, header)
        devicesLeftOut =
          devicesLeftOut.map { ($0.first, $0.count + 1) } ?? (header.displayName, 1)
        return try keepBody(header)
      }
    default:
      throw StreamError(
        .unsupported, "\(header.displayName): unhandled tar header type \(header.type.rawValue)")
    }
    let parent = try parent(of: name, header)
    if header.type == .regular { return try createFile(name, header, owner, in: parent) }
    try recorder.file(name: header.name, size: 0, checksum: 0)
    let last = name.isRoot ? "." : RawPath(name.last)
    switch header.type {
    case .directory: try createDirectory(name, last, header, owner, in: parent)
    case .symlink:
      try making("symlink", last, header, in: parent) { () throws(Errno) in
        try parent.view.makeSymlink(last, to: RawPath(header.linkName))
      }
      contentSize += options.whiteouts == .keep ? Int64(header.linkName.count) : 0
      try setMetadata(last, header, owner, isNew: true, in: parent)
    case .hardLink: try createHardLink(last, header, owner, in: parent)
    default:
      let type: FileType =
        header.type == .fifo
        ? .fifo : header.type == .characterDevice ? .characterDevice : .blockDevice
      try making("mknod", last, header, in: parent) { () throws(Errno) in
        try parent.view.makeNode(
          last, mode: type.modeBits | UInt32(header.mode & 0o777),
          device: DeviceNumber(
            major: UInt32(truncatingIfNeeded: header.deviceMajor),
            minor: UInt32(truncatingIfNeeded: header.deviceMinor)))
      }
      try setMetadata(last, header, owner, isNew: true, in: parent)
    }
  }

  /// Makes a whiteout in the kernel's form, of a name that leaves no room for the prefix.
  ///
  /// Mount programs read both forms. Where devices cannot be made the entry is too long for a name.
  func createDeviceWhiteout(_ hidden: RawPath, _ name: CleanName, _ header: TarHeader)
    throws(StreamError)
  {
    let parent = try parent(of: name, header)
    do throws(Errno) {
      try parent.view.makeNode(hidden, mode: FileType.characterDevice.modeBits)
    } catch  where error == .fileExists {
      // What the same layer has under that name is seen all the same.
    } catch {
      throw failure(.nameTooLong, "open", header)
    }
    try keepBody(header)
  }

  private func createFile(
    _ name: CleanName, _ header: TarHeader, _ owner: Owner, in parent: OpenDirectory
  ) throws(StreamError) {
    let last = RawPath(name.last)
    let flags: OpenFlags = [.writeOnly, .create, .exclusive, .noFollow]
    let mode = UInt32(header.mode & 0o777)
    var opened: FileDescriptorOwner?
    try making("open", last, header, in: parent) { () throws(Errno) in
      opened = try parent.view.open(last, flags, mode: mode)
    }
    guard let file = opened.take() else { return }
    try writeBody(
      header, to: file.view, isFoundAgain: !name.isUnusual && !parent.isBehindSymlink)
    if options.whiteouts == .keep { contentSize += header.size }
    try setFileMetadata(file.view, header, owner, parent)
    do throws(Errno) {
      if header.size > 1 << 20 { try? file.view.startWriteBack(offset: 0, length: 0) }
      if ownInodes != nil, header.size > 0 { ownInodes?.insert(try file.view.status().inode) }
      try file.close()
    } catch { throw failure(error, "write", header) }
  }

  private func createDirectory(
    _ name: CleanName, _ last: RawPath, _ header: TarHeader, _ owner: Owner,
    in parent: OpenDirectory
  ) throws(StreamError) {
    var isNew = true
    do throws(Errno) {
      try parent.view.makeDirectory(last, mode: UInt32(header.mode & 0o777))
    } catch  where error == .fileExists {
      do throws(Errno) {
        isNew = try parent.view.status(of: last).type != .directory
      } catch { throw failure(error, "stat", header) }
      if isNew {
        try making("mkdir", last, header, in: parent) { () throws(Errno) in
          try parent.view.makeDirectory(last, mode: UInt32(header.mode & 0o777))
        }
      }
    } catch { throw failure(error, "mkdir", header) }
    try setMetadata(last, header, owner, isNew: isNew, in: parent)
    if !isNew { try? cache.refresh(name.bytes[...]) }
    try setTimesLater(name, header)
  }

  private func createHardLink(
    _ last: RawPath, _ header: TarHeader, _ owner: Owner, in parent: OpenDirectory
  ) throws(StreamError) {
    let target = CleanName(header.linkName)
    let source: OpenDirectory
    do throws(Errno) {
      source = try cache.directory(target.parent)
    } catch { throw linkFailure(error, header) }
    try making("link", last, header, in: parent) { () throws(Errno) in
      try source.view.link(
        target.isRoot ? "." : RawPath(target.last), to: parent.view, last)
    }
    try setLinkMetadata(last, header, owner, in: parent)
  }

  /// The directory that an entry lies in; one that is missing is made, and those above it.
  func parent(of name: CleanName, _ header: TarHeader) throws(StreamError) -> OpenDirectory {
    do throws(Errno) {
      do throws(Errno) {
        return try cache.directory(name.parent)
      } catch  where error == .noSuchFileOrDirectory {
        try makeParents(name.parent)
        return try cache.directory(name.parent)
      }
    } catch { throw failure(error, "open", header) }
  }

  /// Makes what is missing of a path, from the top down: names of 4 KiB can have 2,000 components.
  private func makeParents(_ path: ArraySlice<UInt8>) throws(Errno) {
    var parent = try cache.directory([])
    var end = path.startIndex
    while end < path.endIndex {
      let next = end == path.startIndex ? end : end + 1
      end = path[next...].firstIndex(of: UInt8(ascii: "/")) ?? path.endIndex
      do throws(Errno) {
        parent = try cache.directory(path[..<end])
      } catch  where error == .noSuchFileOrDirectory {
        try makeParent(RawPath(path[next..<end]), in: parent)
        parent = try cache.directory(path[..<end])
      }
    }
  }

  private func makeParent(_ last: RawPath, in parent: OpenDirectory) throws(Errno) {
    do throws(Errno) {
      try parent.view.makeDirectory(last, mode: 0o777)
    } catch  where error == .fileExists {
      throw .noSuchFileOrDirectory  // a link that leads nowhere
    }
    let root = options.mappings.toHost(uid: 0, gid: 0) ?? (process.uid, process.gid)
    if root.uid != process.uid || root.gid != (parent.inheritedGroup ?? process.gid) {
      do throws(Errno) {
        try parent.view.setOwner(of: last, uid: root.uid, gid: root.gid)
      } catch {
        if !options.ignoreOwnershipErrors { throw error }
      }
    }
  }

  /// Makes a name; what stands in its way is removed first.
  private func making(
    _ verb: String, _ last: RawPath, _ header: TarHeader, in parent: OpenDirectory,
    _ make: () throws(Errno) -> Void
  ) throws(StreamError) {
    do throws(Errno) {
      try make()
    } catch  where error == .fileExists {
      try removeExisting(last, header, in: parent)
      do throws(Errno) {
        try make()
      } catch { throw makingFailure(error, verb, header) }
    } catch { throw makingFailure(error, verb, header) }
  }

  /// Why an entry could not be made, with what of its header the kernel did not like.
  private func makingFailure(_ error: Errno, _ verb: String, _ header: TarHeader) -> StreamError {
    switch header.type {
    case .hardLink:
      return linkFailure(error, header)
    case .characterDevice, .blockDevice:
      let device = "device \(header.deviceMajor):\(header.deviceMinor)"
      if error == .invalidArgument {
        return StreamError(
          .unsupported,
          "\(verb) \(header.displayName): \(device) is beyond 4095:1048575, the last of Linux")
      }
      return failure(error, verb, header, device)
    default:
      return failure(error, verb, header)
    }
  }

  private func linkFailure(_ error: Errno, _ header: TarHeader) -> StreamError {
    let target = String(decoding: header.linkName, as: UTF8.self)
    guard error == .noSuchFileOrDirectory else {
      return failure(error, "link", header, "to \(target)")
    }
    return StreamError(
      .system(error),
      "link \(header.displayName) to \(target), which is not in this layer: \(error)")
  }

  /// Removes what a later entry replaces.
  ///
  /// A file of this layer whose body was recorded by its checksum cannot go: the layer's tar could
  /// not be made again. Two names that mean one path are refused as two equal names are.
  private func removeExisting(
    _ last: RawPath, _ header: TarHeader, in parent: OpenDirectory
  ) throws(StreamError) {
    do throws(Errno) {
      let status = try parent.view.status(of: last)
      if status.type == .directory {
        if ownInodes == nil {
          try parent.view.removeDirectory(last)
        } else {
          try parent.view.removeTree(last)
        }
      } else {
        let isOwn = ownInodes?.contains(status.inode) ?? (status.linkCount == 1)
        if status.type == .regular, status.size > 0, isOwn { throw .directoryNotEmpty }
        if status.type == .symlink, ownInodes == nil, options.whiteouts == .keep {
          contentSize -= status.size
        }
        try parent.view.unlink(last)
      }
    } catch  where error == .directoryNotEmpty {
      throw StreamError(
        .malformed,
        "\(header.displayName): replaces an earlier entry: "
          + "duplicates of file paths not supported")
    } catch { throw failure(error, "remove", header) }
    cache.forget()
  }
}
