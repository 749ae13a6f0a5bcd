import StrataDigest
import StrataJSON
import StrataModel
package import StrataSystem

/// Layers from a folder in the OCI image layout: for hosts without a network.
///
/// An image is found by its whole name in `io.containerd.image.name` or
/// `org.opencontainers.image.ref.name`, or by its tag where the latter holds the tag alone, or by
/// its manifest's digest; the registry and path of the reference do not matter then. Reads local
/// files on the caller's thread. Source: OCI image-spec, image-layout.md and annotations.md.
package final class LayoutSource: LayerSource {
  private let folder: SharedDescriptor
  private let path: RawPath
  private var mirror: String { "oci:\(path)" }
  /// The most bytes of an index, a manifest or a config.
  private static let documentLimit = 4 << 20

  /// Opens the folder; it is read anew with each question, so images may come and go.
  package init(_ path: RawPath) throws(SourceError) {
    do throws(Errno) {
      folder = SharedDescriptor(
        try FileDescriptor.workingDirectory.open(path, [.path, .directory]))
    } catch {
      throw SourceError(.system(error), "open the OCI layout \(path): \(error)")
    }
    self.path = path
  }

  package func resolve(
    _ reference: String, deadline: UInt64
  ) async throws(SourceError) -> ResolvedImage {
    let index = try parse(try contents("index.json", "index.json"), "index.json")
    var descriptor = try choose(index, reference)
    // An index may lead to indexes; nobody nests them deeper.
    for _ in 0..<8 {
      let bytes = try document(descriptor)
      let json = try parse(bytes, descriptor.digest.description)
      if json["manifests"] == nil {
        return try image(reference, descriptor.digest, bytes, json)
      }
      descriptor = try forThisPlatform(json, descriptor.digest)
    }
    throw SourceError(.malformed, "\(path): the indexes of \(reference) are nested too deep")
  }

  package func fetch(_ request: RangeRequest) async throws(SourceError) -> FetchedRange {
    let file = try open(request.blob)
    let range = request.range
    do throws(Errno) {
      let bytes = try file.view.bytes(
        Int(range.upperBound - range.lowerBound), at: range.lowerBound)
      guard bytes.count == Int(range.upperBound - range.lowerBound) else {
        throw Errno.inputOutputError
      }
      return FetchedRange(bytes: bytes, mirror: mirror)
    } catch {
      throw SourceError(
        .wrongRange, "\(path): bytes \(range) of the blob \(request.blob.digest): \(error)")
    }
  }

  package func stream(
    _ blob: LayerBlob, from offset: Int64, urgency: FetchUrgency, distrusted: [String],
    _ consume: @escaping @Sendable ([UInt8]) async -> Bool
  ) async throws(SourceError) -> String {
    let file = try open(blob)
    var position = offset
    while position < blob.size {
      let piece: [UInt8]
      do throws(Errno) {
        piece = try file.view.bytes(Int(min(1 << 20, blob.size - position)), at: position)
        if piece.isEmpty { throw Errno.inputOutputError }
      } catch {
        throw SourceError(.system(error), "\(path): read the blob \(blob.digest): \(error)")
      }
      position += Int64(piece.count)
      guard await consume(piece) else { break }
    }
    return mirror
  }
}

// MARK: - Images

extension LayoutSource {
  /// The entry of index.json that a reference means.
  private func choose(
    _ index: JSONValue, _ reference: String
  ) throws(SourceError) -> LayerDescriptor {
    let entries = try descriptors(index["manifests"], "index.json")
    let name: Reference
    do throws(Reference.InvalidReference) {
      name = try Reference(normalizing: reference)
    } catch {
      throw SourceError(.badReference, "\(error)")
    }
    if let digest = name.digest {
      if let found = entries.first(where: { $0.digest == digest }) { return found }
    } else {
      let keys = ["io.containerd.image.name", "org.opencontainers.image.ref.name"]
      for key in keys {
        if let found = entries.first(where: { $0.annotations[key] == reference }) { return found }
      }
      if let tag = name.tag, let found = entries.first(where: { $0.annotations[keys[1]] == tag }) {
        return found
      }
    }
    throw SourceError(.notFound, "\(path): no image \(reference)")
  }

  private func forThisPlatform(
    _ index: JSONValue, _ digest: Digest
  ) throws(SourceError) -> LayerDescriptor {
    let what = "index \(digest)"
    let list = index["manifests"]?.array ?? []
    let matching = list.first { entry in
      guard let platform = entry["platform"] else { return false }
      return platform["os"]?.string == "linux"
        && platform["architecture"]?.string == Self.architecture
    }
    guard let entry = matching ?? list.first(where: { $0["platform"] == nil }) else {
      throw SourceError(.notFound, "\(path): \(what) has no image for linux/\(Self.architecture)")
    }
    return try descriptor(entry, what)
  }

  /// The architecture of this build in the words of image manifests (Go's GOARCH).
  private static var architecture: String {
    #if arch(x86_64)
      "amd64"
    #elseif arch(arm64)
      "arm64"
    #else
      "unknown"
    #endif
  }

  private func image(
    _ reference: String, _ digest: Digest, _ bytes: [UInt8], _ json: JSONValue
  ) throws(SourceError) -> ResolvedImage {
    let what = "manifest \(digest)"
    guard let member = json["config"] else {
      throw SourceError(.malformed, "\(path): \(what) has no config")
    }
    let layers = try descriptors(json["layers"], what)
    let config = try document(try descriptor(member, what))
    let texts = try parse(config, "config of \(what)")["rootfs"]?["diff_ids"]?.strings ?? []
    let diffIDs = texts.compactMap { try? Digest($0) }
    guard diffIDs.count == texts.count, diffIDs.count == layers.count else {
      throw SourceError(
        .malformed, "\(path): \(what) has \(layers.count) layers and \(diffIDs.count) diff IDs")
    }
    return ResolvedImage(
      reference: reference, manifestDigest: digest, manifest: bytes, config: config,
      layers: layers, diffIDs: diffIDs, mirror: mirror)
  }

  private func descriptors(
    _ list: JSONValue?, _ what: String
  ) throws(SourceError) -> [LayerDescriptor] {
    guard let array = list?.array else {
      throw SourceError(.malformed, "\(path): \(what) lists nothing")
    }
    var result: [LayerDescriptor] = []
    for entry in array { result.append(try descriptor(entry, what)) }
    return result
  }

  private func descriptor(
    _ json: JSONValue, _ what: String
  ) throws(SourceError) -> LayerDescriptor {
    guard let text = json["digest"]?.string, let digest = try? Digest(text),
      let size = json["size"]?.int64, size >= 0
    else {
      throw SourceError(.malformed, "\(path): \(what) has a descriptor without digest or size")
    }
    var annotations: [String: String] = [:]
    for member in json["annotations"]?.members ?? [] {
      annotations[member.name] = member.value.string
    }
    return LayerDescriptor(
      digest: digest, size: size, mediaType: json["mediaType"]?.string ?? "",
      annotations: annotations)
  }
}

// MARK: - Files

extension LayoutSource {
  /// A manifest, an index or a config, verified.
  private func document(_ descriptor: LayerDescriptor) throws(SourceError) -> [UInt8] {
    let digest = descriptor.digest
    let bytes = try contents(blobPath(digest), digest.description)
    var digester = Digester(digest.algorithm)
    digester.update(bytes.rawSpan)
    guard digester.finish() == digest else {
      throw SourceError(.malformed, "\(path): the blob \(digest) has another digest")
    }
    return bytes
  }

  private func parse(_ bytes: [UInt8], _ what: String) throws(SourceError) -> JSONValue {
    do throws(JSONError) {
      return try JSONValue(parsing: bytes)
    } catch {
      throw SourceError(.malformed, "\(path): \(what) is no JSON: \(error)")
    }
  }

  private func contents(_ name: RawPath, _ what: String) throws(SourceError) -> [UInt8] {
    do throws(Errno) {
      return try folder.view.contents(of: name, limit: Self.documentLimit)
    } catch {
      throw SourceError(
        error == .noSuchFileOrDirectory ? .notFound : .system(error), "\(path): \(what): \(error)")
    }
  }

  private func open(_ blob: LayerBlob) throws(SourceError) -> SharedDescriptor {
    let file: SharedDescriptor
    let size: Int64
    do throws(Errno) {
      file = SharedDescriptor(try folder.view.open(blobPath(blob.digest), .readOnly))
      size = try file.view.status().size
    } catch {
      throw SourceError(
        error == .noSuchFileOrDirectory ? .notFound : .system(error),
        "\(path): the blob \(blob.digest): \(error)")
    }
    guard size == blob.size else {
      throw SourceError(
        .wrongRange, "\(path): the blob \(blob.digest) has \(size) bytes, not \(blob.size)")
    }
    return file
  }

  private func blobPath(_ digest: Digest) -> RawPath {
    RawPath("blobs/\(digest.algorithm.rawValue)/\(digest.hex)")
  }
}
