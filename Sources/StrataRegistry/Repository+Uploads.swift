import NIOHTTP1
package import StrataDistribution
package import StrataModel
package import StrataSystem

extension Repository {
  /// The largest piece of a blob that goes in one request: what is lost where one is cut.
  private static let pieceSize: Int64 = 32 << 20

  /// Whether the repository has a blob.
  package func hasBlob(_ digest: Digest) async throws(RegistryError) -> Bool {
    let answer = try await send(.HEAD, .path("blobs/\(digest)"), access: .writing)
    if answer.status == 200 {
      _ = await answer.complaint()
      return true
    }
    let refusal = await refusal(answer, what: "blob \(digest)")
    guard refusal.kind == .missing else { throw refusal }
    return false
  }

  /// Lets the repository have a blob that another one of the same registry has; false where the registry
  /// does not do that, or the other one does not have it or is not ours to read.
  package func mount(_ digest: Digest, from other: String) async throws(RegistryError) -> Bool {
    let from = WebAddress.escaped(other)
    let answer = try await send(
      .POST, .path("blobs/uploads/?mount=\(digest)&from=\(from)"), access: .mounting(from: other))
    _ = await answer.complaint()
    // What it has begun instead is an upload; left alone it runs out, but to say so is kinder.
    if answer.status == 202, let session = location(answer) {
      let end = try await send(.DELETE, .address(session), access: .writing)
      _ = await end.complaint()
    }
    return answer.status == 201
  }

  /// Uploads a blob that lies in a file, from its start.
  ///
  /// A small one in one request, a larger one in pieces: a piece that is cut is sent from where the
  /// registry has it. `sent` is told of how much is there.
  package func upload(
    _ digest: Digest, _ file: SharedDescriptor, size: Int64,
    sent: @Sendable (Int64) -> Void
  ) async throws(RegistryError) {
    let what = "upload of \(digest)"
    let start = try await send(.POST, .path("blobs/uploads/"), access: .writing)
    guard start.status == 202, var session = location(start) else {
      throw await refusal(start, what: what)
    }
    _ = await start.complaint()
    var position: Int64 = 0
    if size > Self.pieceSize {
      let smallest = start.number("OCI-Chunk-Min-Length") ?? 0
      (session, position) = try await uploadPieces(
        file, size, session, max(Self.pieceSize, smallest), what, sent)
    }
    let end = try await send(
      .PUT, .address(session.adding(query: "digest", digest.description)),
      headers: [("Content-Type", "application/octet-stream")],
      body: position < size ? .file(file, position..<size) : .bytes([]), access: .writing)
    guard [201, 204].contains(end.status) else { throw await refusal(end, what: what) }
    _ = await end.complaint()
    sent(size)
  }

  private func uploadPieces(
    _ file: SharedDescriptor, _ size: Int64, _ start: WebAddress, _ pieceSize: Int64,
    _ what: String,
    _ sent: (Int64) -> Void
  ) async throws(RegistryError) -> (WebAddress, Int64) {
    var session = start
    var position: Int64 = 0
    var failures = 0
    // One attempt each: what of a piece has arrived is to be asked before the next.
    var once = RetryRule()
    once.attempts = 1
    while position < size {
      let piece = position..<min(size, position + pieceSize)
      var failure: RegistryError
      do throws(RegistryError) {
        let answer = try await send(
          .PATCH, .address(session),
          headers: [
            ("Content-Type", "application/octet-stream"),
            ("Content-Range", "\(piece.lowerBound)-\(piece.upperBound - 1)"),
          ], body: .file(file, piece), access: .writing, rule: once)
        if answer.status == 202 || answer.status == 204 {
          _ = await answer.complaint()
          session = location(answer) ?? session
          position = piece.upperBound
          failures = 0
          sent(position)
          continue
        }
        let passes = RetryRule.isPassing(status: answer.status) || answer.status == 416
        failure = await refusal(answer, what: what)
        guard passes else { throw failure }
      } catch {
        guard error.kind == .unreachable else { throw error }
        failure = error
      }
      failures += 1
      guard let wait = RetryRule().wait(before: failures, chance: chance()) else { throw failure }
      try await pause(wait)
      (session, position) = try await progress(of: session, what)
    }
    return (session, position)
  }

  /// How far an upload has come: `Range: 0-N` names the last byte that is there.
  private func progress(of session: WebAddress, _ what: String) async throws(RegistryError)
    -> (WebAddress, Int64)
  {
    let answer = try await send(.GET, .address(session), access: .writing)
    guard answer.status == 204 else { throw await refusal(answer, what: what) }
    _ = await answer.complaint()
    let range = answer.headers.first(name: "Range") ?? ""
    let last = range.split(separator: "-").last.flatMap { Int64($0) } ?? 0
    // Of nothing and of one byte some registries say the same.
    return (location(answer) ?? session, last > 0 ? last + 1 : 0)
  }

  private func location(_ answer: HTTPAnswer) -> WebAddress? {
    guard let text = answer.headers.first(name: "Location"),
      let address = answer.address.resolving(text), registry.allows(address)
    else { return nil }
    return address
  }
}
