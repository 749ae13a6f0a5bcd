import StrataCommands
import StrataSystem
import StrataTestSupport
import Testing

/// What people see: tables, hints and errors in one line.
@Suite(.needsRoot, .needsTool("fuse-overlayfs")) struct StrataTextTests {
  @Test func tablesNameWhatIsThere() throws {
    let terminal = try Terminal()
    let empty = try terminal.run(["images"])
    #expect(empty == Answer(status: 0, output: "NAME  ID  LAYERS  SIZE  CREATED\n", errors: ""))
    let layer = try terminal.run(["create-layer"]).output.prefix(64)
    let image = try terminal.run(
      ["create-image", "--name", "localhost/two:latest", String(layer)])
    #expect(image.status == 0)
    let id = image.output.prefix(12)
    #expect(
      try terminal.run(["images"]).output == """
        NAME                  ID            LAYERS  SIZE  CREATED
        localhost/two:latest  \(id)       1   0 B  just now

        """)
    #expect(try terminal.run(["images", "--json"]).output.hasPrefix("[{\"id\":\"\(id)"))
    let container = try terminal.run(["create", "two", "--name", "box"])
    #expect(container.status == 0)
    #expect(
      try terminal.run(["containers"]).output == """
        NAME  ID            IMAGE                 MADE BY  MOUNTED  CREATED
        box   \(container.output.prefix(12))  localhost/two:latest  -        no       just now

        """)
    #expect(
      try terminal.run(["tree"]).output.hasPrefix(
        "└─ \(layer.prefix(12))  -\n   image localhost/two:latest\n   └─ "))
    #expect(try terminal.run(["inspect", "box", "--json"]).output.hasPrefix("[{\"id\":\""))
    #expect(try terminal.run(["rm", "box"]).status == 0)
    #expect(try terminal.run(["rmi", "two"]).output == "\(layer)\n")
  }

  @Test func podmansContainersAskForForce() throws {
    let terminal = try Terminal()
    _ = try terminal.run(["create-layer", "-n", "l"])
    _ = try terminal.run(["create-image", "-n", "localhost/i:latest", "l"])
    let metadata = "{\"image-name\":\"i\",\"image-id\":\"1\",\"name\":\"web\",\"created-at\":1}"
    _ = try terminal.run(["create-container", "-n", "web", "-m", metadata, "i"])
    #expect(try terminal.run(["containers"]).output.contains("  podman   no  "))
    for verb in ["rm", "delete-container"] {
      let refused = try terminal.run([verb, "web"])
      #expect(refused.status == 1)
      #expect(
        refused.errors
          == "strata: \(verb == "rm" ? "delete" : verb) web: this container is podman's, which would go on listing it: "
          + "use `podman rm web`, or --force\n")
    }
    #expect(
      try terminal.run(["rm", "--force", "web"]) == Answer(status: 0, output: "", errors: ""))
  }

  /// Words, the status and the one line on standard error.
  static let mistakes: [(words: [String], status: Int32, line: String)] = [
    (["imges"], 2, "strata: there is no verb imges: did you mean images?"),
    (["xyzzy"], 2, "strata: there is no verb xyzzy: see `strata --help`"),
    (["--bogus"], 2, "strata: there is no option --bogus: see `strata --help`"),
    (
      ["images", "--bogus"], 2,
      "strata: images: there is no option --bogus: see `strata images --help`"
    ),
    (
      ["mount"], 2,
      "strata: mount: more arguments required: "
        + "the usage is strata mount LayerOrContainerNameOrID"
    ),
    (
      ["import"], 2,
      "strata: import: missing expected argument '<source>': see `strata import --help`"
    ),
    (
      ["export", "nosuch", "oci:/tmp/nowhere"], 1,
      "strata: export: no image is called nosuch: `strata images` lists what there is"
    ),
    (
      ["export", "nosuch", "nowhere"], 1,
      "strata: export: nowhere is no destination: write oci:DIR, oci-archive:FILE or "
        + "docker-archive:FILE"
    ),
    (
      ["mount", "nosuch"], 1,
      "strata: mount nosuch: no layer, image or container is called nosuch: `strata images`, "
        + "`strata containers` and `strata layers` list what there is"
    ),
    (
      ["import", "/nonexistent"], 1, "strata: import: open /nonexistent: no such file or directory"
    ),
  ]

  @Test(arguments: mistakes.indices) func mistakesAreAnsweredInOneLine(index: Int) throws {
    let mistake = Self.mistakes[index]
    let answer = try Terminal().run(mistake.words)
    #expect(
      answer == Answer(status: mistake.status, output: "", errors: mistake.line + "\n"),
      "\(mistake.words)")
  }

  @Test func everyVerbHasHelpWithItsUsage() throws {
    let terminal = try Terminal()
    for verb in VerbTable.all {
      let help = try terminal.run([verb.name, "--help"], onStore: false)
      #expect(help.status == 0, "\(verb.name)")
      #expect(help.output.contains("strata \(verb.name)"), "\(verb.name)")
      #expect(help.errors.isEmpty, "\(verb.name)")
      #expect(help.output.hasSuffix("\n"))
    }
    let overview = try terminal.run(["--help"], onStore: false)
    #expect(overview.status == 0)
    for verb in VerbTable.all { #expect(overview.output.contains("  \(verb.name) ")) }
    #expect(try terminal.run(["help", "images"], onStore: false).output.contains("List images"))
  }

  @Test func optionsStandOnBothSidesOfTheVerb() throws {
    let terminal = try Terminal()
    let behind = try terminal.run(["layers"] + terminal.roots, onStore: false)
    #expect(behind.status == 0)
    #expect(
      try terminal.run(["info", "-g", "\(terminal.fixture.scratch.path("other"))"])
        .output.contains("/other"))
  }
}
