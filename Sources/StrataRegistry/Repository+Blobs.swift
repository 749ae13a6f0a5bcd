import AsyncHTTPClient
import NIOCore
import NIOHTTP1
import StrataDistribution
package import StrataModel
import StrataSystem

/// A part of a blob that is being read.
package struct BlobPart: Sendable {
  package let digest: Digest
  /// Of the whole blob, where it is known.
  package let size: Int64?
  /// The next byte that is wanted.
  package private(set) var next: Int64
  /// Behind the last one.
  package let end: Int64

  /// The bytes of `range` of a blob.
  package init(_ digest: Digest, size: Int64?, range: Range<Int64>) {
    self.digest = digest
    self.size = size
    next = range.lowerBound
    end = range.upperBound
  }

  package var isComplete: Bool { next >= end }

  fileprivate var isWhole: Bool { next == 0 && (size == nil || end == size) }

  /// What of a piece belongs to the part and is still wanted; `skip` bytes come before it.
  fileprivate func wanted(of piece: NIOCore.ByteBuffer, skipping skip: inout Int64) -> NIOCore
    .ByteBuffer?
  {
    var rest = piece
    let dropped = min(skip, Int64(rest.readableBytes))
    skip -= dropped
    rest.moveReaderIndex(forwardBy: Int(dropped))
    let length = Int(min(Int64(rest.readableBytes), end - next))
    return length == 0 ? nil : rest.readSlice(length: length)
  }

  fileprivate mutating func advance(by count: Int) { next += Int64(count) }
}

extension Repository {
  /// Reads a part of a blob and hands it on piece by piece, in order.
  ///
  /// A body that is cut goes on by range where it ended. A registry that answers a range with everything
  /// is taken at its word: what is not wanted is passed over, and it is remembered. Nothing is verified
  /// here but where the bytes begin and end; `part.next` tells how far it came when this fails.
  package func read(_ part: inout BlobPart, take: (RawSpan) throws -> Void) async throws {
    try await receive(&part) { piece in
      try take(piece.readableBytesSpan)
      return true
    }
  }

  /// As above; the next bytes are asked for when `take` has returned, and none where it gives false.
  package func read(
    _ part: inout BlobPart, pieces take: ([UInt8]) async -> Bool
  ) async throws {
    try await receive(&part) { piece in await take(Array(piece.readableBytesView)) }
  }

  /// The bytes of a range of a blob of `size` bytes.
  package func bytes(of digest: Digest, _ range: Range<Int64>, size: Int64?) async throws -> [UInt8]
  {
    var part = BlobPart(digest, size: size, range: range)
    var result: [UInt8] = []
    result.reserveCapacity(range.count)
    try await receive(&part) { piece in
      result.append(contentsOf: piece.readableBytesView)
      return true
    }
    return result
  }

  private func receive(_ part: inout BlobPart, _ take: (NIOCore.ByteBuffer) async throws -> Bool)
    async throws
  {
    let rule = RetryRule()
    var failures = 0
    while !part.isComplete {
      let before = part.next
      let answer = try await open(part)
      var failure = RegistryError(.unreachable, "\(description): blob \(part.digest) was cut")
      do throws(RegistryError) {
        guard try await receive(answer, &part, take) else { return }
      } catch {
        guard error.kind == .unreachable else { throw error }
        failure = error
      }
      if part.isComplete { return }
      failures = part.next > before ? 1 : failures + 1
      guard let wait = rule.wait(before: failures, chance: chance()) else { throw failure }
      try await pause(wait)
    }
  }

  /// Whether the answers of the registry to ranges of this blob hold everything.
  package func ignoresRanges(of digest: Digest) -> Bool { registry.ignoresRanges(digest) }

  /// The answer that begins with the next byte of the part, or with the blob's first.
  private func open(_ part: BlobPart) async throws(RegistryError) -> HTTPAnswer {
    let what = "blob \(part.digest)"
    let headers =
      part.isWhole ? [] : [("Range", "bytes=\(part.next)-\(part.end - 1)")]
    let home = Place.path("blobs/\(part.digest)")
    var answer: HTTPAnswer
    if let place = registry.place(of: part.digest) {
      answer = try await send(.GET, .address(place), headers: headers)
      if [400, 401, 403, 404, 410].contains(answer.status) {
        // A signed address has run out.
        _ = await answer.complaint()
        registry.note(place: nil, of: part.digest)
        answer = try await send(.GET, home, headers: headers)
      }
    } else {
      answer = try await send(.GET, home, headers: headers)
    }
    guard [200, 206].contains(answer.status) else { throw await refusal(answer, what: what) }
    if answer.address.authority != registry.authority {
      registry.note(place: answer.address, of: part.digest)
    }
    if let objection = objection(to: answer, part) {
      throw RegistryError(.malformed, "\(description): \(what): it sends \(objection)")
    }
    return answer
  }

  private func objection(to answer: HTTPAnswer, _ part: BlobPart) -> String? {
    if answer.status == 206 {
      return ContentRange.objection(
        to: answer.headers.first(name: "Content-Range"), wanted: part.next..<part.end,
        size: part.size, length: answer.number("Content-Length"))
    }
    if !part.isWhole { registry.noteThatRangesAreIgnored(part.digest) }
    if let size = part.size, let length = answer.number("Content-Length"), length != size {
      return "\(length) bytes, not \(size)"
    }
    return nil
  }

  /// False where whoever takes the bytes wants no more.
  private func receive(
    _ answer: HTTPAnswer, _ part: inout BlobPart, _ take: (NIOCore.ByteBuffer) async throws -> Bool
  ) async throws(RegistryError) -> Bool {
    var skip = answer.status == 206 ? 0 : part.next
    do {
      for try await piece in answer.body {
        guard let wanted = part.wanted(of: piece, skipping: &skip) else { continue }
        let goesOn = try await take(wanted)
        part.advance(by: wanted.readableBytes)
        if !goesOn { return false }
        if part.isComplete { return true }
      }
      return true
    } catch let error as StreamError {
      // Of whoever takes the bytes.
      throw RegistryError(.refused, error.message)
    } catch {
      throw HTTPTransport.error(error, answer.address)
    }
  }
}
