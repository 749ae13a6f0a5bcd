import StrataSystem

extension StorageSettings {
  /// Chooses a driver where none is named: the first of the priority list that left a directory in
  /// the graph root (vfs only if it is listed explicitly), else the first that Strata has
  /// (storage-format 6.1); rootless by 7.4, where vfs counts too.
  mutating func fillDriver(_ surroundings: Surroundings) {
    guard driver.isEmpty else { return }
    let known = ["overlay", "vfs"]
    let priority = driverPriority.isEmpty ? known : driverPriority
    origins["driver"] = "chosen"
    let found = known.filter { name in
      let counts = name != "vfs" || driverPriority.contains("vfs") || surroundings.isRootless
      let marker = surroundings.isRootless ? "\(name)-images" : name
      return counts && (try? exists(marker)) == true
    }
    let ordered = priority.filter { found.contains($0) } + found
    driver = ordered.first ?? priority.first { known.contains($0) } ?? "overlay"
    // What the file says for every driver was read without a name before the dot.
    for number in options.indices where options[number].text.hasPrefix(".") {
      options[number].text = driver + options[number].text
    }
  }

  private func exists(_ name: String) throws(Errno) -> Bool {
    try FileDescriptor.workingDirectory.exists(graphRoot.appending(RawPath(name)))
  }
}
