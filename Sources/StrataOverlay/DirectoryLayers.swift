import StrataSystem

extension MergedTree {
  /// What `resolveLayers` finds.
  struct ResolvedDirectory {
    var layers: [DirectoryLayer] = []
    var isImpure = false
    /// What the upper's own attribute says.
    var redirect: RawPath?
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
      // Nothing lies below the last layer of the stack, so its marks hide nothing there.
      if Int(layer) == mergedCount - 1, !(hasUpper && layer == 0) {
        var last = DirectoryLayer(layer)
        last.mayHaveXattrWhiteouts = nil
        result.layers.append(last)
        break
      }
      let above = try descriptor(of: parent, layer: layer)
      let open = SharedDescriptor(try Self.openDirectory(name, below: above.view))
      let marks = try readMarks(open.view, markers: place < chain.count - 1)
      var entry = DirectoryLayer(layer, descriptor: place < budget.atOnce ? open : nil)
      entry.mayHaveXattrWhiteouts = marks.mayHaveXattrWhiteouts
      result.layers.append(entry)
      if hasUpper, layer == 0 {
        result.isImpure = marks.isImpure
        result.redirect = marks.redirect
      }
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
    for number in Int(layer + 1)..<max(Int(layer) + 1, mergedCount) {
      let below = UInt16(number)
      guard let base = redirectBase(redirect.isAbsolute, below, parent, side) else { continue }
      let here = redirect
      switch try walk(&redirect, in: below, from: base) {
      case .absent: continue
      case .stopped: return
      case .found(let open, let marks, let last):
        var entry = DirectoryLayer(
          below, path: base.appending(here.relative),
          descriptor: result.layers.count < budget.atOnce ? open : nil)
        entry.mayHaveXattrWhiteouts = marks.mayHaveXattrWhiteouts
        result.layers.append(entry)
        if last || marks.isOpaque { return }
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
    case found(SharedDescriptor, DirectoryMarks, last: Bool)
  }

  /// Walks to a directory in one layer as the kernel's overlay does for a redirect.
  ///
  /// Redirects of directories on the way say where it lies in the layers below this one.
  private func walk(
    _ redirect: inout RawPath, in layer: UInt16, from base: RawPath
  ) throws(Errno) -> Walk {
    var last = false
    var current = SharedDescriptor(
      try Self.openDirectory(base, below: layers[Int(layer)].root.view))
    let names = redirect.components
    guard !names.isEmpty, !names.contains(".."), !names.contains(".") else {
      throw .inputOutputError
    }
    var marks = DirectoryMarks()
    let isAbsolute = redirect.isAbsolute
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
      marks = try readMarks(current.view, markers: true)
      if place < names.count - 1, marks.isOpaque { last = true }
      if let next = marks.redirect {
        let front = next.isAbsolute || !isAbsolute ? RawPath("") : RawPath("/")
        let before: [RawPath] = next.isAbsolute ? [] : Array(names[..<place])
        let after = Array(names[(place + 1)...])
        redirect = (before + [next] + after).reduce(front) { $0.appending($1) }
      }
    }
    return .found(current, marks, last: last)
  }
}

extension RawPath {
  /// Without slashes in front.
  fileprivate var relative: RawPath { RawPath(bytes.drop { $0 == UInt8(ascii: "/") }) }
}
