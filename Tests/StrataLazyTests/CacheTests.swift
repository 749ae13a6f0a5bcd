import StrataDigest
import StrataLazy
import StrataModel
import StrataSystem
import StrataTestSupport
import Synchronization
import Testing

/// The cache behind a mounted store: bounds, restarts, damage, claims that are false, and how often the
/// source is asked.
///
/// One test at a time, for the reason that `StoreTests` gives.
@Suite(
  .serialized, .needsFuse, .needsRoot, .needsTool("python3"), .tags(.fuse), .timeLimit(.minutes(1)))
struct CacheTests {
  static let reference = "registry.test/cached/image:one"
  private let here = FileDescriptor.workingDirectory
  private let scratch: ScratchDirectory
  private let contents = (0..<8).map { _ in randomBytes(300_000) }
  private let layer: EStargzLayer
  private let blob: [UInt8]
  private let image: ResolvedImage

  init() throws {
    scratch = try ScratchDirectory("cached")
    for (number, bytes) in contents.enumerated() {
      try scratch.write(RawPath("tree/f\(number)"), bytes)
    }
    let layout = try LayoutLab(scratch)
    layer = try EStargzLayer(layout, "tree")
    blob = try scratch.read("layer.blob")
    image = Self.image([(layer.descriptor, layer.diffID)])
  }

  static func image(
    _ layers: [(LayerDescriptor, Digest)], _ name: String = Self.reference
  ) -> ResolvedImage {
    ResolvedImage(
      reference: name, manifestDigest: .ofNothing, manifest: [], config: [],
      layers: layers.map(\.0), diffIDs: layers.map(\.1), mirror: "mirror.test")
  }

  private func source(_ delay: Int = 0) -> TwoFacedSource {
    TwoFacedSource(
      [image], [layer.descriptor.digest: .init(ranges: blob, whole: blob)], delay: delay)
  }

  private var options: LazyOptions {
    var options = LazyOptions()
    options.backgroundFetch = false
    return options
  }

  /// By the TOC's digest nothing is completed.
  private func path(_ mount: StoreMount, _ name: String) -> RawPath {
    mount.path(Self.reference, layer.tocDigest, "diff/\(name)")
  }

  private func cachedBytes() throws -> Int {
    let result = try runProgram("du", ["-sB1", scratch.path("state/files").description])
    return result.output.split(separator: "\t").first.flatMap { Int($0) } ?? 0
  }

  private func errno(_ body: () throws(Errno) -> Void) -> Errno? {
    do throws(Errno) { try body() } catch { return error }
    return nil
  }

  private func waitFor(_ condition: () throws -> Bool) rethrows -> Bool {
    for _ in 0..<600 {
      if try condition() { return true }
      pause(milliseconds: 10)
    }
    return false
  }

  @Test("what is too much goes, what is open stays, and what went is fetched again")
  func bounds() throws {
    var options = options
    options.cacheSize = 1_000_000
    do {
      let mount = try StoreMount(scratch, source(), options: options)
      let open = try here.open(path(mount, "f0"), .readOnly)
      #expect(try open.view.readToEnd() == contents[0])
      for number in 1..<8 {
        #expect(try here.contents(of: path(mount, "f\(number)")) == contents[number])
      }
      #expect(
        try waitFor { try mount.store.cacheCounts.evictedFiles > 0 && cachedBytes() < 1_100_000 })
      let hex = Digester.digest(of: contents[0]).hex
      #expect(try here.exists(scratch.path(RawPath("state/files/\(hex.prefix(2))/\(hex)"))))
      mount.store.close()
    }
    let mount = try StoreMount(scratch, source(), options: options)
    for number in 0..<8 {
      #expect(try here.contents(of: path(mount, "f\(number)")) == contents[number])
    }
  }

  @Test("content of layers that nobody keeps goes when it is old")
  func age() throws {
    var options = options
    do {
      let mount = try StoreMount(scratch, source(), options: options)
      _ = try here.contents(of: path(mount, "f1"))
      mount.store.close()
    }
    options.cacheAge = -1
    let store = try LazyStore(
      state: scratch.path("state"), source: source(), generation: 2, options: options,
      log: StoreLog(level: .error))
    // With its neighbours, which came in the same request.
    #expect(waitFor { store.cacheCounts.evictedFiles > 0 })
    store.close()
  }

  @Test("readers of one cold file make one request")
  func singleFlight() throws {
    let source = source(300)
    let mount = try StoreMount(scratch, source, options: options)
    let file = path(mount, "f3")
    _ = try here.status(of: file)
    let before = source.requests.count
    let right = Atomic<Int>(0)
    let content = contents[3]
    let done = WaitingRoom(0)
    for _ in 0..<20 {
      try startDetachedThread {
        if let bytes = try? FileDescriptor.workingDirectory.contents(of: file), bytes == content {
          right.add(1, ordering: .relaxed)
        }
        done.change { $0 += 1 }
      }
    }
    _ = done.wait { $0 == 20 ? $0 : nil }
    #expect(right.load(ordering: .relaxed) == 20)
    #expect(source.requests.count == before + 1)
  }

  @Test("what was served once is there without the registry")
  func offline() throws {
    do {
      let mount = try StoreMount(scratch, source(), options: options)
      #expect(try here.contents(of: path(mount, "f2")) == contents[2])
      mount.store.close()
    }
    let mount = try StoreMount(scratch, TwoFacedSource([], [:]), options: options)
    #expect(try here.contents(of: path(mount, "f2")) == contents[2])
    // What was not fetched with it is shown, and not to be read.
    let errors = (0..<8).map { number in
      errno { () throws(Errno) in _ = try here.contents(of: path(mount, "f\(number)")) }
    }
    #expect(errors.contains(.inputOutputError) && errors.contains(nil))
    #expect(try here.status(of: path(mount, "f7")).size == 300_000)
  }

  @Test("a damaged slot keeps its number, and a damaged table takes new ones")
  func slots() throws {
    func inode(_ reference: String) throws -> UInt64 {
      let mount = try StoreMount(scratch, source(), options: options)
      return try here.status(of: mount.path(reference, layer.tocDigest).parent).inode
    }
    let numbers = try ["a.test/a:1", "b.test/b:1"].map(inode)
    #expect(try inode("a.test/a:1") == numbers[0])
    var bytes = try scratch.read("state/slots")
    bytes[512 + 20] ^= 1
    try scratch.write("state/slots", bytes)
    #expect(try inode("b.test/b:1") == numbers[1])
    let renewed = try inode("a.test/a:1")
    #expect(!numbers.contains(renewed))
    for damage in [[UInt8](), Array(bytes[..<100]), [bytes[0] ^ 1] + bytes[1...]] {
      try scratch.write("state/slots", damage)
      #expect(try inode("a.test/a:1") >> 32 >= 1)
    }
  }

  @Test("an index that is cut or has a flipped byte is made anew")
  func index() throws {
    let file = RawPath("state/layers/\(layer.tocDigest.hex)/index")
    func read() throws -> [UInt8] {
      let mount = try StoreMount(scratch, source(), options: options)
      defer { mount.store.close() }
      return try here.contents(of: path(mount, "f5"))
    }
    #expect(try read() == contents[5])
    let bytes = try scratch.read(file)
    var damaged = [[], Array(bytes[..<5000]), Array(bytes[..<(bytes.count - 1)])]
    for place in [3, 600, 4500, bytes.count - 5] {
      var flipped = bytes
      flipped[place] ^= 0x10
      damaged.append(flipped)
    }
    for damage in damaged {
      try here.unlink(scratch.path(file))
      try scratch.write(file, damage, mode: 0o600)
      #expect(try read() == contents[5])
      #expect(try scratch.read(file) == bytes)
    }
  }

  @Test("that a chunk is in the cache does not bind a blob to a TOC")
  func falseClaim() throws {
    // A well-known blob, and a layer of somebody's own with a file of the same name.
    try scratch.write("good/sh", randomBytes(5000))
    try scratch.write("evil/sh", [UInt8](repeating: 7, count: 5000))
    let layout = try LayoutLab(scratch)
    let good = try EStargzLayer(layout, "good")
    let goodBlob = try scratch.read("layer.blob")
    let evil = try EStargzLayer(layout, "evil")
    let evilBlob = try Self.lengthened(try scratch.read("layer.blob"), to: goodBlob.count)
    var claim = good.descriptor
    claim.annotations["containerd.io/snapshot/stargz/toc.digest"] = evil.tocDigest.description
    // Ranges come from the one, the whole from the other: its digest and diff ID are right.
    let image = Self.image([(claim, good.diffID)])
    let source = TwoFacedSource(
      [image], [good.descriptor.digest: .init(ranges: evilBlob, whole: evilBlob)])
    do {
      let mount = try StoreMount(scratch, source, options: options)
      let file = mount.path(Self.reference, evil.tocDigest, "diff/sh")
      #expect(try here.contents(of: file) == [UInt8](repeating: 7, count: 5000))
      mount.store.close()
    }
    source.change(good.descriptor.digest, .init(ranges: evilBlob, whole: goodBlob))
    let mount = try StoreMount(scratch, source, options: options)
    let root = mount.path(Self.reference, good.descriptor.digest, "diff")
    _ = try? here.status(of: root)
    var error: Errno?
    for number in 0..<500 where error == nil {
      pause(milliseconds: 10)
      do throws(Errno) {
        _ = try here.status(of: root.appending(RawPath("name\(number)")))
      } catch let found { if found == .inputOutputError { error = found } }
    }
    #expect(error == .inputOutputError)
    #expect(
      try !here.exists(scratch.path(RawPath("state/layers/\(evil.tocDigest.hex)/binding"))))
  }

  /// An eStargz blob with bytes before its TOC that nobody reads.
  static func lengthened(_ blob: [UInt8], to size: Int) throws -> [UInt8] {
    let footer = 51
    let digits = blob.count - footer + 16
    let text = String(decoding: blob[digits..<(digits + 16)], as: UTF8.self)
    let toc = try #require(Int(text, radix: 16))
    let more = size - blob.count
    try #require(more >= 0)
    let hex = String(toc + more, radix: 16)
    let place = Array((String(repeating: "0", count: 16 - hex.count) + hex).utf8)
    var result = Array(blob[..<toc]) + [UInt8](repeating: 0, count: more) + Array(blob[toc...])
    result.replaceSubrange((size - footer + 16)..<(size - footer + 32), with: place)
    return result
  }
}
