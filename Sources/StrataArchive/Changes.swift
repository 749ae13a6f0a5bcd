package import StrataModel
package import StrataSystem

/// The changed paths of an upper directory over its lowers (topmost first), sorted by path, as
/// `podman diff` lists them: a directory with changes below it is itself a change.
package func findChanges(upper: FileDescriptor, lowers: [FileDescriptor]) throws(StreamError)
  -> [Change]
{
  throw StreamError(.unsupported, "not yet")
}

/// Writes an upper directory as a layer tar in OCI's form, whiteouts in whatever form as `.wh.`
/// files; owners are mapped back to what a container sees.
package func writeChanges(
  upper: FileDescriptor, lowers: [FileDescriptor], mappings: IDMappings, to sink: any ByteSink
) throws(StreamError) {
  throw StreamError(.unsupported, "not yet")
}
