import StrataCommands
import StrataTestSupport
import Testing

/// The peer's verbs, compared with the peer itself: the same words on two stores, then the texts,
/// streams and statuses word for word.
///
/// What newer versions do otherwise is not in these lists.
@Suite(.needsRoot, .needsTool("containers-storage"), .needsTool("fuse-overlayfs"))
struct PeerTextTests {
  /// Each list starts on an empty store.
  ///
  /// `@N` is the first word that the Nth line printed.
  static let sequences: [[String]] = [
    [
      "layers", "layers -j", "layers -t", "images", "containers",
      "create-layer -n a -n b", "create-layer -j -n c a", "create-image -n im @5",
      "create-container -n ct -n ct2 -m meta im", "layers", "layers -t", "layers -tj", "images",
      "images -j", "images -q", "containers", "containers -j", "layer a nosuch",
      "layer -j a nosuch", "image im", "image -j im", "container ct", "container -j ct",
      "exists a", "exists x", "exists -j a", "exists -l im", "exists -q a", "metadata ct im x",
      "metadata -q ct", "get-names a", "get-names -j im", "set-names -n q a", "get-names q",
      "delete-layer @5", "delete-layer -j nosuch", "delete-image im", "delete-image -j im",
      "delete-container -j ct nosuch", "delete-image -t im", "delete-image -tj im", "delete nosuch",
      "delete -j im", "wipe -j", "layers",
    ],
    [
      "create-layer -n q", "mount @0", "mounted @0", "mounted -j @0", "mount nosuch",
      "mount -j nosuch", "unmount nosuch", "unmount -j @0", "unmount @0", "changes @0",
      "changes -j @0", "diffsize @0", "mounted nosuch", "changes nosuch", "diff nosuch",
      "shutdown -j", "shutdown",
    ],
    [
      "create-layer -n q", "create-image -n im q", "create-container -n ct im", "mount ct",
      "shutdown", "shutdown -j", "unmount ct", "get-container-dir ct", "get-container-run-dir ct",
      "get-container-dir nosuch", "list-image-data im", "list-layer-data -j q",
      "get-image-data im x", "get-layer-data q x", "get-container-data ct x",
      "get-image-data-size im x", "get-image-data-digest im x", "get-container-data nosuch x",
      "set-metadata im", "set-metadata -m foo q", "metadata q", "layer-parent-owners q",
      "container-parent-owners -j ct", "container-parent-owners nosuch",
      "images-by-digest sha256:x",
    ],
    [
      "create-layer nosuch", "create-image nosuch", "create-container nosuch", "create-layer -n q",
      "create-layer -n q", "create-layer -i @3", "create-image -n im", "create-image -n im",
      "create-layer --uidmap 0:1", "create-layer --uidmap 0:100000:65536 -n mapped",
      "layer mapped", "create-layer a b c", "mount", "layers --nosuch", "layers --json=maybe",
      "create-layer -i", "import-layer -f /nonexistent", "nosuch", "layer --help", "diff a b c",
    ],
    [
      "create-layer -n q", "create-image -n im q", "create-container -i first im",
      "create-container -i second im", "create-container -i third im", "delete-image im",
      "delete-image -t im", "set-metadata -m foo nosuch", "set-metadata nosuch",
      "getimagedata im", "createimage --nosuch", "deletelayer", "exists -j im q im nosuch",
      "exists q q nosuch", "delete -j nosuch none nosuch",
      "create-layer --hostuidmap --uidmap 0:1:1", "unmount", "getlayerdata q",
      "create-layer --hostgidmap --gidmap 0:1:1", "create-layer --uidmap +0:1:2",
      "create-image -n empty", "image empty", "metadata -j q",
    ],
  ]

  @Test(arguments: sequences) func textsAreThePeers(lines: [String]) throws {
    let (ours, theirs) = (try Terminal(.peer), try Terminal(.peer))
    var (ourAnswers, theirAnswers): ([Answer], [Answer]) = ([], [])
    for (index, line) in lines.enumerated() {
      let mine = try ours.run(words(line, ourAnswers))
      let peers = try theirs.runPeer(words(line, theirAnswers))
      ourAnswers.append(mine)
      theirAnswers.append(peers)
      let comment = Comment(rawValue: "line \(index): \(line)")
      #expect(mine.status == peers.status, comment)
      #expect(
        withoutIDs(mine.output, ours.fixture) == withoutIDs(peers.output, theirs.fixture), comment)
      // Option lists differ: ours has those of newer versions too.
      if !peers.errors.contains("  --debug, -D") {
        #expect(
          withoutIDs(mine.errors, ours.fixture) == withoutIDs(peers.errors, theirs.fixture), comment
        )
      }
    }
  }

  private func words(_ line: String, _ answers: [Answer]) -> [String] {
    line.split(separator: " ").map { word in
      guard word.first == "@", let index = Int(word.dropFirst()) else { return String(word) }
      return String(answers[index].output.prefix { $0 != "\n" })
    }
  }

  @Test func newerVersionsAreFollowedWhereTheyDiffer() throws {
    let terminal = try Terminal(.peer)
    _ = try terminal.run(["create-layer", "-n", "a"])
    #expect(try terminal.run(["add-names", "-j", "-n", "b", "a"]).output == "[\"b\",\"a\"]\n")
    let extra = try terminal.run(["layers", "extra"])
    #expect(extra.status == 1)
    #expect(extra.output.hasPrefix("layers: too many arguments ([extra]).\nUsage: "))
    #expect(try terminal.run(["images", "-j"]).output == "[]\n")
  }

  @Test func badOptionsEndAsThePeerDoes() throws {
    let terminal = try Terminal(.peer)
    let global = try terminal.run(["--nosuch", "layers"])
    #expect(global.status == 1)
    #expect(
      global.output.hasPrefix(
        "flag provided but not defined: --nosuch while parsing arguments (1)\n"))
    #expect(try terminal.run(["layers", "--nosuch"]).status == 125)
    #expect(try terminal.run(["--help"]).status == 0)
    #expect(try terminal.run([]).status == 1)
  }
}
