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
    examples: [
      ("strata config", "the options that a store is opened with"),
      ("strata config --origins", "all that is in force, and which line of which file says so"),
      ("strata config ./storage.conf", "what this file alone would give"),
    ],
    body: .peer { call in
      if let file = call.words.first { call.session.useConfiguration(file) }
      let settings = try call.session.settings()
      guard call.arguments.isOn("origins") else {
        return call.line(.members(members(settings)))
      }
      let inForce = settings.inForce + (try call.session.strataSettings().inForce)
      if call.json { return call.line(inForce.json) }
      var table = Table(["SETTING", "VALUE", "FROM"])
      table.add(inForce)
      call.output.write(table.text)
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

extension [SettingInForce] {
  /// A list, since options of a driver may be given more than once.
  var json: JSONValue {
    .array(
      map { setting in
        .members([
          ("name", .string(setting.name)), ("value", .string(setting.value)),
          ("from", .string(setting.origin)),
        ])
      })
  }
}

extension Table {
  /// A row for each: name, value, where it came from.
  mutating func add(_ settings: [SettingInForce]) {
    for setting in settings {
      add([setting.name, setting.value.isEmpty ? "-" : setting.value, setting.origin])
    }
  }
}
