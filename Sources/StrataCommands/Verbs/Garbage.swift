import StrataJSON
import StrataModel
import StrataStore
import StrataSystem

extension Verb {
  static let gc = Verb(
    names: ["gc"], ownNames: ["garbage-collect"], group: .store, usage: "",
    summary: "Perform garbage collection",
    flags: [
      .switched("--dry-run", "-n", help: "Only say what would be removed", isOfPeer: false), .json,
    ],
    examples: [("strata gc --dry-run", "what killed builds and pulls have left, with sizes")],
    body: .peer { call in
      let store = try call.session.store(keepingLeftovers: true)
      let isDry = call.arguments.isOn("dry-run")
      let found = try store.collectGarbage(dryRun: isDry)
      if call.isPeer {
        if call.json { call.line(.string("")) }
        _ = try? store.shutdown()
        return
      }
      if call.json {
        return call.line(
          .array(
            found.map {
              .members([
                ("kind", .string($0.kind.rawValue)), ("path", .string($0.path.description)),
                ("size", .integer($0.size)),
              ])
            }))
      }
      for item in found {
        call.output.line(
          "\(item.kind.rawValue)  \(oneLine(item.path.description))  \(humanSize(item.size))")
      }
      let total = humanSize(found.reduce(0) { $0 + $1.size })
      call.output.line(
        found.isEmpty
          ? "nothing to remove"
          : isDry ? "\(found.count) to remove, \(total)" : "\(found.count) removed, \(total)")
    })

  static let dedup = Verb(
    names: ["dedup"], group: .store, usage: "", summary: "Dedup all images",
    flags: [
      .text("--hash-method", help: "Specify the hash function to use to detect identical files"),
      .json,
    ],
    examples: [
      ("strata dedup", "equal files of all layers share their blocks, where the disk can")
    ],
    body: .peer { call in
      // Equal files are found by size and SHA-256 whatever is asked for: the result is the same.
      let method = call.arguments.text("hash-method") ?? "crc"
      guard ["crc", "size", "sha256"].contains(method) else {
        throw StoreError(.usage, "invalid hash method: \(method)")
      }
      let bytes = try call.session.store().deduplicate()
      if call.json { return call.line(.members([("Deduped", .integer(bytes))])) }
      call.output.line("Deduplicated \(bytes) bytes")
    })
}
