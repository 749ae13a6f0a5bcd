/// Reads a source ahead on a thread of its own, into a bounded ring of reused buffers: decompressing
/// and hashing go on there while the bytes before are still being used here.
///
/// The source belongs to that thread until `stop` has returned or this object is gone. Each buffer
/// but the last is full, so a multiple of the block size of tar.
@safe
public final class ReadAheadSource: ByteSource {
  /// What the two threads share: buffers on their way out, and back.
  private struct Ring {
    var free: [ByteBuffer]
    var full: [ByteBuffer] = []
    var error: StreamError?
    var isAtEnd = false
    var isStopped = false
  }

  private let ring: Monitor<Ring>
  private var thread: JoinableThread?
  private var current: ByteBuffer?
  private var position = 0

  /// Starts reading `source`, at most `buffers` times `bufferSize` bytes ahead.
  ///
  /// EAGAIN where no thread can be had.
  package init(_ source: any ByteSource, buffers: Int = 6, bufferSize: Int = 1 << 20)
    throws(StreamError)
  {
    let free = (0..<buffers).map { _ in ByteBuffer(capacity: bufferSize) }
    let ring = Monitor(Ring(free: free))
    self.ring = ring
    // The thread alone uses the source while it runs; see the type's comment.
    let transferred = Transferred(source)
    do throws(Errno) {
      thread = try JoinableThread { Self.run(transferred.value, ring) }
    } catch {
      throw StreamError(error, "start a thread")
    }
  }

  deinit { stop() }

  /// Ends the reading thread and waits for it: from here on the source is the caller's again.
  package func stop() {
    ring.change { $0.isStopped = true }
    thread = nil
  }

  /// The next buffer, or nil at the end; the one given out before goes back to the ring.
  package func next() throws(StreamError) -> ByteBuffer? {
    if let previous = current {
      current = nil
      ring.change { $0.free.append(previous) }
    }
    let (buffer, error) = ring.wait { ring -> (ByteBuffer?, StreamError?)? in
      if !ring.full.isEmpty { return (ring.full.removeFirst(), nil) }
      if let error = ring.error { return (nil, error) }
      return ring.isAtEnd || ring.isStopped ? (nil, nil) : nil
    }
    if let error { throw error }
    try Interruption.checkStream()
    current = buffer
    return buffer
  }

  /// Copies what was read ahead to the front of the span; 0 at the end.
  public func read(into span: inout MutableRawSpan) throws(StreamError) -> Int {
    while true {
      if let current, position < current.count {
        let count = current.copyBytes(from: position, into: &span)
        position += count
        return count
      }
      position = 0
      if try next() == nil { return 0 }
    }
  }

  private static func run(_ source: any ByteSource, _ ring: Monitor<Ring>) {
    while true {
      let buffer = ring.wait { ring -> ByteBuffer?? in
        if ring.isStopped { return .some(nil) }
        return ring.free.popLast().map { .some($0) }
      }
      guard let buffer else { return }
      var failure: StreamError?
      buffer.clear()
      do throws(StreamError) {
        while buffer.count < buffer.capacity {
          let before = buffer.count
          try buffer.append { (span: inout MutableRawSpan) throws(StreamError) -> Int in
            try source.read(into: &span)
          }
          if buffer.count == before { break }
        }
      } catch {
        failure = error
      }
      let isLast = failure != nil || buffer.count < buffer.capacity
      ring.change { ring in
        if buffer.count > 0 { ring.full.append(buffer) }
        ring.error = failure
        ring.isAtEnd = isLast
      }
      if isLast { return }
    }
  }
}
