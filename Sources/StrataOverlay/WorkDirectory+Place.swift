import StrataSystem

extension WorkDirectory {
  /// Refuses a work directory that lies in the upper one, or with a layer in it: everything below `work`
  /// is removed at the start, and a user would see what is made there.
  ///
  /// Places are compared as the kernel names them; where it does not (no /proc), nothing is refused.
  static func requireApart(
    _ path: RawPath, _ layers: [Layer], _ options: OverlayOptions
  ) throws(OverlayError) {
    guard let outer = try? FileDescriptor.workingDirectory.open(path, [.path, .directory]),
      let place = place(outer.view), let upper = layers.first?.place
    else { return }
    guard !place.isInside(upper), !upper.isInside(place) else {
      throw OverlayError(
        "the upper directory \(options.upper ?? path) and the work directory \(path) must not lie in"
          + " each other")
    }
    guard holdsMoreThanOurs(outer.view) else { return }
    let lowers = options.lowers + options.dataOnlyLowers
    for (layer, name) in zip(layers.dropFirst(), lowers)
    where layer.place?.isInside(place) ?? false {
      throw OverlayError(
        "the lower directory \(name) lies in the work directory \(path), which would be emptied")
    }
  }

  /// Whether `work` holds something that no overlay made, so that hundreds of layers need not be asked
  /// where they lie otherwise.
  private static func holdsMoreThanOurs(_ outer: FileDescriptor) -> Bool {
    guard let work = try? outer.open("work", [.readOnly, .directory, .noFollow]),
      let entries = try? work.view.entries()
    else { return false }
    return entries.contains { !$0.name.hasPrefix("#") }
  }

  fileprivate static func place(_ open: FileDescriptor) -> RawPath? {
    try? FileDescriptor.workingDirectory.readLink(RawPath("/proc/self/fd/\(open.rawValue)"))
  }
}

extension Layer {
  fileprivate var place: RawPath? { WorkDirectory.place(root.view) }
}

extension RawPath {
  /// Whether this is the other directory or lies below it; both absolute.
  fileprivate func isInside(_ other: RawPath) -> Bool {
    self == other || other == "/" || hasPrefix(RawPath(other.bytes + [UInt8(ascii: "/")]))
  }
}
