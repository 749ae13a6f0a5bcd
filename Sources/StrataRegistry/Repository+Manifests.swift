import NIOHTTP1
import StrataDigest
package import StrataDistribution
package import StrataModel
import StrataSystem

/// A manifest or an index as a registry gave it.
package struct RemoteManifest: Sendable {
  package var bytes: [UInt8]
  /// What the registry calls it; the bytes may say otherwise and then count.
  package var mediaType: String
  /// Of the bytes, in the algorithm that it was asked for by.
  package var digest: Digest
}

extension Repository {
  /// The largest manifest that is read: that of containers/image.
  static let manifestLimit = 4 << 20

  /// The types that are asked for: a registry that misses one in the list says that there is none.
  private static let types = [
    "application/vnd.oci.image.manifest.v1+json", "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v1+prettyjws",
  ]

  /// Reads a manifest by tag or by digest and verifies it.
  package func manifest(_ reference: Reference) async throws(RegistryError) -> RemoteManifest {
    if let digest = reference.digest { return try await manifest(digest) }
    return try await manifest(named: reference.tag ?? "latest", digest: nil)
  }

  /// Reads a manifest by digest and verifies it.
  package func manifest(_ digest: Digest) async throws(RegistryError) -> RemoteManifest {
    try await manifest(named: digest.description, digest: digest)
  }

  private func manifest(named name: String, digest: Digest?) async throws(RegistryError)
    -> RemoteManifest
  {
    let accept = Self.types.map { ("Accept", $0) }
    let answer = try await send(.GET, .path("manifests/\(name)"), headers: accept)
    guard answer.status == 200 else { throw await refusal(answer, what: "manifest \(name)") }
    let bytes = try await answer.bytes(limit: Self.manifestLimit)
    let type = (answer.headers.first(name: "Content-Type") ?? "").prefix { $0 != ";" }
    // By tag the registry's own word is only good for finding out that it is wrong.
    let told = answer.headers.first(name: "Docker-Content-Digest").flatMap { try? Digest($0) }
    let expected = digest ?? told
    var digester = Digester(expected?.algorithm ?? .sha256)
    digester.update(bytes.rawSpan)
    let found = digester.finish()
    if let expected, expected != found {
      throw RegistryError(
        .malformed, "\(description): manifest \(name) has the digest \(found), not \(expected)")
    }
    return RemoteManifest(
      bytes: bytes, mediaType: type.filter { $0 != " " }.lowercased(), digest: found)
  }

  /// Puts a manifest under a tag or, where there is none, under its digest.
  package func putManifest(_ bytes: [UInt8], mediaType: String, as reference: Reference)
    async throws(RegistryError)
  {
    let digest = Digester.digest(of: bytes)
    let name = reference.tag ?? digest.description
    let answer = try await send(
      .PUT, .path("manifests/\(name)"), headers: [("Content-Type", mediaType)],
      body: .bytes(bytes), access: .writing)
    guard (200...204).contains(answer.status) else {
      throw await refusal(answer, what: "put manifest \(name)")
    }
    _ = await answer.complaint()
    if let told = answer.headers.first(name: "Docker-Content-Digest"), let kept = try? Digest(told),
      kept.algorithm == .sha256, kept != digest
    {
      throw RegistryError(
        .malformed, "\(description): it keeps manifest \(name) as \(kept), not as \(digest)")
    }
  }
}
