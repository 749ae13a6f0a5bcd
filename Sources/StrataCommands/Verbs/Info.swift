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
    let origins = settings.origins
    var rows: [(name: String, value: String, origin: String)] = [
      ("graph root", "\(settings.graphRoot)", origins["graphroot"] ?? "default"),
      ("run root", "\(settings.runRoot)", origins["runroot"] ?? "default"),
      ("driver", settings.driver, origins["driver"] ?? "default"),
      (
        "mount program", settings.mountProgram ?? "-",
        origins["mount_program"] ?? origins["options"] ?? "default"
      ),
    ]
    for option in settings.driverOptions where !option.contains("mount_program=") {
      rows.append(("option", option, origins["options"] ?? "default"))
    }
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
      let lists = ["option", "additional layers"]
      var members = rows.filter { !lists.contains($0.name) }.map {
        ($0.name, JSONValue.string($0.value))
      }
      members.append(
        (
          "additional layers",
          .members(
            rows.filter { $0.name == "additional layers" }.map { ($0.value, .string($0.origin)) })
        ))
      let options = ("options", JSONValue.strings(settings.driverOptions))
      session.output.line(bytes: JSONValue.members(members + [options]).encoded())
      return
    }
    var table = Table(["SETTING", "VALUE", "FROM"])
    for row in rows { table.add([row.name, row.value, row.origin]) }
    session.output.write(table.text)
  }
}
