import StrataLazy
import StrataModel
import StrataSystem
import Synchronization

/// A registry that sends other bytes for ranges of a blob than for the whole, and counts what it is asked.
final class TwoFacedSource: LayerSource {
  struct Face: Sendable {
    /// What ranges are cut from, and what the whole is.
    var ranges: [UInt8]
    var whole: [UInt8]
  }

  private let images: [String: ResolvedImage]
  private let faces: Mutex<[Digest: Face]>
  private let asked = Mutex<[Range<Int64>]>([])
  /// How long each range takes, in milliseconds.
  private let delay: Int

  init(_ images: [ResolvedImage], _ faces: [Digest: Face], delay: Int = 0) {
    self.images = Dictionary(images.map { ($0.reference, $0) }) { first, _ in first }
    self.faces = Mutex(faces)
    self.delay = delay
  }

  /// The ranges that were asked for.
  var requests: [Range<Int64>] { asked.withLock { $0 } }

  func change(_ digest: Digest, _ face: Face) { faces.withLock { $0[digest] = face } }

  func resolve(
    _ reference: String, deadline: UInt64
  ) async throws(SourceError) -> ResolvedImage {
    guard let image = images[reference] else { throw SourceError(.notFound, "no \(reference)") }
    return image
  }

  func fetch(_ request: RangeRequest) async throws(SourceError) -> FetchedRange {
    asked.withLock { $0.append(request.range) }
    if delay > 0 { try? await Task.sleep(for: .milliseconds(delay)) }
    guard let bytes = faces.withLock({ $0[request.blob.digest]?.ranges }),
      request.range.upperBound <= Int64(bytes.count)
    else { throw SourceError(.notFound, "no blob") }
    return FetchedRange(
      bytes: Array(bytes[Int(request.range.lowerBound)..<Int(request.range.upperBound)]),
      mirror: "mirror.test")
  }

  func stream(
    _ blob: LayerBlob, from offset: Int64, urgency: FetchUrgency, distrusted: [String],
    _ consume: @escaping @Sendable ([UInt8]) async -> Bool
  ) async throws(SourceError) -> String {
    guard let bytes = faces.withLock({ $0[blob.digest]?.whole }) else {
      throw SourceError(.notFound, "no blob")
    }
    var rest = bytes[Int(offset)...]
    while !rest.isEmpty {
      guard await consume(Array(rest.prefix(1 << 20))) else { break }
      rest = rest.dropFirst(1 << 20)
    }
    return "mirror.test"
  }
}
