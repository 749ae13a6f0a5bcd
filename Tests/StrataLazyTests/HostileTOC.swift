import StrataArchive
import StrataModel
import Testing

/// A table of contents that lazy-design section 8 wants refused as a whole.
struct HostileTOC: Sendable, CustomTestStringConvertible {
  let name: String
  let rows: [TOCEntry]

  init(_ name: String, _ rows: TOCEntry...) {
    self.name = name
    self.rows = rows
  }

  var testDescription: String { name }

  static let all: [HostileTOC] = names + links + places

  private static let names: [HostileTOC] = [
    HostileTOC("dot-dot", Row.file("a/../b")),
    HostileTOC("dot-dot alone", Row.file("..")),
    HostileTOC("empty part", Row.file("a//b")),
    HostileTOC("empty name", Row.file("")),
    HostileTOC("dot inside", Row.file("a/./b")),
    HostileTOC("NUL", Row.file("a\0b")),
    HostileTOC("part too long", Row.file(String(repeating: "n", count: 256))),
    HostileTOC("path too long", Row.file(String(repeating: "n/", count: 2100))),
    HostileTOC("path through a file", Row.file("a"), Row.file("a/b")),
    HostileTOC("path through a whiteout", Row.make(.regular, ".wh.a"), Row.file(".wh.a/b")),
    HostileTOC("whiteout of nothing", Row.make(.regular, ".wh.")),
    HostileTOC("whiteout of dot-dot", Row.make(.regular, ".wh...")),
  ]

  private static let links: [HostileTOC] = [
    HostileTOC("path through a link", Row.link("a", to: "/etc", .symlink), Row.file("a/b")),
    HostileTOC("link to nothing", Row.link("a", to: "b")),
    HostileTOC("link to a later file", Row.link("a", to: "b"), Row.file("b")),
    HostileTOC("link to a directory", Row.make(.directory, "d"), Row.link("a", to: "d")),
    HostileTOC("link out of the layer", Row.link("a", to: "../b")),
    HostileTOC("symlink to no name", Row.link("a", to: "", .symlink)),
    HostileTOC("device 0:0", Row.make(.characterDevice, "a")),
    HostileTOC("owner -1", Row.make(.regular, "a") { $0.uid = -1 }),
    HostileTOC("owner of 33 bits", Row.make(.regular, "a") { $0.gid = 1 << 33 }),
    HostileTOC("root that is a file", Row.file("./")),
  ]

  private static let places: [HostileTOC] = [
    HostileTOC(
      "gap", Row.piece(.regular, "f", size: 10, from: 0, 4, at: 1),
      Row.piece(.chunk, "f", from: 5, 5, at: 9)),
    HostileTOC(
      "overlap", Row.piece(.regular, "f", size: 10, from: 0, 4, at: 1),
      Row.piece(.chunk, "f", from: 3, 7, at: 9)),
    HostileTOC(
      "chunks too short", Row.piece(.regular, "f", size: 10, from: 0, 4, at: 1),
      Row.piece(.chunk, "f", from: 4, 5, at: 9)),
    HostileTOC(
      "chunks too long", Row.piece(.regular, "f", size: 10, from: 0, 4, at: 1),
      Row.piece(.chunk, "f", from: 4, 7, at: 9)),
    HostileTOC(
      "chunk of another file", Row.piece(.regular, "f", size: 10, from: 0, 4, at: 1),
      Row.piece(.chunk, "g", from: 4, 6, at: 9)),
    HostileTOC("chunk without a file", Row.piece(.chunk, "g", from: 0, 6, at: 9)),
    HostileTOC(
      "chunk without a digest", Row.piece(.regular, "f", size: 10, from: 0, 4, at: 1),
      Row.piece(.chunk, "f", from: 4, 6, at: 9, digest: nil)),
    HostileTOC("file without a digest", Row.make(.regular, "f") { $0.size = 4 }),
    HostileTOC("begins later", Row.piece(.regular, "f", size: 10, from: 4, 6, at: 1)),
    HostileTOC("offset in the TOC", Row.file("f", 5, at: 9000)),
    HostileTOC("offset of 2^62", Row.file("f", 5, at: 1 << 62)),
    HostileTOC("two contents at one place", Row.file("f", 5, at: 7), Row.file("g", 5, at: 7)),
    HostileTOC(
      "extents that overlap",
      Row.make(.regular, "f") {
        $0.size = 5
        $0.offset = 7
        $0.endOffset = 50
        $0.digest = Row.digest("f")
      }, Row.file("g", 5, at: 20)),
    HostileTOC("size of 8 EiB", Row.file("f", Int64.max, at: 7)),
    HostileTOC(
      "sizes of 2 TiB as a hole",
      Row.make(.regular, "f") {
        $0.size = 1 << 41
        $0.isHole = true
      }),
    HostileTOC("chunk of 65 MiB", Row.file("f", 65 << 20, at: 7)),
    HostileTOC(
      "inner offset of 2^40",
      Row.make(.regular, "f") {
        $0.size = 5
        $0.digest = Row.digest("f")
        $0.innerOffset = 1 << 40
      }),
    HostileTOC("two digests of one content", Row.piece(.regular, "f", size: 4, from: 0, 4, at: 1)),
  ]
}
