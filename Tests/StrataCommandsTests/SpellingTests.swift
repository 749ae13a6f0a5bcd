import StrataCommands
import Testing

@Suite struct SpellingTests {
  @Test(arguments: [
    ("create-layer", "create-layer"), ("createlayer", "create-layer"), ("umount", "unmount"),
    ("applydiff", "applydiff"), ("apply-diff", "applydiff"), ("diff-size", "diffsize"),
    ("getimagedata", "get-image-data"), ("images-by-digest", "images-by-digest"),
  ])
  func thePeersSpellingsAreKnown(spelling: String, name: String) {
    #expect(VerbTable.verb(spelling, for: .peer)?.name == name)
    #expect(VerbTable.verb(spelling, for: .strata)?.name == name)
  }

  @Test(arguments: ["imagesbydigest", "layerparentowners", "import", "rm", "tree", "help", "ps"])
  func whatThePeerDoesNotHaveIsUnknownToIt(spelling: String) {
    #expect(VerbTable.verb(spelling, for: .peer) == nil)
  }

  @Test func noTwoVerbsShareASpelling() {
    let spellings = VerbTable.all.flatMap { $0.names + $0.ownNames }
    #expect(Set(spellings).count == spellings.count)
  }

  @Test func aWrongVerbIsHintedAt() {
    #expect(VerbTable.nearest(to: "imges") == "images")
    #expect(VerbTable.nearest(to: "xyzzy") == nil)
  }

  @Test(arguments: [
    ("/usr/bin/containers-storage", Persona.peer), ("containers-storage", .peer),
    ("strata", .strata), ("/x/containers-storage2", .strata),
  ])
  func theNameOfTheProgramDecides(name: String, persona: Persona) {
    #expect(Persona(calledAs: name) == persona)
  }
}
