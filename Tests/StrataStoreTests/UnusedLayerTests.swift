import StrataModel
import StrataStore
import StrataSystem
import StrataTestSupport
import Testing

/// Layers of an import that failed: those go that nobody else has begun to use.
@Suite struct UnusedLayerTests {
  private let open: OpenStore
  private let made: [LayerRecord]

  /// Three layers, one on the other.
  init() throws {
    open = try OpenStore()
    var made: [LayerRecord] = []
    for (number, letter) in (["a", "b", "c"] as [Character]).enumerated() {
      made.append(
        try open.store.putLayer(
          LayerCreation(id: id(letter), parent: made.last?.id),
          content: ArraySource(try makeTar(["file-\(number)": String(letter)]))))
    }
    self.made = made
  }

  private func left() throws -> [String] { try open.again().layers().map(\.id) }

  @Test func allGoWhereNobodyUsesThem() throws {
    #expect(try open.store.deleteUnused(made) == [])
    #expect(try left() == [])
    #expect(try open.layerFiles() == ["root/overlay-layers/layers.json"])
  }

  @Test func whatAnImageOrALayerUsesStays() throws {
    let other = try open.again()
    _ = try other.createImage(ImageCreation(id: id("d"), layer: id("a")))
    #expect(try open.store.deleteUnused(made) == [id("a")])
    #expect(try left() == [id("a")])
    try other.deleteImage(id("d"))
  }

  @Test func whatIsBelowALayerOfOthersStays() throws {
    let child = try open.again().createLayer(LayerCreation(parent: id("b")))
    #expect(try open.store.deleteUnused(made) == [id("a"), id("b")])
    #expect(try left() == [id("a"), id("b"), child.id])
  }

  @Test func whatOthersNamedStays() throws {
    _ = try open.again().addNames(id("c"), ["mine"], kind: .layer)
    #expect(try open.store.deleteUnused(made) == [id("a"), id("b"), id("c")])
  }

  @Test func whatOthersMadeAnewStays() throws {
    let other = try open.again()
    for layer in made.reversed() { try other.deleteLayer(layer.id) }
    _ = try other.putLayer(
      LayerCreation(id: id("a")), content: ArraySource(try makeTar(["file": "x"])))
    #expect(try open.store.deleteUnused(made) == [id("a")])
    #expect(try left() == [id("a")])
  }
}
