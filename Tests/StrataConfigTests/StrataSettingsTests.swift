import StrataConfig
import StrataSystem
import StrataTestSupport
import Testing

@Suite struct StrataSettingsTests {
  @Test func theUsersFileStandsBeforeTheSystemsKeyByKey() throws {
    let machine = try Machine()
    try machine.write(
      "etc/containers/strata.conf",
      "lock-timeout = 5\nsync = \"none\"\npush-compression = \"zstd\"\n")
    try machine.write(
      "home/.config/containers/strata.conf", "# mine\nlock-timeout = \"none\"\n[table]\nx = 1\n")
    var settings = try StrataSettings.load(
      surroundings: machine.surroundings(["HOME": "@/home", "STRATA_SYNC": "filesystem"]))
    #expect(settings.lockTimeout == nil)
    #expect(settings.synchronizes)
    #expect(settings.pushCompression == "zstd")
    #expect(!settings.isGiven(.additionalLayerTimeout))
    let root = machine.scratch.path.description
    #expect(
      settings.inForce.map { "\($0.name) \($0.value) \($0.origin)" } == [
        "lock-timeout none \(root)/home/.config/containers/strata.conf:2",
        "als-timeout 5 built-in default", "sync filesystem STRATA_SYNC",
        "export-compression  built-in default",
        "push-compression zstd \(root)/etc/containers/strata.conf:3",
      ])
    #expect(
      settings.warnings.flatMap(\.lines).map { $0.dropFirst(root.count) } == [
        "/home/.config/containers/strata.conf:3: unknown key \"table\" is passed over",
        "/home/.config/containers/strata.conf:4: unknown key \"table.x\" is passed over",
      ])
    try settings.setOption(.lockTimeout, "3")
    #expect(settings.lockTimeout == 3)
    #expect(settings.inForce.first?.origin == "--lock-timeout")
  }

  @Test(arguments: [
    "lock-timeout = -1", "lock-timeout = true", "als-timeout = 0", "sync = \"never\"",
    "export-compression = \"lz4\"", "push-compression = \"none\"",
  ])
  func aValueThatCannotBeIsNamedWithItsLine(text: String) throws {
    let machine = try Machine()
    try machine.write("etc/containers/strata.conf", "# first\n\(text)\n")
    #expect {
      _ = try StrataSettings.load(surroundings: machine.surroundings())
    } throws: {
      "\($0)".contains("etc/containers/strata.conf:2: ")
        && "\($0)".hasSuffix(": correct this file")
    }
  }
}
