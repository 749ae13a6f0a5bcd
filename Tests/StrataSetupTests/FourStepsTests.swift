import StrataSystem
import StrataTestSupport
import Testing

/// The example, which is built beside this program, does what its text says.
@Suite(.tags(.interop), .needsFuse, .needsRoot, .needsTool("umoci"), .needsTool("fuse-overlayfs"))
struct FourStepsTests {
  @Test("The example imports, mounts and exports by a storage.conf")
  func fourSteps() throws {
    let roots = try StoreFixture("four-steps")
    let configuration = roots.scratch.path("storage.conf")
    try roots.scratch.write(
      "storage.conf",
      """
      [storage]
      driver = "overlay"
      graphroot = "\(roots.graphRoot)"
      runroot = "\(roots.runRoot)"
      odd = "key"
      [storage.options.overlay]
      mount_program = "/usr/bin/fuse-overlayfs"

      """)
    let layout = roots.scratch.path("layout").description
    for arguments in [
      ["init", "--layout", layout], ["new", "--image", "\(layout):v1"],
    ] {
      #expect(try runProgram("umoci", arguments).status == 0)
    }
    try roots.scratch.write("motd", "hello\n")
    let inserted = try runProgram(
      "umoci",
      ["insert", "--image", "\(layout):v1", roots.scratch.path("motd").description, "/etc/motd"])
    #expect(inserted.status == 0, "\(inserted)")

    let copy = roots.scratch.path("copy").description
    let result = try runProgram(
      programBesideTests("FourSteps").description, ["oci:\(layout):v1", "oci:\(copy):v1"],
      environment: ["CONTAINERS_STORAGE_CONF": configuration.description])
    #expect(result.status == 0, "\(result)")
    #expect(
      result.lines.map { $0.prefix { $0 != " " } } == ["imported", "mounted", "exported"],
      "\(result)")
    let read = try runProgram("umoci", ["stat", "--image", "\(copy):v1"])
    #expect(read.status == 0, "\(read)")
    // Neither containers nor mounts are left.
    #expect(try roots.containerMounts().isEmpty)
  }

  @Test("What is no source or not there is one line and a failure")
  func refused() throws {
    let program = try programBesideTests("FourSteps").description
    #expect(try runProgram(program, ["one"]).status == 2)
    let roots = try StoreFixture("four-steps-refused")
    try roots.scratch.write(
      "storage.conf",
      """
      [storage]
      driver = "overlay"
      graphroot = "\(roots.graphRoot)"
      runroot = "\(roots.runRoot)"

      """)
    let result = try runProgram(
      program, ["oci:/nowhere/at/all", "oci:/nowhere/either"],
      environment: ["CONTAINERS_STORAGE_CONF": roots.scratch.path("storage.conf").description])
    #expect(result.status == 1 && result.lines.count == 1, "\(result)")
  }
}
