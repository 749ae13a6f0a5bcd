import StrataConfig
import StrataModel
import StrataSystem
import StrataTestSupport
import Testing

private let system = """
  [storage]
  driver = "overlay"
  runroot = "/r"
  graphroot = "/g"
  [storage.options]
  additionalimagestores = ["/a", "/b"]
  mountopt = "nodev"
  ignore_chown_errors = "true"
  [storage.options.overlay]
  mountopt = "noatime"
  mount_program = "/usr/bin/fuse-overlayfs"
  [storage.options.thinpool]
  """

@Suite struct StorageSettingsTests {
  @Test func withoutFilesTheDefaultsHold() throws {
    let machine = try Machine()
    let settings = try StorageSettings.load(surroundings: machine.surroundings())
    #expect(settings.graphRoot == "/var/lib/containers/storage")
    #expect(settings.runRoot == "/run/containers/storage")
    #expect(settings.driver == "overlay")
    #expect(settings.driverOptions == [])
  }

  @Test func optionsStandInThePeersOrder() throws {
    let machine = try Machine()
    try machine.write("etc/containers/storage.conf", system)
    let settings = try StorageSettings.load(surroundings: machine.surroundings())
    #expect(settings.graphRoot == "/g")
    #expect(
      settings.driverOptions == [
        "overlay.imagestore=/a", "overlay.imagestore=/b", "overlay.ignore_chown_errors=true",
        "overlay.mountopt=nodev", "overlay.mount_program=/usr/bin/fuse-overlayfs",
        "overlay.mountopt=noatime",
      ])
    #expect(settings.mountProgram == "/usr/bin/fuse-overlayfs")
    #expect(settings.warnings == [])
  }

  @Test func theUsersFileStandsBeforeTheSystems() throws {
    let machine = try Machine()
    try machine.write("etc/containers/storage.conf", system)
    try machine.write("home/containers/storage.conf", "[storage]\ndriver = \"vfs\"\n")
    let settings = try StorageSettings.load(
      surroundings: machine.surroundings(["XDG_CONFIG_HOME": "@/home"]))
    #expect(settings.driver == "vfs")
    #expect(settings.graphRoot == "/var/lib/containers/storage")
  }

  @Test func theNamedFileIsTheOnlyOneAndMustBeThere() throws {
    let machine = try Machine()
    try machine.write("etc/containers/storage.conf", system)
    try machine.write("own.conf", "[storage]\ngraphroot = \"/own/$USER/${UID}\"\n")
    let settings = try StorageSettings.load(
      surroundings: machine.surroundings([
        "CONTAINERS_STORAGE_CONF": "@/own.conf", "USER": "me", "UID": "7",
      ]))
    #expect(settings.graphRoot == "/own/me/7")
    #expect(settings.driverOptions == [])
    #expect {
      _ = try StorageSettings.load(
        surroundings: machine.surroundings(["CONTAINERS_STORAGE_CONF": "/nowhere.conf"]))
    } throws: {
      "\($0)" == "stat /nowhere.conf: no such file or directory"
    }
  }

  @Test func anyOptionOfTheCommandLineReplacesTheFile() throws {
    let machine = try Machine()
    try machine.write("etc/containers/storage.conf", system)
    var options = StorageOptions()
    options.runRoot = "run"
    let settings = try StorageSettings.load(
      options, surroundings: machine.surroundings(["STORAGE_DRIVER": "vfs", "STORAGE_OPTS": "x=y"]))
    #expect(settings.graphRoot == "/g")
    #expect(settings.runRoot == "/work/run")
    #expect(settings.driver == "overlay")
    #expect(settings.driverOptions == [])
  }

  @Test func variablesOverrideTheFile() throws {
    let machine = try Machine()
    try machine.write("etc/containers/storage.conf", system)
    let driver = try StorageSettings.load(
      surroundings: machine.surroundings(["STORAGE_DRIVER": "vfs"]))
    #expect(driver.driver == "vfs")
    #expect(driver.driverOptions.first == "vfs.imagestore=/a")
    #expect(!driver.driverOptions.contains("vfs.mountopt=noatime"))
    let options = try StorageSettings.load(
      surroundings: machine.surroundings(["STORAGE_OPTS": "overlay.a=1,overlay.b=2"]))
    #expect(options.driverOptions == ["overlay.a=1", "overlay.b=2"])
  }

  @Test func anOrdinaryUserHasRootsOfTheirOwn() throws {
    let machine = try Machine()
    try machine.write("etc/containers/storage.conf", system)
    let plain = try StorageSettings.load(
      surroundings: machine.surroundings(["HOME": "/home/u", "TMPDIR": "/tmp"], user: 1001))
    #expect(plain.graphRoot == "/home/u/.local/share/containers/storage")
    #expect(plain.runRoot == "/tmp/storage-run-1001/containers")
    #expect(plain.driverOptions == ["overlay.ignore_chown_errors=true"])
    let xdg = try StorageSettings.load(
      surroundings: machine.surroundings(
        ["XDG_DATA_HOME": "/data", "XDG_RUNTIME_DIR": "/run/user/1001"], user: 1001))
    #expect(xdg.graphRoot == "/data/containers/storage")
    #expect(xdg.runRoot == "/run/user/1001/containers")
  }

  @Test func insideANamespaceTheUserOutsideCounts() throws {
    let machine = try Machine()
    let inside = machine.surroundings([
      "HOME": "/home/u", "_CONTAINERS_USERNS_CONFIGURED": "done",
      "_CONTAINERS_ROOTLESS_UID": "1001",
    ])
    #expect(inside.isRootless)
    let settings = try StorageSettings.load(surroundings: inside)
    #expect(settings.graphRoot == "/home/u/.local/share/containers/storage")
  }

  @Test func aUsersOwnFileReplacesTheSystemsWholly() throws {
    let machine = try Machine()
    try machine.write("etc/containers/storage.conf", system)
    try machine.write(
      "home/u/.config/containers/storage.conf",
      "[storage]\ndriver = \"overlay\"\nrootless_storage_path = \"$HOME/s\"\n")
    let settings = try StorageSettings.load(
      surroundings: machine.surroundings(["HOME": "@/home/u"], user: 1001))
    #expect(settings.graphRoot.description.hasSuffix("/home/u/s"))
    #expect(settings.driverOptions == [])
  }

  @Test func unknownKeysAreNamedWithTheirLines() throws {
    let machine = try Machine()
    try machine.write(
      "etc/containers/storage.conf",
      "[storage]\ndriver = \"overlay\"\nbogus = \"x\"\n[other]\nx = 1\n")
    let settings = try StorageSettings.load(surroundings: machine.surroundings())
    guard case .unknownKeys(_, let keys) = settings.warnings.first else {
      Issue.record("no warning: \(settings.warnings)")
      return
    }
    #expect(keys.map(\.name).sorted() == ["other", "other.x", "storage.bogus"])
    #expect(keys.first { $0.name == "storage.bogus" }?.line == 3)
    #expect(keys.first { $0.name == "other.x" }?.line == 5)
  }

  @Test(arguments: ["x = [\n", "[storage]\ndriver = 7\n", "[storage.options]\nmountopt = true\n"])
  func aBrokenFileIsNamedWithTheLine(text: String) throws {
    let machine = try Machine()
    try machine.write("etc/containers/storage.conf", text)
    #expect {
      _ = try StorageSettings.load(surroundings: machine.surroundings())
    } throws: {
      "\($0)".contains("etc/containers/storage.conf:")
        && "\($0)".hasSuffix("correct this file")
    }
  }

  @Test func theDriverIsTheOneThatLeftADirectory() throws {
    let machine = try Machine()
    try machine.write("g/overlay/x", "")
    var options = StorageOptions()
    options.graphRoot = "/g"
    let settings = try StorageSettings.load(options, surroundings: machine.surroundings())
    #expect(settings.driver == "overlay")
  }

  @Test(arguments: [
    (["overlay.mount_program=/a", "overlay.mount_program=/b"], "/b"), ([".mount_program=/a"], "/a"),
    (["mount_program=/c"], "/c"), (["vfs.mount_program=/a"], nil), (["overlay.mountopt=x"], nil),
  ])
  func theLastMountProgramCounts(options: [String], program: String?) {
    var settings = StorageSettings()
    settings.options = options.map { .init($0, from: "") }
    #expect(settings.mountProgram == program)
  }
}

@Suite struct SubordinateIDsTests {
  @Test func rangesGoByNameAndNumber() throws {
    let machine = try Machine()
    try machine.write("etc/passwd", "root:x:0:0::/root:/bin/sh\nme:x:1001:1001::/home/me:/bin/sh\n")
    try machine.write(
      "etc/subuid",
      "# c\nme:100000:65536\nother:1:1\n1001:300000:10\nme:x:1\nme:4294967295:2\nme:5:0\n")
    try machine.write("etc/subgid", "me:200000:65536\n")
    let root = machine.scratch.path
    let passwords = PasswordFile(root: root)
    #expect(passwords.name(of: 1001) == "me")
    #expect(passwords.home(of: 1001) == "/home/me")
    #expect(passwords.name(of: 5) == nil)
    let owned = SubordinateIDs(user: "me", uid: 1001, root: root)
    #expect(
      owned.uids == [.init(start: 100000, count: 65536), .init(start: 300000, count: 10)])
    #expect(owned.gids == [.init(start: 200000, count: 65536)])
    let maps = SubordinateIDs.maps(owned.uids, from: 1)
    #expect(maps.map(\.containerID) == [1, 65537])
    #expect(maps.map(\.hostID) == [100000, 300000])
  }
}
