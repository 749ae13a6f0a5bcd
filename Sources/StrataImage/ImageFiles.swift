import StrataArchive
import StrataModel
import StrataSystem

/// The files of an image that lies outside a store: a folder, or the members of a tar.
protocol ImageFiles: AnyObject, Sendable {
  /// What it is called in messages: the path that the caller gave.
  var location: String { get }

  /// Opens a file by its name in the image; nil if there is none.
  func open(_ name: RawPath) throws(StoreError) -> ImageFile?
}

/// One file of an image, ready to be read once.
struct ImageFile {
  let source: any ByteSource
  let size: Int64
  let modificationTime: FileTime
}

extension ImageFiles {
  /// A small file as a whole: index, manifest, config.
  func contents(_ name: RawPath, limit: Int = 32 << 20) throws(StoreError) -> [UInt8]? {
    guard let file = try open(name) else { return nil }
    return try streaming("\(location): read \(name)") { () throws(StreamError) in
      try file.source.readToEnd(limit: limit)
    }
  }
}

/// A folder of files.
final class FolderFiles: ImageFiles {
  let location: String
  private let directory: FileDescriptorOwner

  /// Opens the folder.
  init(_ path: RawPath) throws(StoreError) {
    location = path.description
    directory = try calling("open \(path)") { () throws(Errno) in
      try FileDescriptor.workingDirectory.open(path, [.readOnly, .directory])
    }
  }

  func open(_ name: RawPath) throws(StoreError) -> ImageFile? {
    let file: SharedDescriptor
    let status: FileStatus
    do throws(Errno) {
      // Links are followed: several layouts may share one folder of blobs.
      file = SharedDescriptor(try directory.view.open(name, [.readOnly, .nonBlocking]))
      status = try file.view.status()
    } catch {
      if error == .noSuchFileOrDirectory { return nil }
      throw systemError(error, "open \(location)/\(name)")
    }
    guard status.type == .regular else {
      throw malformed("\(location)/\(name) is no plain file")
    }
    return ImageFile(
      source: RangeSource(file, 0..<status.size, name: "\(location)/\(name)"),
      size: status.size, modificationTime: status.modificationTime)
  }
}
