package import StrataSystem

/// A graph root and a run root of one test's own, and their end: mounts in them go first, the private
/// bind mount of `G/overlay` (storage-format 6.9) with them.
package final class StoreFixture: Sendable {
  /// The folder that holds both roots and whatever else the test puts beside them.
  package let scratch: ScratchDirectory
  package let graphRoot: RawPath
  package let runRoot: RawPath

  /// Two roots that do not exist yet: a store makes them itself, with the modes it wants.
  package init(_ name: String = "store") throws(Errno) {
    scratch = try ScratchDirectory(name)
    graphRoot = scratch.path("root")
    runRoot = scratch.path("runroot")
  }

  /// The options that point a program of the `containers-storage` family here.
  package var storageArguments: [String] {
    ["--graph", graphRoot.description, "--run", runRoot.description, "--storage-driver", "overlay"]
  }

  /// The options that point podman and buildah here, with this program for mounts.
  package func podmanArguments(mountProgram: RawPath) -> [String] {
    [
      "--root", graphRoot.description, "--runroot", runRoot.description, "--storage-driver",
      "overlay", "--storage-opt", "overlay.mount_program=\(mountProgram)",
    ]
  }

  /// The mounts inside the roots, without the private bind mount of `G/overlay`.
  package func containerMounts() throws(Errno) -> [MountTableEntry] {
    let home = graphRoot.appending("overlay")
    return try mounts(below: scratch.path).filter { $0.mountPoint != home }
  }

  /// The ids that have a folder under `G/overlay`, sorted.
  package func layerDirectories() throws(Errno) -> [RawPath] {
    let home = try FileDescriptor.workingDirectory.open(
      graphRoot.appending("overlay"), [.readOnly, .directory])
    return try home.view.entries().map(\.name).filter { $0.count == 64 }.sorted()
  }

  /// Unmounts everything in the roots now; the folder itself goes with the fixture.
  package func unmountAll() {
    StrataTestSupport.unmountAll(below: scratch.path)
  }
}
