// What nobody names any more: directories of layers, images and containers without a record, tar-split
// files, half-written files, links and staging directories that killed processes left
// (storage-format 4.14). It is looked for and removed under the write lock of its store, and what is
// made without one has a lock of its own, so nothing that a running process is making is ever taken for
// garbage.

import StrataDrivers
public import StrataModel
import StrataPersistence
public import StrataSystem

/// Something in a store that no record names.
public struct Garbage: Sendable, Hashable {
  /// What it is.
  public enum Kind: String, Sendable {
    /// The driver's directory of a layer.
    case layer
    /// Data or content beside the records: items, tar-split files.
    case data
    /// A file that was being written.
    case temporary
    /// A short link of the overlay driver to a layer that is gone.
    case link
    /// A directory that content was staged in.
    case staging
  }

  /// What it is.
  public var kind: Kind
  /// Where it is.
  public var path: RawPath
  /// The bytes of its files; 0 where that was not looked at.
  public var size: Int64
}

extension Store {
  /// Finds garbage, and removes it unless this is a dry run.
  ///
  /// - Returns: What was found.
  @discardableResult
  public func collectGarbage(dryRun: Bool = false) throws(StoreError) -> [Garbage] {
    try requireWritable()
    var found = try containerStore.writing { containers throws(StoreError) in
      try withContainersElsewhere { (elsewhere) throws(StoreError) in
        let known = Set(containers.containers.ids).union(elsewhere.ids)
        var found = try unrecorded(in: containerStore.directory, known)
        let run = configuration.runRoot.appending(containerStore.directory.lastComponent)
        found += try unrecorded(in: run, known)
        return try remove(found, dryRun, containerStore.core)
      }
    }
    for store in ownImageStores {
      found += try store.writing { images throws(StoreError) in
        try remove(
          try unrecorded(in: store.directory, Set(images.images.ids)), dryRun, store.core)
      }
    }
    found += try layerStore.writing { layers throws(StoreError) in
      let known = Set(layers.layers.ids).union(try recordsElsewhere().layers.ids)
      var found: [Garbage] = []
      for id in try driver.layers() where !known.contains(id) {
        let path = driver.directoryPath(of: id)
        found.append(Garbage(kind: .layer, path: path, size: Self.treeSize(path)))
      }
      let others = try unrecorded(in: layerStore.locations.directory, known)
      try requireRecords(of: layerStore.core, for: found + others)
      if !dryRun {
        for item in found { try driver.remove(item.path.lastComponent.description) }
      }
      let rest = try others + danglingLinks() + staleStaging(dryRun)
      return try found + remove(rest, dryRun, layerStore.core)
    }
    return found
  }

  /// Throws where a file of records is there and empty: all that it once named would be garbage.
  ///
  /// No program leaves it so, but a power cut can.
  ///
  /// The peers, and Strata as long as nothing is to be collected, take it for no records.
  private func requireRecords<Record>(
    of store: RecordStore<Record>, for found: [Garbage]
  ) throws(StoreError) {
    guard found.contains(where: { $0.kind == .layer || $0.kind == .data }),
      let file = try store.emptyFile()
    else { return }
    throw StoreError(
      .damaged,
      "\(file): the file is empty, yet there is something that it may have named, as \(found[0].path): "
        + "nothing of that is collected; strata check --repair moves the file aside")
  }

  private func remove<Record>(
    _ garbage: [Garbage], _ dryRun: Bool, _ store: RecordStore<Record>
  ) throws(StoreError) -> [Garbage] {
    try requireRecords(of: store, for: garbage)
    if !dryRun {
      for item in garbage where item.kind != .staging {
        try ensureRemoved(item.path, in: .workingDirectory, at: item.path)
      }
    }
    return garbage
  }

  /// Entries of a directory of records that belong to none: directories and tar-split files of ids
  /// that are not known, and temporary files.
  ///
  /// Names of any other form are foreign and stay.
  private func unrecorded(in directory: RawPath, _ known: Set<String>) throws(StoreError)
    -> [Garbage]
  {
    let entries = try Self.entries(of: directory)
    var found: [Garbage] = []
    for name in entries {
      let path = directory.appending(name)
      let text = name.description
      if text.hasPrefix(".tmp-") {
        found.append(Garbage(kind: .temporary, path: path, size: Self.treeSize(path)))
        continue
      }
      let suffix = ".tar-split.gz"
      let id = text.hasSuffix(suffix) ? String(text.dropLast(suffix.count)) : text
      if id.utf8.count == 64, id.utf8.allSatisfy(Self.isHexDigit), !known.contains(id) {
        found.append(Garbage(kind: .data, path: path, size: Self.treeSize(path)))
      }
    }
    return found
  }

  private static func isHexDigit(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "0")...UInt8(ascii: "9")) ~= byte
      || (UInt8(ascii: "a")...UInt8(ascii: "f")) ~= byte
  }

  /// Short links of the overlay driver that lead nowhere.
  ///
  /// One that leads to a layer of an additional layer store does not, whether that answers or not.
  private func danglingLinks() throws(StoreError) -> [Garbage] {
    let links = driver.home.appending("l")
    return try Self.entries(of: links).compactMap { name in
      let path = links.appending(name)
      let here = FileDescriptor.workingDirectory
      guard let target = try? here.readLink(path) else { return nil }
      let isThere = try? here.exists(target.isAbsolute ? target : links.appending(target))
      return isThere == false ? Garbage(kind: .link, path: path, size: 0) : nil
    }
  }

  /// Temporary directories whose maker has died: their lock can be taken (storage-format 3.8).
  private func staleStaging(_ dryRun: Bool) throws(StoreError) -> [Garbage] {
    func stale(_ dryRun: Bool) throws(StoreError) -> [RawPath] {
      try driver.recoverTemporary(dryRun: dryRun) + layerStore.recoverTemporary(dryRun: dryRun)
        + driver.peersStaging(dryRun: dryRun)
    }
    let found = try stale(true).map { path in
      Garbage(kind: .staging, path: path, size: Self.treeSize(path))
    }
    if !dryRun { _ = try stale(false) }
    return found
  }

  private static func entries(of directory: RawPath) throws(StoreError) -> [RawPath] {
    try naming("readdir", directory) { () throws(Errno) in
      do throws(Errno) {
        let opened = try FileDescriptor.workingDirectory.open(directory, [.readOnly, .directory])
        return try opened.view.entries().map(\.name).sorted()
      } catch  where error == .noSuchFileOrDirectory {
        return []
      }
    }
  }

  /// The bytes of all files at and below a path; what cannot be looked at does not count.
  static func treeSize(_ path: RawPath) -> Int64 {
    let here = FileDescriptor.workingDirectory
    guard let status = try? here.status(of: path) else { return 0 }
    if status.type != .directory { return status.type == .regular ? status.size : 0 }
    guard let directory = try? here.open(path, [.readOnly, .directory, .noFollow]),
      let entries = try? directory.view.entries()
    else { return 0 }
    return entries.reduce(0) { $0 + treeSize(path.appending($1.name)) }
  }
}
