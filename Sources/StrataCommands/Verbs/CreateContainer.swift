import StrataModel
import StrataStore

extension Verb {
  static let createContainer = Verb(
    names: ["create-container"], group: .containers, usage: "parentImageNameOrID",
    summary: "Create a new container from an image",
    flags: [
      .list("--name", "-n", help: "Container name"), .text("--id", "-i", help: "Container ID"),
      .text("--metadata", "-m", help: "Metadata"),
      .text("--metadata-file", "-f", help: "Metadata File"),
      .switched("--volatile", help: "Mark as volatile"), .json,
      .text(
        "--userns",
        help: "auto, or auto:size=N: a user namespace of ids that no other container has",
        isOfPeer: false),
    ] + IDMapFlags.all, minimum: 1, maximum: 1,
    examples: [
      ("strata create-container --name box busybox", "a container called box"),
      ("strata create-container --userns auto busybox", "one with user ids of its own"),
    ],
    body: .peer { call in
      let store = try call.session.store()
      var creation = ContainerCreation(
        id: call.arguments.text("id").flatMap { $0.isEmpty ? nil : $0 },
        names: call.arguments.list("name"),
        image: call.words[0].isEmpty
          ? nil : try call.session.imageKey(call.words[0], in: store),
        metadata: try call.metadataText() ?? "", volatile: call.arguments.isOn("volatile"),
        mappings: try IDMapFlags.mappings(call.arguments) ?? .init())
      if let wish = call.arguments.text("userns") {
        guard creation.mappings.isEmpty else {
          throw StoreError(
            .usage, "--userns chooses the maps: it goes with no other that names them")
        }
        creation.automatic = try call.session.automaticNamespace(wish)
      }
      let container = try store.createContainer(creation)
      // The peer ends no line after names here (measured with 1.43): scripts cut at the tab.
      if call.isPeer, !call.json, !container.names.isEmpty {
        call.output.line(container.id)
        call.output.write(container.names.map { "\t\($0)" }.joined())
      } else {
        call.created(container, id: container.id, names: container.names)
      }
    })
}
