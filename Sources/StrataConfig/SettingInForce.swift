import StrataSystem

/// One setting as it counts, for whoever asks what is in force and why.
package struct SettingInForce: Sendable, Hashable {
  /// As the configuration file spells it.
  package var name: String
  package var value: String
  /// `FILE:LINE`, a variable of the environment, an option of the command line, or `built-in default`.
  package var origin: String

  package init(_ name: String, _ value: String, from origin: String?) {
    self.name = name
    self.value = value
    self.origin = origin ?? StorageSettings.defaultOrigin
  }
}

extension StorageSettings {
  /// Where a value comes from that nothing says.
  static let defaultOrigin = "built-in default"

  /// Everything of storage.conf that counts, in its order.
  package var inForce: [SettingInForce] {
    var list: [SettingInForce] = []
    func add(_ name: String, _ value: String) {
      list.append(SettingInForce(name, value, from: origins[name]))
    }
    add("driver", driver)
    add("driver_priority", driverPriority.joined(separator: ","))
    add("graphroot", graphRoot.description)
    add("runroot", runRoot.description)
    add("rootless_storage_path", rootlessStoragePath)
    add("imagestore", imageStore?.description ?? "")
    add("transient_store", "\(isTransient)")
    add("disable-volatile", "\(disablesVolatile)")
    add("root-auto-userns-user", rootAutoUserNamespaceUser)
    add("auto-userns-min-size", "\(autoUserNamespaceMinimum)")
    add("auto-userns-max-size", "\(autoUserNamespaceMaximum)")
    for (name, value) in pullOptions.sorted(by: { $0.key < $1.key }) {
      add("pull_options.\(name)", value)
    }
    for option in options {
      let parts = option.text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      list.append(
        SettingInForce(
          String(parts[0]), parts.count > 1 ? String(parts[1]) : "", from: option.origin))
    }
    return list
  }
}
