package import StrataSystem

/// Writes the tar that a tar-split file describes, byte for byte.
///
/// `tarSplit` is the `.tar-split.gz` as stored; `files` are the diff directories that bodies are
/// taken from, the layer's own first, then its lowers'. A body whose checksum is not the recorded
/// one ends it with `file integrity checksum failed for "<name>"`, kind `mismatch`.
package func assembleLayer(
  tarSplit: any ByteSource, files: [FileDescriptor], to sink: any ByteSink
) throws(StreamError) {
  throw StreamError(.unsupported, "not yet")
}
