import StrataModel
import StrataStore
import StrataSystem

extension Verb {
  static let containers = Verb(
    names: ["containers"], ownNames: ["ps"], group: .containers, usage: "",
    summary: "List containers", flags: [.json],
    examples: [("strata containers", "names, images and who made them")],
    body: .peer { call in
      let store = try call.session.store()
      let containers = try store.containers()
      if call.json { return call.line(containers) }
      guard call.isPeer else {
        call.output.write(try containerTable(containers, store, call.session))
        return
      }
      for container in containers {
        call.output.line(container.id)
        container.names.forEach { call.output.line("\tname: \($0)") }
        container.bigDataNames.forEach { call.output.line("\tdata: \($0)") }
      }
    })
}

private func containerTable(
  _ containers: [ContainerRecord], _ store: Store, _ session: Session
) throws -> String {
  let images = Dictionary(try store.images().map { ($0.id, $0) }) { first, _ in first }
  let now = session.wallClock().seconds
  var table = Table(["NAME", "ID", "IMAGE", "MADE BY", "MOUNTED", "CREATED"])
  for container in containers {
    let image = images[container.image]?.names.first ?? shortID(container.image)
    table.add([
      container.names.first ?? "-", shortID(container.id), image.isEmpty ? "-" : image,
      try session.owner(of: container)?.rawValue ?? "-",
      (try? store.mountCount(container.id)).map { $0 > 0 ? "yes" : "no" } ?? "?",
      humanAge(of: container.created.seconds, now: now),
    ])
  }
  return table.text
}
