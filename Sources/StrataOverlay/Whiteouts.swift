import StrataSystem

extension WorkDirectory {
  /// Puts a whiteout where the upper has no object of this name.
  func placeWhiteout(at name: RawPath, in directory: FileDescriptor) throws(Errno) {
    if makesDevices {
      if try linkWhiteout(to: name, in: directory) { return }
      if try makeWhiteout(name, in: directory) { return }
    }
    try placeMarker(hiding: name, in: directory)
  }

  /// Puts a whiteout in the place of a file of the upper.
  func cover(_ name: RawPath, in directory: FileDescriptor) throws(Errno) {
    if makesDevices {
      let temporary = freeName()
      let linked = try linkWhiteout(to: temporary, in: view)
      if linked {
        try finish(temporary) { () throws(Errno) in try view.rename(temporary, to: directory, name)
        }
        return
      }
      if try makeWhiteout(temporary, in: view) {
        try finish(temporary) { () throws(Errno) in try view.rename(temporary, to: directory, name)
        }
        return
      }
    }
    // The marker hides only what lies below as long as the object is there.
    try placeMarker(hiding: name, in: directory)
    try directory.unlink(name)
  }

  /// Takes a directory out of the upper and leaves a whiteout in its place; the directory lies in
  /// `work` then, under the name that is returned.
  func exchange(_ name: RawPath, in directory: FileDescriptor) throws(Errno) -> RawPath {
    let temporary = freeName()
    if makesDevices {
      var made = try linkWhiteout(to: temporary, in: view)
      if !made { made = try makeWhiteout(temporary, in: view) }
      if made {
        try finish(temporary) { () throws(Errno) in
          try view.rename(temporary, to: directory, name, .exchange)
        }
        return temporary
      }
    }
    try placeMarker(hiding: name, in: directory)
    try directory.rename(name, to: view, temporary)
    return temporary
  }

  /// Runs the step that puts a temporary object into place; if it fails, the object goes.
  func finish(_ temporary: RawPath, _ step: () throws(Errno) -> Void) throws(Errno) {
    do throws(Errno) { try step() } catch {
      discard(temporary)
      throw error
    }
  }

  /// Links the shared whiteout; false if links to it cannot be made, true if it is done.
  private func linkWhiteout(to name: RawPath, in directory: FileDescriptor) throws(Errno) -> Bool {
    for _ in 0..<2 {
      guard let shared = try sharedWhiteout() else { return false }
      do throws(Errno) {
        try view.link(shared, to: directory, name)
        return true
      } catch {
        switch error {
        case .tooManyLinks, .noSuchFileOrDirectory: whiteout = nil
        case .crossDeviceLink, .operationNotPermitted, .notSupported: return false
        default: throw error
        }
      }
    }
    return false
  }

  /// The device 0:0 in `work` that all whiteouts are links of; nil if none can be made.
  private func sharedWhiteout() throws(Errno) -> RawPath? {
    if let whiteout { return whiteout }
    let name = freeName()
    guard try makeWhiteout(name, in: view) else { return nil }
    whiteout = name
    return name
  }

  /// Makes one device 0:0; false, for ever after, if that is refused.
  private func makeWhiteout(_ name: RawPath, in directory: FileDescriptor) throws(Errno) -> Bool {
    do throws(Errno) {
      try directory.makeNode(name, mode: FileType.characterDevice.modeBits)
      return true
    } catch {
      switch error {
      case .operationNotPermitted, .notSupported, .invalidArgument, .noFunction:
        makesDevices = false
        return false
      default: throw error
      }
    }
  }

  /// Makes a file `.wh.NAME`, complete before it takes its place.
  private func placeMarker(hiding name: RawPath, in directory: FileDescriptor) throws(Errno) {
    guard let marker = MarkerFile.name(hiding: name) else { throw .nameTooLong }
    let temporary = freeName()
    _ = try view.open(temporary, [.writeOnly, .create, .exclusive], mode: 0o600)
    try finish(temporary) { () throws(Errno) in try view.rename(temporary, to: directory, marker) }
  }
}
