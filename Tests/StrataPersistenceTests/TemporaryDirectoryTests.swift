import StrataModel
import StrataPersistence
import StrataSystem
import StrataTestSupport
import Testing

@Suite struct TemporaryDirectoryTests {
  private let scratch: ScratchDirectory
  private let home: SharedDescriptor

  init() throws {
    scratch = try ScratchDirectory("temporary")
    home = SharedDescriptor(try scratch.directory.open(".", [.readOnly, .directory]))
  }

  private func make() throws -> TemporaryDirectory {
    try TemporaryDirectory(in: "tempdirs", of: home, at: scratch.path)
  }

  private func recover(dryRun: Bool = false) throws -> Int {
    try TemporaryDirectory.recover(
      in: "tempdirs", of: home.view, at: scratch.path, dryRun: dryRun
    ).count
  }

  /// What a process that was killed leaves.
  private func leaveOne(_ number: Int) throws {
    try scratch.makeDirectory(RawPath("tempdirs/temp-dir-\(number)/0-x/diff"))
    try scratch.write(RawPath("tempdirs/temp-dir-\(number)/0-x/diff/f"), "x")
    try scratch.write(RawPath("tempdirs/lock-\(number)"), "")
  }

  @Test func itGoesWithTheObjectAndTheFolderWithTheLast() throws {
    let first = try make()
    do {
      let second = try make()
      #expect(first.path != second.path && first.freshName("a") != first.freshName("a"))
      #expect(try scratch.tree("tempdirs").count == 4)
      try scratch.write(second.freshName("file"), "x")
    }
    #expect(try scratch.tree("tempdirs").count == 2)
    try first.remove()
    try first.remove()
    #expect(try scratch.tree() == [])
  }

  @Test func whatDeadProcessesLeftGoesAndWhatLivesStays() throws {
    #expect(try recover() == 0)
    let live = try make()
    try leaveOne(1)
    try leaveOne(2)
    try scratch.makeDirectory("tempdirs/temp-dir-3")
    try scratch.write("tempdirs/lock-4", "")
    try scratch.write("tempdirs/foreign", "")
    #expect(try recover(dryRun: true) == 4)
    #expect(try recover() == 4)
    let name = try #require(live.path.lastComponent.string)
    #expect(
      Set(try scratch.tree("tempdirs").map(\.lastComponent.description))
        == ["foreign", name, name.replacing("temp-dir", with: "lock")])
    try live.remove()
    #expect(try scratch.tree() == ["tempdirs", "tempdirs/foreign"])
  }

  @Test func whatSomebodyReadsFromStaysUntilThen() throws {
    try leaveOne(1)
    do {
      let reader = try scratch.directory.open(
        "tempdirs/temp-dir-1/0-x/diff", [.readOnly, .directory])
      #expect(try reader.view.flock(exclusive: false, wait: false))
      #expect(try recover() == 1)
      #expect(try scratch.text("tempdirs/temp-dir-1/0-x/diff/f") == "x")
    }
    #expect(try recover() == 1)
    #expect(try scratch.tree() == [])
  }
}
