import ArgumentParser
import StrataConfig
import StrataJSON
import StrataModel
import StrataStore
import StrataSystem

extension Verb {
  static let info = Verb(
    names: ["info"], group: .store, usage: "",
    summary: "Show where the store is and where its settings come from", isOfPeer: false,
    body: .command(InfoCommand.self))
}

/// `strata info`: what is in force, and why.
struct InfoCommand: StrataCommand {
  static let configuration = CommandConfiguration(
    commandName: "strata info",
    abstract: "Show where the store is and where its settings come from.",
    discussion: """
      Examples:
        strata info
        strata info --json
      """)

  @Flag(name: [.long, .customShort("j")], help: "As one line of JSON.")
  var json = false
  @OptionGroup(title: "Store options") var store: StoreOptionGroup

  func run(_ session: Session) throws {
    let store = try session.store()
    let settings = try session.settings()
    let inForce = settings.inForce + (try session.strataSettings().inForce)
    var rows: [(name: String, value: String, origin: String)] = []
    for (path, problem) in store.additionalLayerStores() {
      rows.append(("additional layers", path.description, problem?.message ?? "answers"))
    }
    rows.append(("layers", String(try store.layers().count), ""))
    rows.append(("images", String(try store.images().count), ""))
    rows.append(("containers", String(try store.containers().count), ""))
    // What stands above already is left out.
    let known = ["Root", "Run Root", "Driver Name", "Driver Options"]
    for (name, value) in try store.status() where !known.contains(name) {
      rows.append((name, value, ""))
    }
    rows.append(("user", session.surroundings.isRootless ? "rootless" : "root", ""))
    rows.append(("version", strataVersion, ""))
    if json {
      var members: [(String, JSONValue)] = [
        ("graph root", .string(settings.graphRoot.description)),
        ("run root", .string(settings.runRoot.description)), ("driver", .string(settings.driver)),
        ("mount program", .string(settings.mountProgram ?? "-")),
      ]
      members += rows.filter { $0.name != "additional layers" }.map { ($0.name, .string($0.value)) }
      members.append(
        (
          "additional layers",
          .members(
            rows.filter { $0.name == "additional layers" }.map { ($0.value, .string($0.origin)) })
        ))
      members.append(("options", .strings(settings.driverOptions)))
      members.append(("settings", inForce.json))
      session.output.line(bytes: JSONValue.members(members).encoded())
      return
    }
    var table = Table(["SETTING", "VALUE", "FROM"])
    table.add(inForce)
    for row in rows { table.add([row.name, row.value, row.origin]) }
    session.output.write(table.text)
  }
}
