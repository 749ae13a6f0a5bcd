import StrataConfig
import StrataModel
import StrataSystem
import StrataTestSupport
import Testing

/// Files and options that must not end in the store of the machine, which nobody meant.
@Suite struct MistakenSettingsTests {
  private func load(
    _ text: String, _ options: StorageOptions = StorageOptions()
  ) throws -> StorageSettings {
    let machine = try Machine()
    try machine.write("own.conf", text)
    return try StorageSettings.load(
      options, surroundings: machine.surroundings(["CONTAINERS_STORAGE_CONF": "@/own.conf"]))
  }

  @Test(arguments: [
    ("[[storage]]\ngraphroot = \"/g\"\n", "own.conf:1: storage must be one table"),
    ("storage = 1\n", "own.conf:1: storage must be one table"),
    ("[storage]\noptions = 1\n", "own.conf:2: storage.options must be one table"),
    (
      "[storage.options]\noverlay = \"x\"\n",
      "own.conf:2: storage.options.overlay must be one table"
    ),
    (
      "[storage]\ngraphroot = \"/g\\u0000x\"\n", "own.conf:2: a NUL character"
    ),
    ("[storage]\ndriver = \"vfs\"\n\u{0}\n", "own.conf:3: a NUL character"),
    ("[storage.options]\nauto-userns-min-size = -1\n", "must be a number from 0 to 4294967295"),
    ("[storage.options]\nauto-userns-min-size = 4294967296\n", "must be a number from 0 to"),
    ("[storage.options]\nforce_mask = -5\n", "own.conf:2: storage.options.force_mask must be"),
    (
      "[storage]\n" + String(repeating: "a.", count: 30_000) + "a = 1\n",
      "own.conf:2: a key of more"
    ),
    (
      "[storage]\na = {" + String(repeating: "b.", count: 30_000) + "b = 1}\n",
      "own.conf:2: a key of more"
    ),
  ])
  func areRefused(text: String, message: String) throws {
    #expect {
      _ = try load(text)
    } throws: {
      "\($0)".contains(message) && "\($0)".hasSuffix("correct this file")
    }
  }

  @Test func longTextsAndCommentsAreNoDeepKeys() throws {
    let dots = String(repeating: ".", count: 1000)
    let names = (0..<1000).map { "\"/a.b/\($0)\"" }.joined(separator: ", ")
    let settings = try load(
      "# \(dots)\n[storage.options]\nadditionalimagestores = [\(names)]\n")
    #expect(settings.driverOptions.count == 1000)
  }

  @Test func keysMayBeSpelledInLargeAndSmallLetters() throws {
    let settings = try load("[Storage]\nDriver = \"vfs\"\nGraphRoot = \"/a\"\n")
    #expect(settings.driver == "vfs")
    #expect(settings.graphRoot == "/a")
    #expect(settings.warnings == [])
    #expect(settings.origins["graphroot"]?.hasSuffix("own.conf:3") == true)
  }

  @Test func anEmptyOptionIsNone() throws {
    var options = StorageOptions()
    options.graphRoot = ""
    options.runRoot = ""
    options.driver = ""
    options.imageStore = ""
    let settings = try load("[storage]\ndriver = \"vfs\"\ngraphroot = \"/a\"\n", options)
    #expect(settings.driver == "vfs")
    #expect(settings.graphRoot == "/a")
    #expect(settings.imageStore == nil)
  }

  @Test func thePathForUsersHoldsBesideAUsersOwnFile() throws {
    let machine = try Machine()
    try machine.write(
      "etc/containers/storage.conf", "[storage]\nrootless_storage_path = \"/h/$UID/s\"\n")
    try machine.write("home/.config/containers/storage.conf", "[storage]\ndriver = \"vfs\"\n")
    let settings = try StorageSettings.load(
      surroundings: machine.surroundings(["HOME": "@/home"], user: 1001))
    #expect(settings.driver == "vfs")
    #expect(settings.graphRoot == "/h/1001/s")
    #expect(settings.origins["graphroot"]?.hasSuffix("storage.conf:2") == true)
  }

  @Test func aRootOfSeveralDriversNeedsAName() throws {
    let machine = try Machine()
    for name in ["overlay", "vfs"] {
      try FileDescriptor.workingDirectory.makeDirectories(
        machine.scratch.path.appending(RawPath("root/\(name)")), mode: 0o755)
    }
    var options = StorageOptions()
    options.graphRoot = "/root"
    #expect {
      _ = try StorageSettings.load(options, surroundings: machine.surroundings())
    } throws: {
      "\($0)".contains("contains several valid graphdrivers: overlay, vfs")
    }
    options.driver = "vfs"
    #expect(
      try StorageSettings.load(options, surroundings: machine.surroundings()).driver == "vfs")
  }

  @Test func onlyDriversOfThePriorityListAreChosen() throws {
    let machine = try Machine()
    try FileDescriptor.workingDirectory.makeDirectories(
      machine.scratch.path.appending("root/overlay"), mode: 0o755)
    try machine.write("own.conf", "[storage]\ndriver_priority = [\"vfs\"]\ngraphroot = \"/root\"\n")
    let settings = try StorageSettings.load(
      surroundings: machine.surroundings(["CONTAINERS_STORAGE_CONF": "@/own.conf"]))
    #expect(settings.driver == "vfs")
  }
}
