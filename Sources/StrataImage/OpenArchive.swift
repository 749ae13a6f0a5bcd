import StrataCompression
import StrataModel
import StrataSystem

/// Opens a file for reading by offset; `-` is standard input, which is copied aside.
func openFile(_ path: RawPath) throws(StoreError) -> SharedDescriptor {
  let file = try calling("open \(path)") { () throws(Errno) in
    SharedDescriptor(try FileDescriptor.workingDirectory.open(path, .readOnly))
  }
  let status = try calling("stat \(path)") { () throws(Errno) in try file.view.status() }
  switch status.type {
  case .regular: break
  case .directory:
    throw StoreError(
      .usage, "\(path) is a folder, an archive is a file: oci:\(path) reads an OCI image layout")
  default:
    throw StoreError(.usage, "\(path) is no plain file; pipe it in as - instead")
  }
  return file
}

/// What standard input is called in messages.
let standardInputName = "standard input"

/// What the place that an image is read from is called in messages.
func locationName(_ path: RawPath) -> String {
  path == "-" ? standardInputName : path.description
}

/// Copies standard input into a file without a name, since archives are read by offset.
func spoolStandardInput(_ options: ImportOptions) throws(StoreError) -> SharedDescriptor {
  let spool = try Spool(in: options.temporaryDirectory)
  let input = try calling("open standard input") { () throws(Errno) in
    try FileDescriptor.standardInput.duplicate()
  }
  let source = FileSource(input, name: RawPath(standardInputName))
  _ = try streaming(standardInputName) { () throws(StreamError) in try source.copy(to: spool) }
  return spool.contents
}

/// The members of a tar at a path, which may be compressed as a whole.
func openTar(_ path: RawPath, _ options: ImportOptions) throws(StoreError) -> TarFiles {
  let file = try path == "-" ? spoolStandardInput(options) : openFile(path)
  let plain = try decompressed(file, location: locationName(path), options)
  return try TarFiles(plain, location: locationName(path))
}

/// The file itself, or its decompressed content where it is compressed.
func decompressed(_ file: SharedDescriptor, location: String, _ options: ImportOptions)
  throws(StoreError) -> SharedDescriptor
{
  let start = try calling("read \(location)") { () throws(Errno) in
    try file.view.read(count: 16, at: 0)
  }
  if start.isEmpty {
    let what = location == standardInputName ? "empty" : "empty file"
    throw malformed("\(location): \(what): unexpected EOF")
  }
  if detectCompression(start) == .none { return file }
  let spool = try Spool(in: options.temporaryDirectory)
  let source = try wholeFile(file, location: location)
  _ = try streaming(location) { () throws(StreamError) in
    try DecompressingSource(source).copy(to: spool)
  }
  return spool.contents
}

/// A file from its start to its end.
func wholeFile(_ file: SharedDescriptor, location: String) throws(StoreError) -> RangeSource {
  let size = try calling("stat \(location)") { () throws(Errno) in try file.view.status().size }
  return RangeSource(file, 0..<size, name: location)
}
