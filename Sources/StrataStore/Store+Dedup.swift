import StrataDigest
import StrataDrivers
public import StrataModel
import StrataPersistence
import StrataSystem

extension Store {
  /// Lets equal files of image layers share their blocks, where the file system can.
  ///
  /// The kernel compares the bytes before it shares them, so no reader ever sees a change
  /// (storage-format 4.17). What was shared before counts again, as with the peer.
  ///
  /// - Returns: The number of bytes that are shared; 0 on a file system that cannot.
  public func deduplicate() throws(StoreError) -> Int64 {
    try requireWritable()
    return try layerStore.writing { layers throws(StoreError) in
      var ids: Set<String> = []
      var files = EqualFiles()
      for image in try images() {
        for top in [image.layer].compactMap({ $0 }) + image.mappedLayers {
          var next: String? = top
          while let id = next, let layer = layers.layers[id], ids.insert(id).inserted {
            next = layer.parent
            // Layers of additional layer stores have no files here.
            if try driver.additionalLayer(of: id) != nil { continue }
            let directories = try driver.diffDirectories(id, asking: false)
            for directory in directories.own {
              try naming("read", driver.directoryPath(of: id)) { () throws(Errno) in
                try files.collect(directory.view, directory, "")
              }
            }
          }
        }
      }
      return files.share()
    }
  }
}

/// The regular files of some trees by size, and by content where several have one size.
private struct EqualFiles {
  private struct File {
    let root: SharedDescriptor
    let path: RawPath
    let inode: UInt64

    func open(_ flags: OpenFlags) -> FileDescriptorOwner? {
      try? root.view.open(path, [flags, .noFollow], resolve: [.beneath, .noSymlinks])
    }
  }

  private var bySize: [Int64: [File]] = [:]

  mutating func collect(_ directory: FileDescriptor, _ root: SharedDescriptor, _ path: RawPath)
    throws(Errno)
  {
    for entry in try directory.entries() {
      let status = try directory.status(of: entry.name)
      let name = path.isEmpty ? entry.name : path.appending(entry.name)
      if status.type == .directory {
        let below = try directory.open(entry.name, [.readOnly, .directory, .noFollow])
        try collect(below.view, root, name)
      } else if status.type == .regular, status.size > 0 {
        bySize[status.size, default: []].append(
          File(root: root, path: name, inode: status.inode))
      }
    }
  }

  func share() -> Int64 {
    var total: Int64 = 0
    for (size, files) in bySize where files.count > 1 {
      var first: [Digest: File] = [:]
      for file in files {
        guard let digest = digest(of: file) else { continue }
        guard let original = first[digest] else {
          first[digest] = file
          continue
        }
        if original.inode != file.inode { total += shareBlocks(of: original, with: file, size) }
      }
    }
    return total
  }

  private func digest(of file: File) -> Digest? {
    guard let opened = file.open(.readOnly) else { return nil }
    let sink = DigestingSink(nil)
    guard (try? FileSource(opened, name: file.path).copy(to: sink)) != nil else { return nil }
    return sink.finish().0
  }

  /// One FIDEDUPERANGE after the other: file systems take 16 MiB at most at once.
  private func shareBlocks(of original: File, with copy: File, _ size: Int64) -> Int64 {
    guard let from = original.open(.readOnly), let to = copy.open(.readWrite) else { return 0 }
    var offset: Int64 = 0
    while offset < size {
      let length = min(size - offset, 16 << 20)
      let shared = (try? from.view.shareRange(offset, length, with: to.view)) ?? 0
      if shared == 0 { break }
      offset += shared
    }
    return offset
  }
}
