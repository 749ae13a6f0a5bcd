import StrataSystem

extension MergedTree {
  /// What `resolveLayers` finds.
  struct ResolvedDirectory {
    var layers: [DirectoryLayer] = []
    var isImpure = false
  }

  /// The layers that a directory is merged from.
  ///
  /// `chain` names those that have a directory of this name, up to the first that hides the rest;
  /// here opaque marks end it and redirects lead it on under another name.
  func resolveLayers(
    _ name: RawPath, in parent: Slot, _ chain: [UInt16]
  ) throws(Errno) -> ResolvedDirectory {
    var result = ResolvedDirectory()
    for (place, layer) in chain.enumerated() {
      // Nothing lies below the last layer of the stack, so its marks say nothing.
      if Int(layer) == mergedCount - 1, !(hasUpper && layer == 0) {
        result.layers.append(DirectoryLayer(layer))
        break
      }
      let above = try descriptor(of: parent, layer: layer)
      let open = SharedDescriptor(try Self.openDirectory(name, below: above.view))
      let marks = try readMarks(open.view, markers: place < chain.count - 1)
      var entry = DirectoryLayer(layer, descriptor: open)
      entry.mayHaveXattrWhiteouts = marks.mayHaveXattrWhiteouts
      result.layers.append(entry)
      if hasUpper, layer == 0 { result.isImpure = marks.isImpure }
      if marks.isOpaque { break }
      if let redirect = marks.redirect {
        try follow(redirect, from: layer, in: parent, &result)
        break
      }
    }
    return result
  }

  /// Adds the layers below `layer` that have the directory at its redirect: a name beside it, or a
  /// path from the layers' roots.
  private func follow(
    _ first: RawPath, from layer: UInt16, in parent: Slot, _ result: inout ResolvedDirectory
  ) throws(Errno) {
    if options.redirect == .noFollow { throw .operationNotPermitted }
    var redirect = first
    let side = try directory(parent)
    var isAbsolute = redirect.isAbsolute
    for number in Int(layer + 1)..<max(Int(layer) + 1, mergedCount) {
      let below = UInt16(number)
      guard let base = redirectBase(isAbsolute, below, parent, side) else { continue }
      switch try walk(redirect, in: below, from: base) {
      case .absent: continue
      case .stopped: return
      case .found(let open, let last):
        let marks = try readMarks(open.view, markers: true)
        var entry = DirectoryLayer(below, path: base.appending(redirect.relative), descriptor: open)
        entry.mayHaveXattrWhiteouts = marks.mayHaveXattrWhiteouts
        result.layers.append(entry)
        if last || marks.isOpaque { return }
        if let next = marks.redirect {
          isAbsolute = isAbsolute || next.isAbsolute
          redirect = next.isAbsolute ? next : redirect.parent.appending(next)
        }
      }
    }
  }

  /// The path in a layer from which a redirect counts; nil if the layer lacks the parent.
  private func redirectBase(
    _ isAbsolute: Bool, _ layer: UInt16, _ parent: Slot, _ side: DirectorySide
  ) -> RawPath? {
    if isAbsolute { return RawPath("") }
    guard side.position(of: layer) != nil else { return nil }
    return lowerPath(of: parent, in: layer)
  }

  /// A directory's path from the root of a layer that has it.
  func lowerPath(of start: Slot, in layer: UInt16) -> RawPath? {
    var slot = start
    var names: [RawPath] = []
    while let side = sides.directory(table[slot].side), let position = side.position(of: layer) {
      if let path = side.layers[position].path {
        return names.reversed().reduce(path) { $0.appending($1) }
      }
      names.append(table.name(of: slot))
      slot = table[slot].parent
    }
    return nil
  }

  private enum Walk {
    case absent
    /// A whiteout or something that is no directory: nothing of the layers below shows either.
    case stopped
    /// Open; `last` if a directory on the way hides the layers below.
    case found(SharedDescriptor, last: Bool)
  }

  /// Walks to a directory in one layer as the kernel's overlay does for a redirect.
  private func walk(
    _ redirect: RawPath, in layer: UInt16, from base: RawPath
  ) throws(Errno) -> Walk {
    var last = false
    var current = SharedDescriptor(
      try Self.openDirectory(base, below: layers[Int(layer)].root.view))
    let names = redirect.components
    guard !names.isEmpty, !names.contains(".."), !names.contains(".") else {
      throw .inputOutputError
    }
    for (place, name) in names.enumerated() {
      let status: FileStatus
      do throws(Errno) {
        status = try current.view.status(of: name)
      } catch  where error == .noSuchFileOrDirectory {
        if let marker = MarkerFile.name(hiding: name), try current.view.exists(marker) {
          return .stopped
        }
        return .absent
      }
      guard status.type == .directory else { return .stopped }
      current = SharedDescriptor(try Self.openDirectory(name, below: current.view))
      if place < names.count - 1, try readMarks(current.view, markers: true).isOpaque {
        last = true
      }
    }
    return .found(current, last: last)
  }
}

extension RawPath {
  /// Without slashes in front.
  fileprivate var relative: RawPath { RawPath(bytes.drop { $0 == UInt8(ascii: "/") }) }
}
