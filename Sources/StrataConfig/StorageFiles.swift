import StrataSystem

/// Where storage.conf and what is laid over it are looked for (storage-format 7.1).
///
/// One main file as every version knows it; over it, as from 1.63 on, the drop-ins, which older peers do
/// not read; over all, the file of `CONTAINERS_STORAGE_CONF_OVERRIDE`.
struct StorageFiles {
  let surroundings: Surroundings

  private static let name: RawPath = "containers/storage.conf"

  /// The main files of the system in the order of the search; the first that is there counts.
  var ofSystem: [RawPath] {
    [surroundings.system("/etc/containers/storage.conf"), vendor]
  }

  private var vendor: RawPath { surroundings.system("/usr/share/containers/storage.conf") }

  /// The main file of an ordinary user; root has one only where `XDG_CONFIG_HOME` is set.
  var ofUser: RawPath? {
    let folder =
      surroundings.isRootless ? surroundings.configurationFolder : surroundings.userConfiguration
    return folder?.appending(Self.name)
  }

  /// The drop-ins, in the order in which they are laid: by name, over all folders.
  ///
  /// Of files with the same name the one in the last folder takes the place of the others. Links and
  /// folders are passed over, as by the peer; a folder that cannot be read is an error.
  func dropIns() throws(ConfigurationError) -> [RawPath] {
    var files: [RawPath: RawPath] = [:]
    for folder in dropInFolders {
      do throws(Errno) {
        let directory = try FileDescriptor.workingDirectory.open(folder, [.readOnly, .directory])
        for entry in try directory.view.entries() where entry.name.description.hasSuffix(".conf") {
          let status = try directory.view.status(of: entry.name, follow: false)
          if status.type == .regular { files[entry.name] = folder.appending(entry.name) }
        }
      } catch {
        if error == .noSuchFileOrDirectory { continue }
        throw ConfigurationError("open \(folder): \(error)")
      }
    }
    return files.sorted { $0.key < $1.key }.map(\.value)
  }

  private var dropInFolders: [RawPath] {
    var folders: [RawPath] = []
    for file in [vendor, surroundings.system("/etc/containers/storage.conf")] {
      let folder = file.parent
      folders.append(folder.appending("storage.conf.d"))
      if surroundings.rootlessUserID == 0 {
        folders.append(folder.appending("storage.rootful.conf.d"))
      } else {
        let ofUsers = folder.appending("storage.rootless.conf.d")
        folders.append(ofUsers)
        folders.append(ofUsers.appending(RawPath("\(surroundings.rootlessUserID)")))
      }
    }
    if let user = surroundings.configurationFolder {
      folders.append(user.appending("containers/storage.conf.d"))
    }
    return folders
  }
}
