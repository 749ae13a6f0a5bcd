import StrataModel
import StrataStore
import StrataSystem
import StrataTestSupport
import Testing

/// With a real mount program, one mount after the other.
@Suite(.serialized, .tags(.fuse, .root), .needsFuse, .needsRoot, .timeLimit(.minutes(3)))
struct StoreMountTests {
  private func container(_ open: OpenStore) throws -> ContainerRecord {
    _ = try open.store.putLayer(
      LayerCreation(id: id("1")), content: ArraySource(try makeTar(["f": "below"])))
    _ = try open.store.createImage(ImageCreation(id: id("a"), names: ["img"], layer: id("1")))
    return try open.store.createContainer(
      ContainerCreation(id: id("c"), names: ["ctr"], image: "img"))
  }

  @Test func mountsAreCountedForEveryProcess() throws {
    let open = try OpenStore()
    let container = try container(open)
    let point = try open.store.mount("ctr")
    #expect(point == open.fixture.graphRoot.appending(RawPath("overlay/\(container.layer)/merged")))
    #expect(
      try open.scratch.text("runroot/overlay-layers/mountpoints.json")
        == #"[{"id":"\#(container.layer)","path":"\#(point)","count":1}]"#)
    let second = try open.again()
    #expect(try second.mount(container.layer) == point)
    #expect(try open.store.mountCount("ctr") == 2)
    #expect(try open.store.unmount("ctr") == false)
    let file = try FileDescriptor.workingDirectory.open(
      point.appending("new"), [.writeOnly, .create], mode: 0o644)
    try file.close()
    #expect(try second.unmount(point.description) == true)
    #expect(try open.scratch.text("runroot/overlay-layers/mountpoints.json") == "[]")
    #expect(try open.fixture.containerMounts().isEmpty)
    #expect(
      try open.store.changes(container.layer).map(\.description) == ["A /new"])
    // What is not mounted is unmounted with success, as the peer says.
    #expect(try open.store.unmount("ctr") == true)
    #expect(failure { _ = try open.store.mount("nosuch") } == StoreError(.layerUnknown))
    #expect(failure { _ = try open.store.unmount("nosuch") } == StoreError(.layerUnknown))
  }

  /// A reboot with a persistent run root leaves a count without a mount.
  @Test func aStaleCountStartsAgain() throws {
    let open = try OpenStore()
    let container = try container(open)
    let point = open.fixture.graphRoot.appending(RawPath("overlay/\(container.layer)/merged"))
    try open.scratch.write(
      "runroot/overlay-layers/mountpoints.json",
      #"[{"id":"\#(container.layer)","path":"\#(point)","count":3}]"#)
    #expect(try open.again().mount("ctr") == point)
    #expect(try open.again().mountCount("ctr") == 1)
    #expect(try open.store.unmount("ctr") == true)
  }

  @Test func imagesAreMountedReadOnly() throws {
    let open = try OpenStore()
    _ = try container(open)
    let point = try open.store.mountImage("img")
    #expect(try FileDescriptor.workingDirectory.contents(of: point.appending("f")).count == 5)
    #expect(throws: Errno.self) {
      try FileDescriptor.workingDirectory.makeDirectory(point.appending("d"), mode: 0o755)
    }
    #expect(
      failure { _ = try open.store.mountImage("img", options: ["rw"]) }?.message
        == "\"rw\" option not supported")
    #expect(try open.store.unmountImage("img"))
  }

  @Test func aMountedContainerCanBeDeletedAndForced() throws {
    let open = try OpenStore()
    _ = try container(open)
    _ = try open.store.mount("ctr")
    _ = try open.store.mount("ctr")
    #expect(
      failure { try open.store.shutdown() }?.message
        == "a layer is mounted: layer is in use by a container")
    #expect(try open.store.unmount("ctr", force: true))
    _ = try open.store.mount("ctr")
    try open.store.deleteContainer("ctr")
    #expect(try open.fixture.containerMounts().isEmpty)
    #expect(try open.scratch.text("runroot/overlay-layers/mountpoints.json") == "[]")
  }

  /// A peer's shutdown takes the private bind mount away; the next mount makes it again.
  @Test func shutdownLeavesNothingMountedAndATokenBehind() throws {
    let open = try OpenStore()
    _ = try container(open)
    let home = open.fixture.graphRoot.appending("overlay")
    _ = try open.store.mount("ctr")
    #expect(try mounts(below: open.scratch.path).contains { $0.mountPoint == home })
    _ = try open.store.shutdown(force: true)
    #expect(try mounts(below: open.scratch.path).isEmpty)
    #expect(try open.scratch.read("root/storage.lock").count == 64)
    let point = try open.store.mount("ctr")
    #expect(try open.fixture.containerMounts().map(\.mountPoint) == [point])
    #expect(try open.store.unmount("ctr"))
    try open.store.shutdown()
  }

  @Test func aFailingMountProgramCountsNothing() throws {
    let open = try OpenStore()
    let container = try container(open)
    let program = try open.scratch.write("program", "#!/bin/sh\nexit 1\n", mode: 0o755)
    let store = try Store(
      StoreConfiguration(
        graphRoot: open.fixture.graphRoot, runRoot: open.fixture.runRoot,
        driverOptions: ["mount_program=\(program)"]))
    let error = failure { _ = try store.mount("ctr") }
    #expect(error?.message.hasSuffix("<stderr empty>: exit status 1") == true)
    #expect(try store.mountCount(container.layer) == 0)
  }
}
