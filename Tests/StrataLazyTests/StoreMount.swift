import StrataFUSE
import StrataLazy
import StrataModel
import StrataSystem
import StrataTestSupport

/// A store mounted in a scratch folder, served by this process.
final class StoreMount: Sendable {
  let scratch: ScratchDirectory
  let mount: Mount
  let store: LazyStore

  init(
    _ scratch: ScratchDirectory, _ source: any LayerSource, options: LazyOptions = LazyOptions()
  ) throws {
    self.scratch = scratch
    var settings = MountOptions()
    settings.mountPoint = try scratch.makeDirectory("mnt")
    settings.source = "strata-lazy"
    settings.subtype = "strata-lazy"
    settings.devices = false
    mount = try Mount(settings)
    store = try LazyStore(
      state: scratch.path("state"), source: source, generation: 1, options: options,
      log: StoreLog(level: .error))
    let session = try Session(StoreFileSystem(store), device: mount.device)
    try startDetachedThread { try? session.serve() }
  }

  deinit { mount.unmount() }

  func path(_ reference: String, _ key: Digest, _ rest: String = "") -> RawPath {
    var name: [UInt8] = []
    name.appendBase64(of: Array(reference.utf8).rawSpan)
    let below = RawPath(name).appending(RawPath(key.description))
    return mount.path.appending(rest.isEmpty ? below : below.appending(RawPath(rest)))
  }
}

/// A layer in eStargz form of a tree that a test made.
struct EStargzLayer {
  let descriptor: LayerDescriptor
  let tocDigest: Digest
  let diffID: Digest

  /// Packs the folder `tree` of the layout's scratch folder.
  init(_ layout: LayoutLab, _ tree: RawPath, chunkSize: Int = 4 << 20) throws {
    let tar = layout.scratch.path("layer.tar").description
    let blob = layout.scratch.path("layer.blob").description
    let packed = try runProgram(
      "tar",
      [
        "--xattrs", "--xattrs-include=user.*", "-C", layout.scratch.path(tree).description, "-cf",
        tar, ".",
      ])
    guard packed.status == 0 else { throw StreamError(.malformed, packed.errors) }
    let writer = packageFolder().appending("Tests/EndToEnd/lib/make-estargz.py").description
    let made = try runProgram("python3", [writer, tar, blob, String(chunkSize)])
    let words = made.output.split { $0 == " " || $0 == "\n" }
    guard made.status == 0, words.count == 4 else { throw StreamError(.malformed, made.errors) }
    tocDigest = try Digest(words[2])
    diffID = try Digest(words[3])
    var descriptor = try layout.add(
      try layout.scratch.read("layer.blob"),
      mediaType: "application/vnd.oci.image.layer.v1.tar+gzip")
    descriptor.annotations["containerd.io/snapshot/stargz/toc.digest"] = tocDigest.description
    self.descriptor = descriptor
  }
}
