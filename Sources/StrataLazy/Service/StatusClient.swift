package import StrataSystem

/// Asks the daemon of a state directory.
package struct StatusClient: Sendable {
  private let root: RawPath

  package init(root: RawPath) { self.root = root }

  /// What is asked for.
  package enum Question: String, Sendable {
    case status
    case metrics
  }

  /// The daemon's answer.
  ///
  /// A worker that is being replaced is waited for, for two seconds. Errors say what to do.
  package func ask(_ question: Question) throws(LazyError) -> [UInt8] {
    let answer: [UInt8]
    do throws(Errno) {
      let here = FileDescriptor.workingDirectory
      let directory = SharedDescriptor(try here.open(root, [.readOnly, .directory]))
      let connection = try connect(directory)
      try connection.view.writeAll(Array("GET /\(question.rawValue) HTTP/1.1\r\n\r\n".utf8))
      answer = try connection.view.readToEnd(limit: 1 << 30)
    } catch {
      switch error {
      case .noSuchFileOrDirectory, .connectionRefused:
        throw LazyError("no strata-lazy serves with the state directory \(root): see --root")
      default: throw LazyError("\(root.appending(DaemonService.socketName)): \(error)")
      }
    }
    let separator = Array("\r\n\r\n".utf8)
    guard let end = answer.firstRange(of: separator) else {
      throw LazyError("\(root): the daemon broke off its answer: ask again")
    }
    guard answer.starts(with: Array("HTTP/1.1 200 ".utf8)) else {
      throw LazyError("\(root): the daemon gives no \(question.rawValue): see its configuration")
    }
    return Array(answer[end.upperBound...])
  }

  private func connect(_ directory: SharedDescriptor) throws(Errno) -> SharedDescriptor {
    var attempts = 0
    while true {
      do throws(Errno) {
        return SharedDescriptor(
          try connectLocally(in: directory.view, DaemonService.socketName, timeLimit: 60))
      } catch {
        guard error == .connectionRefused, attempts < 40 else { throw error }
        attempts += 1
        pause(milliseconds: 50)
      }
    }
  }
}
