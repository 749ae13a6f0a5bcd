package import StrataSystem

/// The certificates of a registry that a folder of its name holds (containers-certs.d(5)).
package struct RegistryCertificates: Sendable, Hashable {
  /// Certificate authorities that are trusted beside the system's: `*.crt`.
  package var authorities: [RawPath] = []
  /// What this side shows: each `*.cert` with the `*.key` of the same name.
  package var clients: [Client] = []

  /// A certificate and its key.
  package struct Client: Sendable, Hashable {
    package var certificate: RawPath
    package var key: RawPath
  }

  /// Reads the first folder that there is: the user's, then the system's, then Docker's.
  ///
  /// `host` has its port with it, if the image's name has one. A `*.cert` without its key, or a key
  /// without its certificate, is an error.
  package init(host: String, surroundings: Surroundings) throws(ConfigurationError) {
    var folders: [RawPath] = []
    if surroundings.isRootless, let user = surroundings.configurationFolder {
      folders.append(user.appending("containers/certs.d"))
    }
    folders.append(surroundings.system("/etc/containers/certs.d"))
    folders.append(surroundings.system("/etc/docker/certs.d"))
    for folder in folders {
      let path = folder.appending(RawPath(host))
      let names: [String]
      do throws(Errno) {
        let directory = try FileDescriptor.workingDirectory.open(path, [.readOnly, .directory])
        names = try directory.view.entries().map(\.name.description).sorted()
      } catch {
        if error == .noSuchFileOrDirectory || error == .notADirectory { continue }
        throw ConfigurationError("read \(path): \(error)")
      }
      try take(names, path)
      return
    }
  }

  private mutating func take(_ names: [String], _ folder: RawPath) throws(ConfigurationError) {
    for name in names {
      let file = folder.appending(RawPath(name))
      if name.hasSuffix(".crt") { authorities.append(file) }
      for (end, other) in [(".cert", ".key"), (".key", ".cert")] where name.hasSuffix(end) {
        let partner = String(name.dropLast(end.count)) + other
        guard names.contains(partner) else {
          throw ConfigurationError("\(file): \(partner) is missing beside it")
        }
        if end == ".cert" {
          clients.append(
            Client(certificate: file, key: folder.appending(RawPath(partner))))
        }
      }
    }
  }
}
