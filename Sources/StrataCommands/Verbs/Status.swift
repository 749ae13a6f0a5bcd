import StrataConfig
import StrataJSON
import StrataStore
import StrataSystem

extension Verb {
  static let status = Verb(
    names: ["status"], group: .store, usage: "", summary: "Check on graph driver status",
    flags: [.json],
    examples: [
      ("strata status", "what the driver says of itself"),
      ("strata status --json | jq .", "the same for programs"),
    ],
    body: .peer { call in
      let store = try call.session.store()
      let settings = try call.session.settings()
      var pairs = [
        ("Root", settings.graphRoot.description), ("Run Root", settings.runRoot.description),
        ("Driver Name", settings.driver),
        ("Driver Options", "[\(settings.driverOptions.joined(separator: " "))]"),
      ]
      pairs += try store.status().filter { pair in !pairs.contains { $0.0 == pair.0 } }
      if call.json { return call.line(.array(pairs.map { .strings([$0.0, $0.1]) })) }
      for (name, value) in pairs {
        call.isPeer ? call.output.error("\(name): \(value)") : call.output.line("\(name): \(value)")
      }
    })

  static let version = Verb(
    names: ["version"], group: .store, usage: "",
    summary: "Return containers-storage version information", flags: [.json], needs: .nothing,
    examples: [("strata version", "of this program")],
    body: .peer { call in
      if call.json { return call.line(.array([.strings(["Version", strataVersion])])) }
      call.isPeer
        ? call.output.error("Version: \(strataVersion)")
        : call.output.line("strata \(strataVersion)")
    })
}

/// The version of this program.
let strataVersion = "0.1.0"
