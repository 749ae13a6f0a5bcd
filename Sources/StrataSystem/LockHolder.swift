/// A process that holds a record lock.
package struct LockHolder: Sendable, CustomStringConvertible {
  package var process: Int
  /// Its short name, of at most 15 bytes.
  package var name: String

  /// As in `podman (process 1234)`.
  package var description: String { "\(name) (process \(process))" }
}

extension FileDescriptor {
  /// A process that holds a lock on this file, as far as procfs tells this user.
  ///
  /// The kernel lists the holders of process-owned locks in /proc/locks; locks of open files have no
  /// holder there, and are found with the descriptors that carry them.
  package func lockHolder() -> LockHolder? {
    guard let status = try? status() else { return nil }
    let file =
      hex(status.device.major) + ":" + hex(status.device.minor) + ":" + String(status.inode)
    if let text = try? procText("/proc/locks"),
      let process = processes(in: text, holding: file).first(where: { $0 > 0 })
    {
      return holder(process)
    }
    let own = (try? FileDescriptor.workingDirectory.readLink("/proc/self"))?.description
    // An owner that is reached through an optional chain would be closed before its use.
    guard
      let proc = try? FileDescriptor.workingDirectory.open("/proc", [.readOnly, .directory]),
      let names = try? proc.view.entries().map(\.name.description)
    else { return nil }
    for name in names where name != own {
      if let process = Int(name), carriesLock(process, on: file) { return holder(process) }
    }
    return nil
  }

  private func carriesLock(_ process: Int, on file: String) -> Bool {
    let path = RawPath("/proc/\(process)/fdinfo")
    guard let directory = try? FileDescriptor.workingDirectory.open(path, [.readOnly, .directory]),
      let entries = try? directory.view.entries()
    else { return false }
    return entries.contains { entry in
      guard let bytes = try? directory.view.contents(of: entry.name, limit: 1 << 16) else {
        return false
      }
      return !processes(in: String(decoding: bytes, as: UTF8.self), holding: file).isEmpty
    }
  }

  /// The numbers in the lines about one file, as `1: POSIX ADVISORY WRITE 1234 fe:00:5678 0 EOF`; a
  /// line with an arrow is of one who waits.
  private func processes(in text: String, holding file: String) -> [Int] {
    text.split(separator: "\n").compactMap { line in
      let words = line.split { $0 == " " || $0 == "\t" }
      guard let place = words.firstIndex(of: file[...]), place > 0, !words.contains("->") else {
        return nil
      }
      return Int(words[place - 1])
    }
  }

  private func holder(_ process: Int) -> LockHolder {
    let text = try? procText("/proc/\(process)/comm")
    let name = text?.split(separator: "\n").first.map { String($0) }
    return LockHolder(process: process, name: name ?? "a program")
  }

  private func procText(_ path: String) throws(Errno) -> String {
    let here = FileDescriptor.workingDirectory
    return String(decoding: try here.contents(of: RawPath(path), limit: 1 << 20), as: UTF8.self)
  }

  private func hex(_ number: UInt32) -> String {
    let digits = String(number, radix: 16)
    return digits.count < 2 ? "0" + digits : digits
  }
}
