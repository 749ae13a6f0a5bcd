import StrataFUSE
import StrataSystem

/// Tells the state and the metrics of the daemon to programs of its user, on a socket in the state
/// directory.
///
/// HTTP, so that no program of ours is needed to ask: `GET /status` gives JSON, `GET /metrics` the text
/// form of Prometheus; a connection is one question. One thread of its own answers, one at a time: nothing
/// that serves files waits for it, and a client that says nothing is given up after two seconds.
struct DaemonService: Sendable {
  static let socketName: RawPath = "status.sock"

  let store: LazyStore
  let session: Session
  let journal: RequestJournal
  let mountPoint: RawPath
  let givesMetrics: Bool

  private static let timeLimit: Int32 = 2
  private static let requestLimit = 8192

  /// Begins to listen; errors of the socket, and EAGAIN if no thread is to be had.
  func start() throws(Errno) {
    let listener = try LocalListener(in: store.directory, Self.socketName)
    try startDetachedThread { serve(listener) }
  }

  private func serve(_ listener: LocalListener) {
    while true {
      do throws(Errno) {
        let (connection, uid) = try listener.next(timeLimit: Self.timeLimit)
        guard uid == effectiveUserID || uid == 0 else { continue }
        try answer(connection)
      } catch {
        // Whoever asked is gone, or descriptors are short for now.
        pause(milliseconds: 10)
      }
    }
  }

  private func answer(_ connection: SharedDescriptor) throws(Errno) {
    var request: [UInt8] = []
    // Up to the empty line; what a client sends behind it is its own affair.
    while !request.hasEmptyLine {
      let piece = try connection.view.bytes(atMost: Self.requestLimit)
      if piece.isEmpty { return }
      request += piece
      guard request.count <= Self.requestLimit else { return }
    }
    let line = request.prefix { $0 != UInt8(ascii: "\r") && $0 != UInt8(ascii: "\n") }
    let words = String(decoding: line, as: UTF8.self).split(separator: " ")
    switch words.prefix(2) {
    case ["GET", "/status"]: try send(connection, "200 OK", "application/json", status())
    case ["GET", "/metrics"] where givesMetrics:
      try send(connection, "200 OK", "text/plain; version=0.0.4; charset=utf-8", metrics())
    default:
      try send(
        connection, "404 Not Found", "text/plain", Array("/status and /metrics, by GET\n".utf8))
    }
  }

  private func send(
    _ connection: SharedDescriptor, _ status: String, _ type: String, _ body: [UInt8]
  ) throws(Errno) {
    let head =
      "HTTP/1.1 \(status)\r\nContent-Type: \(type)\r\nContent-Length: \(body.count)\r\n"
      + "Connection: close\r\n\r\n"
    try connection.view.writeAll(Array(head.utf8) + body)
  }
}

extension [UInt8] {
  fileprivate var hasEmptyLine: Bool {
    let text = String(decoding: self, as: UTF8.self)
    return text.contains("\r\n\r\n") || text.contains("\n\n")
  }
}
