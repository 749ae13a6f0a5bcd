import StrataDigest
import StrataModel
import StrataStore
import StrataSystem
import StrataTestSupport
import Testing

@Suite struct ImageTests {
  /// A layer, an image on it, and the image's id.
  private func made() throws -> OpenStore {
    let open = try OpenStore()
    _ = try open.store.createLayer(LayerCreation(id: id("1")))
    _ = try open.store.createLayer(LayerCreation(id: id("2"), parent: id("1")))
    return open
  }

  @Test func recordAndDataAreWritten() throws {
    let open = try made()
    let manifest = Array("{}".utf8)
    let image = try open.store.createImage(
      ImageCreation(
        id: id("a"), names: ["img"], layer: id("2"), metadata: "m",
        data: [
          BigDataItem("sha256:x", [1]), BigDataItem("manifest", manifest), BigDataItem("e", []),
        ]
      ))
    #expect(image.bigDataNames == ["sha256:x", "manifest", "e"])
    #expect(image.bigDataSizes == ["sha256:x": 1, "manifest": 2, "e": 0])
    #expect(image.digest == Digester.digest(of: manifest))
    #expect(image.bigDataDigests["e"] == Digest.ofNothing)
    #expect(image.names == ["img"] && image.namesHistory.isEmpty)
    let other = try open.again()
    #expect(try other.image("img") == image)
    #expect(try other.imageData("img", "manifest") == manifest)
    #expect(try other.images(digest: Digester.digest(of: manifest)).map(\.id) == [id("a")])
    #expect(
      failure { _ = try other.imageData("img", "nosuch") }?.message
        == "locating item named \"nosuch\" for image with ID \"\(id("a"))\" (consider removing the "
        + "image to resolve the issue): file does not exist")
  }

  @Test func whatIsTakenIsRefusedInThePeersWords() throws {
    let open = try made()
    _ = try open.store.createImage(ImageCreation(id: id("a"), names: ["x1"], layer: id("2")))
    #expect(
      failure { _ = try open.store.createImage(ImageCreation(id: id("a"))) }?.message
        == "an image with ID \"\(id("a"))\" already exists: that ID is already in use")
    #expect(
      failure { _ = try open.store.createImage(ImageCreation(names: ["x1"])) }?.message
        == "image name \"x1\" is already associated with image \"\(id("a"))\": "
        + "that name is already in use")
    #expect(
      failure { _ = try open.store.createImage(ImageCreation(layer: "nosuch")) }
        == StoreError(.layerUnknown))
    let error = failure {
      _ = try open.store.createImage(ImageCreation(id: id("b"), data: [BigDataItem("", [1])]))
    }
    #expect(
      error?.message
        == "can't set empty name for image big data item: not a valid name for a big data item")
    #expect(try open.store.images().count == 1)
    #expect(try !open.scratch.directory.exists(RawPath("root/overlay-images/\(id("b"))")))
  }

  @Test func namesMoveAndLeaveAHistory() throws {
    let open = try made()
    let store = open.store
    _ = try store.createImage(ImageCreation(id: id("a"), names: ["n"]))
    _ = try store.createImage(ImageCreation(id: id("b")))
    #expect(try store.addNames(id("b"), ["m", "n"]) == ["m", "n"])
    #expect(try store.image(id("a")).names == [])
    #expect(try store.image(id("b")).namesHistory == ["n", "m"])
    #expect(try store.addNames("m", ["new"]) == ["new", "m", "n"])
    #expect(try store.removeNames("n", ["m", "other"]) == ["new", "n"])
    #expect(try store.setNames(id("b"), ["z", "z"]) == ["z"])
    #expect(try open.again().names("z") == ["z"])
    #expect(failure { _ = try store.addNames("nosuch", ["x"]) } == StoreError(.layerUnknown))
  }

  @Test func deletingAnImageTakesItsOwnLayersAlone() throws {
    let open = try made()
    let store = open.store
    _ = try store.createLayer(LayerCreation(id: id("3"), parent: id("2")))
    _ = try store.createLayer(LayerCreation(id: id("4"), parent: id("1")))
    _ = try store.createImage(ImageCreation(id: id("a"), names: ["i"], layer: id("3")))
    _ = try store.createImage(
      ImageCreation(id: id("b"), layer: id("4"), data: [BigDataItem("k", [1])]))
    #expect(try store.deleteImage("i", commit: false) == [id("3"), id("2")])
    #expect(try store.images().count == 2)
    #expect(try store.deleteImage("i") == [id("3"), id("2")])
    #expect(try open.again().layers().map(\.id) == [id("1"), id("4")])
    #expect(try store.deleteImage(id("b")) == [id("4"), id("1")])
    #expect(try open.layerFiles() == ["root/overlay-layers/layers.json"])
    #expect(try !open.scratch.directory.exists(RawPath("root/overlay-images/\(id("b"))")))
    #expect(failure { try store.deleteImage("i") } == StoreError(.notAnImage))
  }

  @Test func layersInUseStay() throws {
    let open = try made()
    let store = open.store
    _ = try store.createImage(ImageCreation(id: id("a"), layer: id("2")))
    let container = try store.createContainer(ContainerCreation(id: id("c"), image: id("a")))
    // By name and by prefix too: keys are resolved before the checks.
    try store.setNames(id("1"), ["base"], kind: .layer)
    for key in ["base", id("1"), "111"] {
      #expect(
        failure { try store.deleteLayer(key) }?.message
          == "used by layer \(id("2")): layer has children")
    }
    #expect(
      failure { try store.deleteLayer(container.layer) }?.message
        == "layer \(container.layer) used by container \(id("c")): layer is in use by a container")
    #expect(
      failure { try store.deleteImage(id("a")) }?.message
        == "image used by \(id("c")): image is in use by a container")
    try store.deleteContainer(id("c"))
    #expect(
      failure { try store.deleteLayer(id("2")) }?.message
        == "layer \(id("2")) used by image \(id("a")): layer is in use by an image")
    #expect(failure { try store.deleteLayer("nosuch") } == StoreError(.notALayer))
    #expect(
      failure { _ = try store.createLayer(LayerCreation(parent: container.layer)) }
        == StoreError(.layerUnknown))
  }

  @Test func sizesAddUp() throws {
    let open = try OpenStore()
    let tar = try makeTar(["f": "12345"])
    let layer = try open.store.putLayer(LayerCreation(), content: ArraySource(tar))
    let top = try open.store.createLayer(LayerCreation(parent: layer.id))
    _ = try open.store.createImage(
      ImageCreation(id: id("a"), layer: top.id, data: [BigDataItem("k", [1, 2])]))
    #expect(try open.store.imageSize(id("a")) == Int64(tar.count) + 2)
  }
}

@Suite struct ContainerTests {
  @Test func nothingOfATransientContainerOutlivesTheRunRoot() throws {
    let fixture = try StoreFixture("transient")
    let store = try Store(
      StoreConfiguration(
        graphRoot: fixture.graphRoot, runRoot: fixture.runRoot,
        driverOptions: ["overlay.mount_program=\(testMountProgram)"], transient: true))
    let made = try store.createContainer(ContainerCreation(names: ["passing"]))
    #expect(made.isVolatile)
    let records = "runroot/overlay-containers/volatile-containers.json"
    #expect(try fixture.scratch.text(RawPath(records)).contains(made.id))
    #expect(
      try !fixture.scratch.directory.exists(RawPath("root/overlay-containers/containers.json"))
        || !fixture.scratch.text("root/overlay-containers/containers.json").contains(made.id))
    try FileDescriptor.workingDirectory.removeTree(fixture.runRoot)
    #expect(try OpenStore.open(fixture).containers().isEmpty)
  }

  @Test func recordLayerAndDirectories() throws {
    let open = try OpenStore()
    let store = open.store
    _ = try store.createLayer(LayerCreation(id: id("1")))
    _ = try store.createImage(ImageCreation(id: id("a"), names: ["img"], layer: id("1")))
    let made = try store.createContainer(
      ContainerCreation(
        id: id("c"), names: ["ctr"], image: "img", metadata: "{}", volatile: true,
        data: [BigDataItem("k", [7])], layerNames: ["ctr-layer"]))
    let record = try open.again().container("ctr")
    #expect(record.id == made.id && record.created == made.created && record.image == id("a"))
    #expect(record.flags.string(Flags.mountLabel) == "" && record.isVolatile)
    #expect(record.bigDataSizes == ["k": 1])
    let layer = try store.layer("ctr-layer")
    #expect(layer.id == record.layer && layer.parent == id("1") && layer.diffID == nil)
    #expect(try store.container(layer.id).id == id("c"))
    #expect(try store.identify("ctr") == (.container, id("c")))
    // In the stable file, which versions before 1.45 read too (storage-format 11, rule 3).
    #expect(try open.scratch.text("root/overlay-containers/containers.json").contains("Volatile"))
    #expect(try !open.scratch.directory.exists("root/overlay-containers/volatile-containers.json"))

    let directory = try store.containerDirectory("ctr")
    #expect(
      directory
        == open.fixture.graphRoot.appending(RawPath("overlay-containers/\(id("c"))/userdata")))
    let run = try store.containerRunDirectory("ctr")
    #expect(
      run == open.fixture.runRoot.appending(RawPath("overlay-containers/\(id("c"))/userdata")))
    try open.scratch.write(
      RawPath("root/overlay-containers/\(id("c"))/userdata/deep/file"), "12345")
    #expect(try store.containerSize("ctr") == 6)
    try store.deleteContainer("ctr")
    for path in [directory.parent, run.parent] {
      #expect(try !FileDescriptor.workingDirectory.exists(path))
    }
    #expect(try store.layers().map(\.id) == [id("1")])
    #expect(failure { try store.deleteContainer("ctr") } == StoreError(.notAContainer))
  }

  @Test func aTakenNameIsRefusedAndLeavesNoLayer() throws {
    let open = try OpenStore()
    _ = try open.store.createContainer(ContainerCreation(id: id("c"), names: ["ctr"]))
    let before = try open.layerFiles()
    #expect(
      failure { _ = try open.store.createContainer(ContainerCreation(names: ["ctr"])) }?.message
        == "the container name \"ctr\" is already in use by \(id("c")). You have to remove that "
        + "container to be able to reuse that name: that name is already in use")
    #expect(
      failure { _ = try open.store.createContainer(ContainerCreation(image: "nosuch")) }?.message
        == "locating image with ID \"nosuch\": image not known")
    #expect(try open.layerFiles() == before)
    #expect(try open.store.container("ctr").image == "")
  }

  @Test func deleteTakesWhatThereIs() throws {
    let open = try OpenStore()
    let store = open.store
    _ = try store.createLayer(LayerCreation(id: id("1"), names: ["layer"]))
    _ = try store.createImage(ImageCreation(id: id("a"), names: ["img"], layer: id("1")))
    _ = try store.createContainer(ContainerCreation(id: id("c"), names: ["ctr"], image: "img"))
    try store.delete("ctr")
    try store.delete("img")
    #expect(try store.layers().map(\.id) == [id("1")])
    try store.delete("layer")
    #expect(failure { try store.delete("layer") } == StoreError(.layerUnknown))
    #expect(try store.layers().isEmpty && store.images().isEmpty && store.containers().isEmpty)
  }

  @Test func wipingLeavesAnEmptyStore() throws {
    let open = try OpenStore()
    var parent: String?
    for _ in 0..<4 { parent = try open.store.createLayer(LayerCreation(parent: parent)).id }
    _ = try open.store.createImage(ImageCreation(names: ["img"], layer: parent))
    _ = try open.store.createContainer(ContainerCreation(image: "img"))
    try open.scratch.makeDirectory("root/overlay/stray")
    try open.store.wipe()
    for kind in ["layers", "images", "containers"] {
      #expect(try open.scratch.text(RawPath("root/overlay-\(kind)/\(kind).json")) == "[]")
    }
    #expect(try open.layerFiles() == ["root/overlay-layers/layers.json"])
  }
}

/// A second graph root that is only read.
@Suite struct AdditionalStoreTests {
  @Test func layersAndImagesOfItAreSeenAndBuiltUpon() throws {
    let other = try OpenStore("other")
    _ = try other.store.putLayer(
      LayerCreation(id: id("1"), names: ["low"]), content: ArraySource(try makeTar(["f": "x"])))
    _ = try other.store.createImage(
      ImageCreation(id: id("a"), names: ["img"], layer: id("1"), data: [BigDataItem("k", [5])]))
    let before = try other.scratch.tree()
    let open = try OpenStore("own", additional: [other.fixture.graphRoot])
    let store = open.store
    #expect(try store.layers().map(\.id) == [id("1")] && store.images().map(\.id) == [id("a")])
    #expect(try store.readOnlyIDs() == [id("1"), id("a")])
    #expect(try store.imageData("img", "k") == [5])
    let sink = ArraySink()
    try store.diff("low", to: sink)
    #expect(Digester.digest(of: sink.bytes) == (try other.store.layer("low").diffID))
    let container = try store.createContainer(ContainerCreation(image: "img"))
    #expect(try store.layer(container.layer).parent == id("1"))
    let lower = try open.scratch.text(RawPath("root/overlay/\(container.layer)/lower"))
    #expect(lower == "l/" + (try other.scratch.text(RawPath("root/overlay/\(id("1"))/link"))))
    #expect(failure { _ = try store.mount("low") }?.code == .storeIsReadOnly)
    #expect(failure { try store.deleteLayer("low") } == StoreError(.notALayer))
    #expect(try other.scratch.tree() == before)
  }
}
