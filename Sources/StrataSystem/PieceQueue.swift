/// A bounded queue of byte pieces from an async producer to a thread that reads them as a stream.
///
/// The producer awaits room; the consumer blocks. One of each.
package final class PieceQueue: ByteSource, @unchecked Sendable {
  private struct State {
    var pieces: [[UInt8]] = []
    var isFinished = false
    /// Why the stream broke off.
    var failure: StreamError?
    /// The consumer wants no more.
    var isClosed = false
    var producer: CheckedContinuation<Bool, Never>?
  }

  private let state = Monitor(State())
  private let limit: Int
  // Used by the consumer alone, which is one thread.
  private var current: [UInt8] = []
  private var position = 0

  /// Holds at most `limit` pieces.
  package init(limit: Int) { self.limit = limit }

  /// Waits for room and adds a piece; false if the consumer wants no more.
  package func put(_ piece: [UInt8]) async -> Bool {
    if piece.isEmpty { return true }
    return await withCheckedContinuation { continuation in
      let answer = state.change { state -> Bool? in
        if state.isClosed { return false }
        state.pieces.append(piece)
        if state.pieces.count < limit { return true }
        state.producer = continuation
        return nil
      }
      if let answer { continuation.resume(returning: answer) }
    }
  }

  /// No more pieces come; with `failure`, because the stream broke off.
  package func finish(_ failure: StreamError? = nil) {
    state.change {
      $0.isFinished = true
      $0.failure = failure
    }
  }

  /// No more pieces are wanted: the producer is let go.
  package func close() {
    let producer = state.change { state in
      state.isClosed = true
      state.pieces = []
      defer { state.producer = nil }
      return state.producer
    }
    producer?.resume(returning: false)
  }

  /// The next bytes; see `ByteSource`.
  public func read(into span: inout MutableRawSpan) throws(StreamError) -> Int {
    if position == current.count, try !next() { return 0 }
    let count = min(span.byteCount, current.count - position)
    let from = position
    unsafe span.withUnsafeMutableBytes { target in
      unsafe current.withUnsafeBytes { source in
        unsafe target.copyMemory(
          from: UnsafeRawBufferPointer(rebasing: source[from..<(from + count)]))
      }
    }
    position += count
    return count
  }

  private func next() throws(StreamError) -> Bool {
    let (piece, producer, failure) = state.wait {
      state -> ([UInt8]?, CheckedContinuation<Bool, Never>?, StreamError?)? in
      if state.pieces.isEmpty {
        return state.isFinished || state.isClosed ? (nil, nil, state.failure) : nil
      }
      let piece = state.pieces.removeFirst()
      defer { state.producer = nil }
      return (piece, state.producer, nil)
    }
    producer?.resume(returning: true)
    if let failure { throw failure }
    guard let piece else { return false }
    current = piece
    position = 0
    return true
  }
}
