import StrataConfig
import StrataSystem
import StrataTestSupport
import Testing

/// Files laid over storage.conf, as the peers do from 1.63 on.
@Suite struct DropInTests {
  @Test func dropInsOfAllFoldersAreLaidInTheOrderOfTheirNames() throws {
    let machine = try Machine()
    try machine.write("usr/share/containers/storage.conf", "[storage]\ndriver = \"vfs\"\n")
    try machine.write(
      "etc/containers/storage.conf", "[storage]\ngraphroot = \"/g\"\nrunroot = \"/r\"\n")
    try machine.write(
      "usr/share/containers/storage.conf.d/30-b.conf", "[storage]\nrunroot = \"/vendor\"\n")
    try machine.write(
      "usr/share/containers/storage.conf.d/10-a.conf", "[storage]\nrunroot = \"/hidden\"\n")
    try machine.write(
      "etc/containers/storage.conf.d/10-a.conf",
      "[storage]\nrunroot = \"/lost\"\n[storage.options]\nmountopt = \"nodev\"\n")
    try machine.write(
      "etc/containers/storage.rootful.conf.d/20-r.conf", "[storage]\ngraphroot = \"/rootful\"\n")
    try machine.write(
      "etc/containers/storage.rootless.conf.d/90-u.conf", "[storage]\ngraphroot = \"/users\"\n")
    try machine.write("etc/containers/storage.conf.d/99.toml", "[storage]\ngraphroot = \"/no\"\n")
    try machine.write("etc/containers/elsewhere", "[storage]\ngraphroot = \"/link\"\n")
    try FileDescriptor.workingDirectory.makeSymlink(
      machine.scratch.path.appending("etc/containers/storage.conf.d/98-link.conf"),
      to: machine.scratch.path.appending("etc/containers/elsewhere"))
    let settings = try StorageSettings.load(surroundings: machine.surroundings())
    #expect(settings.driver == "overlay")
    #expect(settings.graphRoot == "/rootful")
    #expect(settings.runRoot == "/vendor")
    #expect(settings.driverOptions == ["overlay.mountopt=nodev"])
    let root = machine.scratch.path.description
    let origins = Dictionary(
      settings.inForce.map { ($0.name, $0.origin) }, uniquingKeysWith: { first, _ in first })
    #expect(
      origins["graphroot"] == "\(root)/etc/containers/storage.rootful.conf.d/20-r.conf:2")
    #expect(origins["runroot"] == "\(root)/usr/share/containers/storage.conf.d/30-b.conf:2")
    #expect(origins["overlay.mountopt"] == "\(root)/etc/containers/storage.conf.d/10-a.conf:4")
    #expect(origins["auto-userns-min-size"] == "built-in default")
    #expect(settings.files.count == 4)
  }

  @Test func aUsersDropInsLieOverWhatTheSystemSays() throws {
    let machine = try Machine()
    try machine.write(
      "etc/containers/storage.conf",
      "[storage]\ndriver = \"overlay\"\ngraphroot = \"/g\"\n[storage.options]\nmountopt = \"a\"\n")
    try machine.write(
      "etc/containers/storage.rootless.conf.d/50.conf",
      "[storage.options]\nmountopt = \"b\"\nadditionalimagestores = [\"/lib\"]\n")
    try machine.write(
      "etc/containers/storage.rootless.conf.d/1001/60.conf", "[storage]\nrunroot = \"/run/1001\"\n")
    try machine.write(
      "etc/containers/storage.rootful.conf.d/70.conf", "[storage]\nrunroot = \"/root\"\n")
    try machine.write(
      "home/.config/containers/storage.conf.d/80.conf", "[storage]\ngraphroot = \"$HOME/s\"\n")
    let settings = try StorageSettings.load(
      surroundings: machine.surroundings(["HOME": "@/home"], user: 1001))
    #expect(settings.graphRoot.description.hasSuffix("/home/s"))
    #expect(settings.runRoot == "/run/1001")
    #expect(settings.driverOptions == ["overlay.imagestore=/lib", "overlay.mountopt=b"])
  }

  @Test(arguments: [
    (["[\"1\"]", "[\"2\"]"], ["2"]), (["[\"1\"]", "[\"2\", {append=true}]"], ["1", "2"]),
    // It stays so for later files.
    (["[{append=true}, \"1\"]", "[\"2\"]"], ["1", "2"]),
    (["[\"1\", {append=true}]", "[\"2\", {append=false}]"], ["2"]),
    (["[\"1\"]", "[\"2\", {append=false}]", "[\"3\", {append=true}]"], ["2", "3"]),
    (["[\"1\"]", "[]"], []),
  ])
  func listsReplaceOrAppend(files: [String], expected: [String]) throws {
    let machine = try Machine()
    for (number, list) in files.enumerated() {
      try machine.write(
        "etc/containers/storage.conf.d/\(number).conf",
        "[storage.options]\nadditionalimagestores = \(list)\n")
    }
    let settings = try StorageSettings.load(surroundings: machine.surroundings())
    #expect(settings.driverOptions == expected.map { "overlay.imagestore=\($0)" })
  }

  @Test func theNamedFileHasNoDropInsButTheOverrideLiesOnTop() throws {
    let machine = try Machine()
    try machine.write("own.conf", "[storage]\ngraphroot = \"/own\"\nrunroot = \"/own-run\"\n")
    try machine.write("last.conf", "[storage]\nrunroot = \"/last\"\nbogus = 1\n")
    try machine.write(
      "etc/containers/storage.conf.d/1.conf", "[storage]\ngraphroot = \"/drop-in\"\n")
    let settings = try StorageSettings.load(
      surroundings: machine.surroundings([
        "CONTAINERS_STORAGE_CONF": "@/own.conf", "CONTAINERS_STORAGE_CONF_OVERRIDE": "@/last.conf",
      ]))
    #expect(settings.graphRoot == "/own")
    #expect(settings.runRoot == "/last")
    #expect(
      settings.warnings.flatMap(\.lines) == [
        "\(machine.scratch.path)/last.conf:3: unknown key \"storage.bogus\" is passed over"
      ])
    let over = try StorageSettings.load(
      surroundings: machine.surroundings([
        "CONTAINERS_STORAGE_CONF_OVERRIDE": "@/last.conf", "STORAGE_DRIVER": "vfs",
        "STORAGE_OPTS": "vfs.a=b",
      ]))
    #expect(over.graphRoot == "/drop-in")
    #expect(over.driver == "vfs")
    #expect(over.driverOptions == ["vfs.a=b"])
    #expect {
      _ = try StorageSettings.load(
        surroundings: machine.surroundings(["CONTAINERS_STORAGE_CONF_OVERRIDE": "/nowhere"]))
    } throws: {
      "\($0)" == "open /nowhere: no such file or directory"
    }
  }

  @Test func aBrokenDropInIsAnError() throws {
    let machine = try Machine()
    try machine.write("etc/containers/storage.conf.d/1.conf", "[storage]\ndriver = 7\n")
    #expect {
      _ = try StorageSettings.load(surroundings: machine.surroundings())
    } throws: {
      "\($0)".hasSuffix(
        "etc/containers/storage.conf.d/1.conf:2: storage.driver must be a string in quotation marks: "
          + "correct this file")
    }
  }
}
