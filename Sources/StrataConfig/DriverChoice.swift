import StrataSystem

extension StorageSettings {
  /// Chooses a driver where none is named: the first of the priority list that left a directory in the
  /// graph root (vfs only if it is listed explicitly), else the first of the list that Strata has
  /// (storage-format 6.1); for a user by 7.4, where vfs counts too.
  ///
  /// Errors: where several left one, and root has to say which is meant.
  mutating func fillDriver(_ surroundings: Surroundings) throws(ConfigurationError) {
    guard driver.isEmpty else { return }
    let known = ["overlay", "vfs"]
    let priority = driverPriority.isEmpty ? known : driverPriority
    origins["driver"] = "chosen"
    let found = known.filter { name in
      let marker = RawPath(surroundings.isRootless ? "\(name)-images" : name)
      let place = surroundings.system(graphRoot).appending(marker)
      return (try? FileDescriptor.workingDirectory.exists(place)) == true
    }
    let before = priority.first { name in
      found.contains(name)
        && (name != "vfs" || driverPriority.contains("vfs") || surroundings.isRootless)
    }
    if before != nil, found.count > 1, !surroundings.isRootless {
      throw ConfigurationError(
        "\(graphRoot) contains several valid graphdrivers: \(found.joined(separator: ", ")); Please "
          + "cleanup or explicitly choose storage driver (-s <DRIVER>)")
    }
    driver = before ?? priority.first { known.contains($0) } ?? "overlay"
    // What the file says for every driver was read without a name before the dot.
    for number in options.indices where options[number].text.hasPrefix(".") {
      options[number].text = driver + options[number].text
    }
  }
}
