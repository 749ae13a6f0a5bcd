import StrataConfig
import StrataJSON
import StrataModel
import StrataSystem

extension Verb {
  static let config = Verb(
    names: ["config"], group: .store, usage: "[configurationFile]",
    summary: "Print storage library configuration as JSON",
    flags: [
      .switched("--origins", help: "Say where each value comes from", isOfPeer: false), .json,
    ],
    maximum: 1, needs: .nothing,
    examples: [("strata config --origins", "what is in force, and which file says so")],
    body: .peer { call in
      if let file = call.words.first { call.session.useConfiguration(file) }
      let settings = try call.session.settings()
      if call.arguments.isOn("origins") {
        for (name, origin) in settings.origins.sorted(by: { $0.key < $1.key }) {
          call.output.line("\(name)  \(origin)")
        }
        return
      }
      call.line(.members(members(settings)))
    })
}

/// The members of the peer's options, in its order and by its names.
private func members(_ settings: StorageSettings) -> [(String, JSONValue)] {
  var members: [(String, JSONValue)] = []
  func add(_ name: String, _ value: JSONValue, unless isEmpty: Bool) {
    if !isEmpty { members.append((name, value)) }
  }
  func add(_ name: String, _ text: String) { add(name, .string(text), unless: text.isEmpty) }
  add("runroot", settings.runRoot.description)
  add("root", settings.graphRoot.description)
  add("imagestore", settings.imageStore?.description ?? "")
  members.append(("RootlessStoragePath", .string(settings.rootlessStoragePath)))
  add("driver", settings.driver)
  add(
    "driver-priority", .strings(settings.driverPriority), unless: settings.driverPriority.isEmpty)
  add("driver-options", .strings(settings.driverOptions), unless: settings.driverOptions.isEmpty)
  add("root_auto_ns_user", settings.rootAutoUserNamespaceUser)
  members.append(("auto_userns_min_size", .integer(Int64(settings.autoUserNamespaceMinimum))))
  members.append(("auto_userns_max_size", .integer(Int64(settings.autoUserNamespaceMaximum))))
  let options = settings.pullOptions.sorted { $0.key < $1.key }
  members.append(
    ("PullOptions", options.isEmpty ? .null : .members(options.map { ($0.key, .string($0.value)) }))
  )
  add("disable-volatile", .bool(true), unless: !settings.disablesVolatile)
  add("transient_store", .bool(true), unless: !settings.isTransient)
  return members
}
