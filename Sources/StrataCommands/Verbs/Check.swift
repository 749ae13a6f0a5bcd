import StrataJSON
import StrataModel
import StrataStore

extension Verb {
  static let check = Verb(
    names: ["check"], group: .store, usage: "", summary: "Check storage consistency",
    flags: [
      .text("--max", "-m", help: "Maximum allowed age for unreferenced layers"),
      .switched("--repair", "-r", help: "Remove damaged images and layers"),
      .switched("--force", "-f", help: "Remove damaged containers"),
      .switched("--quick", "-q", help: "Perform only quick checks"), .json,
    ],
    examples: [
      ("strata check", "reads every layer and compares it with its digest"),
      ("strata check --repair", "removes damaged images and layers, but no container"),
    ],
    body: .peer { call in
      var options = call.arguments.isOn("quick") ? CheckOptions.quick : CheckOptions()
      if let text = call.arguments.text("max"), !text.isEmpty {
        guard let age = goDuration(text) else {
          throw StoreError(.usage, "time: invalid duration \(quoted(text))")
        }
        options.unreferencedAge = age
      }
      let store = try call.session.store()
      let force = call.arguments.isOn("force")
      if force || call.arguments.isOn("repair") {
        try call.setAsideDamagedFiles(store)
        try store.restackAll()
      }
      let report = try store.check(options)
      call.show(report)
      // The peer shuts down whatever is mounted; here only what nobody uses.
      defer { if call.isPeer { _ = try? store.shutdown() } }
      guard force || call.arguments.isOn("repair") else {
        if report.isEmpty { return }
        throw StoreError(.damaged, counts(report))
      }
      let failures = store.repair(report, removingContainers: force)
      failures.forEach { call.say($0.message) }
      if !failures.isEmpty { throw Exit(status: ExitStatus.failure) }
      let rest = (report.readOnlyLayers, report.readOnlyImages)
      if !rest.0.isEmpty || !rest.1.isEmpty || (!force && !report.containers.isEmpty) {
        let containers = force ? "" : ", \(report.containers.ids.count) container errors"
        throw StoreError(
          .damaged,
          "\(rest.0.ids.count) read-only layer errors, \(rest.1.ids.count) read-only image errors"
            + containers)
      }
    })
}

extension Call {
  /// Ends the verb if records had to be moved aside: what a repair would remove then is the user's to
  /// decide.
  fileprivate func setAsideDamagedFiles(_ store: Store) throws {
    if let (path, reason, mounts) = try store.recoverMountpoints() {
      say("moved aside to \(path): \(reason): \(mounts) mounts found, each counted once")
    }
    let moved = try store.setAsideDamagedFiles()
    if moved.isEmpty { return }
    for (path, reason) in moved { say("moved aside to \(path): \(reason)") }
    show(try store.check(.quick))
    throw StoreError(
      .damaged,
      "what these files held is lost to the store; look at the list above before you repair again")
  }
}

private func counts(_ report: CheckReport) -> String {
  "\(report.layers.ids.count) layer errors, \(report.readOnlyLayers.ids.count) read-only layer "
    + "errors, \(report.images.ids.count) image errors, \(report.readOnlyImages.ids.count) "
    + "read-only image errors, \(report.containers.ids.count) container errors"
}

extension Call {
  fileprivate func show(_ report: CheckReport) {
    let kinds = [
      ("Layers", "layer", report.layers), ("ROLayers", "read-only layer", report.readOnlyLayers),
      ("Images", "image", report.images), ("ROImages", "read-only image", report.readOnlyImages),
      ("Containers", "container", report.containers),
    ]
    if json {
      // The peer's errors are empty objects in JSON (storage-format 8.2).
      return line(
        .members(
          kinds.map { name, _, findings in
            (
              name,
              .members(
                findings.ids.map { id in
                  (id, .array(findings[id].map { isPeer ? .members([]) : .string($0.text) }))
                })
            )
          }))
    }
    for (_, word, findings) in kinds {
      for id in findings.ids {
        output.line("\(word) \(id):")
        findings[id].forEach { output.line(" \(oneLine($0.text))") }
      }
    }
  }
}

/// Go's spelling of a duration, in whole seconds: `0`, `90s`, `1h30m`, `1.5h`; nil for anything else.
package func goDuration(_ text: String) -> Int64? {
  if text == "0" { return 0 }
  let units: [(String, Double)] = [
    ("ns", 1e-9), ("us", 1e-6), ("µs", 1e-6), ("ms", 1e-3), ("s", 1), ("m", 60), ("h", 3600),
  ]
  var rest = text[...]
  var total = 0.0
  let isNegative = rest.first == "-"
  if isNegative || rest.first == "+" { rest = rest.dropFirst() }
  guard !rest.isEmpty else { return nil }
  while !rest.isEmpty {
    let digits = rest.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
    rest = rest.dropFirst(digits.count)
    let name = rest.prefix { !($0.isASCII && ($0.isNumber || $0 == ".")) }
    rest = rest.dropFirst(name.count)
    guard let number = Double(String(digits)),
      let unit = units.first(where: { $0.0 == String(name) })
    else { return nil }
    total += number * unit.1
  }
  guard total < 9e9 else { return nil }
  return Int64(isNegative ? -total : total)
}
