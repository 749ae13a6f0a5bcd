import StrataSystem

/// What the attributes of a layer's directory say about merging.
struct DirectoryMarks {
  /// Nothing of the layers below shows.
  var isOpaque = false
  /// Empty files in it may be whiteouts.
  var mayHaveXattrWhiteouts = false
  /// The directory continues under another name in the layers below.
  var redirect: RawPath?
  /// Children may be numbered as the lowers they were copied from.
  var isImpure = false
}

/// The names of whiteouts as files, as AUFS, OCI layers and containers/storage have them.
enum MarkerFile {
  static let opaque: RawPath = ".wh..wh..opq"
  private static let prefix = Array(".wh.".utf8)

  /// The name that a file `.wh.NAME` hides; nil for any other name.
  static func target(of name: RawPath) -> RawPath? {
    guard name.count > 4, name.bytes.starts(with: prefix) else { return nil }
    return RawPath(name.bytes.dropFirst(4))
  }

  /// The marker that hides a name, or nil if that would be too long.
  static func name(hiding name: RawPath) -> RawPath? {
    name.count > 251 ? nil : RawPath(prefix + name.bytes)
  }
}

extension MergedTree {
  /// Reads a directory's marks, of whichever program: one listing of names, and the values of those
  /// alone that are there.
  ///
  /// `markers` also looks for the file `.wh..wh..opq`.
  func readMarks(_ directory: FileDescriptor, markers: Bool) throws(Errno) -> DirectoryMarks {
    var marks = DirectoryMarks()
    let names: [RawPath]
    do throws(Errno) {
      names = try directory.xattrNames()
    } catch {
      switch error {
      case .notSupported, .badFileDescriptor, .permissionDenied: names = []
      default: throw error
      }
    }
    for name in names {
      switch name {
      case "trusted.overlay.opaque", "user.overlay.opaque", "user.fuseoverlayfs.opaque":
        switch (try? directory.xattr(name))?.first {
        case UInt8(ascii: "y"): marks.isOpaque = true
        case UInt8(ascii: "x"): marks.mayHaveXattrWhiteouts = true
        default: break
        }
      case "trusted.overlay.redirect", "user.overlay.redirect":
        if let value = try? directory.xattr(name), !value.isEmpty {
          marks.redirect = RawPath(value)
        }
      case "trusted.overlay.impure", "user.overlay.impure": marks.isImpure = true
      default: break
      }
    }
    if markers, !marks.isOpaque { marks.isOpaque = try hasOpaqueMarker(directory) }
    return marks
  }

  /// Whether a layer's directory has a file `.wh..wh..opq` that no user of a mount made.
  private func hasOpaqueMarker(_ directory: FileDescriptor) throws(Errno) -> Bool {
    do throws(Errno) {
      let type = try directory.status(of: MarkerFile.opaque).type
      return isMarker(MarkerFile.opaque, type: type, in: directory)
    } catch  where error == .noSuchFileOrDirectory {
      return false
    }
  }

  /// Whether empty files of a directory may be whiteouts by attribute, in one of its layers.
  func mayHaveXattrWhiteouts(
    _ slot: Slot, _ side: DirectorySide, at position: Int
  ) throws(Errno) -> Bool {
    if let known = side.layers[position].mayHaveXattrWhiteouts { return known }
    let open = try descriptor(of: slot, at: position)
    let marks = try readMarks(open.view, markers: false)
    side.layers[position].mayHaveXattrWhiteouts = marks.mayHaveXattrWhiteouts
    return marks.mayHaveXattrWhiteouts
  }

  /// Whether an object of a layer hides its own name: a device 0:0, or an empty file marked so in a
  /// directory that says that it may hold such.
  func isWhiteout(
    _ name: RawPath, _ status: FileStatus, in directory: FileDescriptor, xattrs: Bool
  ) -> Bool {
    if status.type == .characterDevice {
      return status.representedDevice == DeviceNumber(major: 0, minor: 0)
    }
    guard xattrs, status.type == .regular, status.size == 0 else { return false }
    return (try? directory.xattr("trusted.overlay.whiteout", of: name)) != nil
      || (try? directory.xattr("user.overlay.whiteout", of: name)) != nil
  }

  /// Whether a file named `.wh.NAME` is an ordinary one that a user of a mount made.
  func isLiteral(_ name: RawPath, in directory: FileDescriptor) -> Bool {
    (try? directory.xattr("trusted.strata.literal", of: name)) != nil
      || (try? directory.xattr("user.strata.literal", of: name)) != nil
  }

  /// Whether a name of a layer's directory is a mark and not an object.
  func isMarker(_ name: RawPath, type: FileType, in directory: FileDescriptor) -> Bool {
    guard MarkerFile.target(of: name) != nil else { return false }
    return type == .regular && !isLiteral(name, in: directory)
  }

  /// Makes an upper directory opaque: by attribute, or by a marker file where none can be set.
  func setOpaque(_ directory: FileDescriptor) throws(Errno) {
    if marks != .none {
      try directory.setXattr(marks.name("opaque"), [UInt8(ascii: "y")])
      return
    }
    do throws(Errno) {
      _ = try directory.open(MarkerFile.opaque, [.writeOnly, .create, .exclusive], mode: 0o600)
    } catch  where error == .fileExists {}
  }

  /// Marks an upper directory as having children that are numbered as their lowers, once.
  func setImpure(_ slot: Slot) throws(Errno) {
    let side = try directory(slot)
    guard followsOrigins, !side.isImpure else { return }
    do throws(Errno) {
      try upperDescriptor(of: slot).view.setXattr(marks.name("impure"), [UInt8(ascii: "y")])
    } catch  where error == .notSupported {}
    side.isImpure = true
  }
}
