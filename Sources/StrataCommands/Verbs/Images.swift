import StrataJSON
import StrataModel
import StrataStore
import StrataSystem

extension Verb {
  static let images = Verb(
    names: ["images"], group: .images, usage: "", summary: "List images",
    flags: [.switched("--quiet", "-q", help: "Only print IDs"), .json],
    examples: [
      ("strata images", "names, sizes and ages"),
      ("strata images --json", "every field, for programs"),
    ],
    body: .peer { call in
      let images = try call.session.store().images()
      if call.isPeer || call.json || call.arguments.isOn("quiet") {
        call.show(images)
      } else {
        call.output.write(try imageTable(images, call.session))
      }
    })

  static let imagesByDigest = Verb(
    names: ["images-by-digest"], group: .images, usage: "digest",
    summary: "List images by digest",
    flags: [.switched("--quiet", "-q", help: "Only print IDs"), .json], minimum: 1, maximum: 1,
    examples: [("strata images-by-digest sha256:…", "the images of a manifest")],
    body: .peer { call in
      let digest: Digest
      do throws(Digest.ParseError) {
        digest = try Digest(call.words[0])
      } catch {
        throw StoreError(.invalidDigest, "\(call.words[0]): \(error)")
      }
      call.show(try call.session.store().images(digest: digest))
    })
}

extension Call {
  /// Images in the peer's forms.
  fileprivate func show(_ images: [ImageRecord]) {
    if json { return line(images) }
    for image in images {
      output.line(image.id)
      if arguments.isOn("quiet") { continue }
      image.names.forEach { output.line("\tname: \($0)") }
      image.digests.forEach { output.line("\tdigest: \($0)") }
      image.bigDataNames.forEach { output.line("\tdata: \($0)") }
    }
  }
}

/// One row for each name of each image, newest first.
private func imageTable(_ images: [ImageRecord], _ session: Session) throws -> String {
  let chains = LayerChains(try session.store().layers())
  let now = session.wallClock().seconds
  var table = Table(
    ["NAME", "ID", "LAYERS", "SIZE", "CREATED"], [.left, .left, .right, .right])
  for image in images.sorted(by: { $0.created.seconds > $1.created.seconds }) {
    for name in image.names.isEmpty ? ["<none>"] : image.names {
      table.add([
        name, shortID(image.id), String(chains.chain(of: image.layer).count),
        humanSize(chains.size(of: image)), humanAge(of: image.created.seconds, now: now),
      ])
    }
  }
  return table.text
}
