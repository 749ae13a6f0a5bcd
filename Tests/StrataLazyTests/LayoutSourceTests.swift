import StrataDigest
import StrataLazy
import StrataModel
import StrataSystem
import StrataTestSupport
import Synchronization
import Testing

/// The source over an OCI layout: it resolves names and gives out bytes.
@Suite struct LayoutSourceTests {
  private static let name = "registry.test/some/image:one"
  private let layout: LayoutLab
  private let source: LayoutSource
  private let layer: LayerDescriptor
  private let manifest: Digest
  private let bytes = (0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) }

  init() throws {
    var layout = try LayoutLab(try ScratchDirectory("layout"))
    layer = try layout.add(bytes, mediaType: "application/vnd.oci.image.layer.v1.tar")
    manifest = try layout.addImage(
      named: Self.name, layers: [layer], diffIDs: [Digester.digest(of: bytes)])
    self.layout = layout
    source = try LayoutSource(layout.path)
  }

  @Test(arguments: [name, "elsewhere.test/other:one"])
  func resolvesByNameAndRefusesOthers(_ reference: String) async throws {
    guard reference == Self.name else {
      await #expect { try await source.resolve(reference, deadline: .max) } throws: {
        ($0 as? SourceError)?.kind == .notFound
      }
      return
    }
    let image = try await source.resolve(reference, deadline: .max)
    #expect(image.manifestDigest == manifest)
    #expect(image.layers == [layer])
    #expect(image.diffIDs == [Digester.digest(of: bytes)])
  }

  @Test func resolvesByDigest() async throws {
    let image = try await source.resolve("registry.test/any@\(manifest)", deadline: .max)
    #expect(image.layers == [layer])
  }

  @Test func refusesWhatIsNoName() async {
    await #expect { try await source.resolve("No Name", deadline: .max) } throws: {
      ($0 as? SourceError)?.kind == .badReference
    }
  }

  @Test func refusesDocumentsWithAnotherDigest() async throws {
    try layout.scratch.write(RawPath("layout/blobs/sha256/\(manifest.hex)"), "{}")
    await #expect { try await source.resolve(Self.name, deadline: .max) } throws: {
      ($0 as? SourceError)?.kind == .malformed
    }
  }

  @Test func givesRangesAndStreams() async throws {
    let blob = LayerBlob(reference: Self.name, digest: layer.digest, size: layer.size)
    let range = try await source.fetch(
      RangeRequest(blob, 1000..<70_000, urgency: .reader, deadline: .max))
    #expect(range.bytes == Array(bytes[1000..<70_000]))
    let collected = Mutex<[UInt8]>([])
    _ = try await source.stream(blob, from: 5, urgency: .background, distrusted: []) { piece in
      collected.withLock { $0 += piece }
      return true
    }
    #expect(collected.withLock { $0 } == Array(bytes[5...]))
  }

  @Test func refusesBlobsOfAnotherSizeAndMissingOnes() async {
    let wrong = LayerBlob(reference: Self.name, digest: layer.digest, size: layer.size + 1)
    await #expect {
      try await source.fetch(RangeRequest(wrong, 0..<10, urgency: .reader, deadline: .max))
    } throws: { ($0 as? SourceError)?.kind == .wrongRange }
    let missing = LayerBlob(reference: Self.name, digest: Digest.ofNothing, size: 10)
    await #expect {
      try await source.fetch(RangeRequest(missing, 0..<10, urgency: .reader, deadline: .max))
    } throws: { ($0 as? SourceError)?.kind == .notFound }
  }
}
