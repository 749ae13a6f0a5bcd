import StrataSystem

/// Files that hold attributes only, their data lying in a lower layer: `metacopy`, as the kernel's
/// overlay and composefs make them. They are read and never written here.
extension MergedTree {
  private static let attributes: [RawPath] = ["trusted.overlay.metacopy", "user.overlay.metacopy"]
  private static let redirects: [RawPath] = ["trusted.overlay.redirect", "user.overlay.redirect"]

  /// Finds out whether a file that is being opened has its data elsewhere.
  ///
  /// Such a file takes no space of its own beyond attributes, so only those are asked.
  func checkMetacopy(_ slot: Slot, _ side: FileSide, _ open: SharedDescriptor) throws(Errno) {
    guard Int(table[slot].layer) < layers.count - 1, let status = try? open.view.status(),
      status.size > 0, status.blocks <= 8, Self.isMetacopy(open.view)
    else { return }
    let redirect = Self.redirects.lazy.compactMap { try? open.view.xattr($0) }.first
    side.data = try findData(slot, redirect.map { RawPath($0) })
  }

  /// Whether an open file has attributes only.
  static func isMetacopy(_ file: FileDescriptor) -> Bool {
    (try? file.xattrNames())?.contains { attributes.contains($0) } ?? false
  }

  /// The topmost lower file with data; EIO if there is none, never a file of zeros.
  private func findData(_ slot: Slot, _ redirect: RawPath?) throws(Errno) -> DataLocation {
    var path = redirect
    var isAbsolute = redirect?.isAbsolute ?? false
    let parent = table[slot].parent
    for number in Int(table[slot].layer) + 1..<layers.count {
      let layer = UInt16(number)
      if layers[number].isDataOnly, !isAbsolute { break }
      let base = isAbsolute ? RawPath("") : lowerPath(of: parent, in: layer)
      guard let base else { continue }
      let full = base.appending(path ?? table.name(of: slot))
      let relative = RawPath(full.bytes.drop { $0 == UInt8(ascii: "/") })
      guard
        let file = try? Self.openInside(
          relative, layers[number].root.view, [.readOnly, .nonBlocking, .noFollow]),
        let status = try? file.view.status(), status.type == .regular
      else { continue }
      if Self.attributes.contains(where: { (try? file.view.xattr($0)) != nil }) {
        if let next = Self.redirects.lazy.compactMap({ try? file.view.xattr($0) }).first {
          path = RawPath(next)
          isAbsolute = path?.isAbsolute ?? false
        }
        continue
      }
      return DataLocation(layer: layer, path: relative)
    }
    throw .inputOutputError
  }

  /// Records where an upper file's data lie before it gets another name, if they lie in a lower layer and
  /// are found there by its name so far.
  func keepData(of slot: Slot) throws(Errno) {
    guard table[slot].type == .regular, !table[slot].flags.contains(.withoutXattrs),
      table[slot].flags.contains(.keyed), let status = try? status(of: slot), status.size > 0,
      status.blocks <= 8
    else { return }
    let place = try location(of: slot)
    let names = (try? place.directory.view.xattrNames(of: place.name)) ?? []
    for (attribute, redirect) in zip(Self.attributes, Self.redirects)
    where names.contains(attribute) {
      let known = try? place.directory.view.xattr(redirect, of: place.name)
      if let known, RawPath(known).isAbsolute { return }
      let side = fileSide(slot)
      if side.data == nil { side.data = try findData(slot, known.map { RawPath($0) }) }
      guard let data = side.data else { return }
      try place.directory.view.setXattr(
        redirect, [UInt8(ascii: "/")] + data.path.bytes, of: place.name)
    }
  }

  /// Opens the data of a metacopy file for reading.
  func dataReader(_ slot: Slot, _ side: FileSide) throws(Errno) -> SharedDescriptor {
    if let open = side.reader { return open }
    guard let data = side.data else { throw .inputOutputError }
    let file = SharedDescriptor(
      try Self.openInside(
        data.path, layers[Int(data.layer)].root.view, [.readOnly, .nonBlocking, .noFollow]))
    side.reader = file
    counted(slot)
    return file
  }

  /// Gives an upper metacopy file, which is open for writing, its data before the first change of
  /// it.
  ///
  /// The mark goes last, so that a cut leaves a file that is read as before.
  func fillMetacopy(_ slot: Slot, _ side: FileSide, _ file: SharedDescriptor) throws(Errno) {
    if side.data == nil { try checkMetacopy(slot, side, file) }
    guard side.data != nil else { return }
    let source = try dataReader(slot, side)
    let status = try file.view.status()
    try source.view.copyContents(to: file.view, length: status.size)
    try file.view.setTimes(
      access: .to(status.accessTime), modification: .to(status.modificationTime))
    if options.syncs { try file.view.synchronizeData() }
    for name in Self.attributes + Self.redirects { try? file.view.removeXattr(name) }
    budget.drop(slot, side)
    side.data = nil
  }
}
