/// Which program this executable is called as.
package enum Persona: Sendable, Equatable {
  /// `strata`: tables for people, options anywhere, errors with the program's name.
  case strata
  /// `containers-storage`: that tool's texts, flag rules and exit statuses.
  case peer

  /// By the base name of `argv[0]`.
  package init(calledAs name: String) {
    let base = name.split(separator: "/").last ?? ""
    self = base == "containers-storage" ? .peer : .strata
  }

  /// As in usage texts.
  var name: String { self == .peer ? "containers-storage" : "strata" }

  /// Where options end.
  var rule: PeerArguments.Rule { self == .peer ? .firstPositional : .intermixed }
}
