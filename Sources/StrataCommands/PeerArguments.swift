import StrataSystem

/// A command line taken apart by the flag rules of containers-storage, which ArgumentParser cannot
/// give: values by `=` or in the next word, single letters in a bundle, booleans with a value, and
/// an end at the first word that is no option (storage-format 8.1, measured with 1.43).
package struct PeerArguments: Sendable, Equatable {
  /// Where options end.
  package enum Rule: Sendable {
    /// At the first word that is no option, as for the peer.
    case firstPositional
    /// Nowhere before `--`, which people expect of a command of today.
    case intermixed
  }

  /// Why the words are no command line.
  package enum Failure: Error, Equatable, CustomStringConvertible {
    case unknown(String)
    case missingValue(String)
    case noBoolean(String, value: String)

    /// The peer's first line.
    package var description: String {
      switch self {
      case .unknown(let name): "flag provided but not defined: \(name)"
      case .missingValue(let name): "flag needs an argument: \(name)"
      case .noBoolean(let name, let value):
        "invalid boolean value \"\(value)\" for  \(name): strconv.ParseBool: "
          + "parsing \"\(value)\": invalid syntax"
      }
    }

    /// The line of `strata`.
    package var plain: String {
      switch self {
      case .unknown(let name): "there is no option \(name)"
      case .missingValue(let name): "\(name) needs a value"
      case .noBoolean(let name, let value): "\(name) is true or false, not \(value)"
      }
    }
  }

  /// What each option was given, by its key, in order; a switch has `true` or `false`.
  package private(set) var values: [String: [String]] = [:]
  /// The words that are no options.
  package private(set) var positionals: [String] = []

  package init() {}

  /// Takes `words` apart.
  package init(_ words: some Sequence<String>, flags: [PeerFlag], rule: Rule) throws(Failure) {
    var rest = Array(words)[...]
    while let word = rest.popFirst() {
      if word == "--" {
        positionals += rest
        return
      }
      guard word.count > 1, word.hasPrefix("-") else {
        positionals.append(word)
        if rule == .intermixed { continue }
        positionals += rest
        return
      }
      try takeOption(word, from: &rest, flags)
    }
  }

  private mutating func takeOption(
    _ word: String, from rest: inout ArraySlice<String>, _ flags: [PeerFlag]
  ) throws(Failure) {
    let equals = word.firstIndex(of: "=")
    let name = String(equals.map { word[..<$0] } ?? word[...])
    let value = equals.map { String(word[word.index(after: $0)...]) }
    if let flag = flags.first(where: { $0.names.contains(name) }) {
      try take(flag, spelled: name, value, from: &rest)
      return
    }
    // A bundle of single letters: the value, if any, belongs to the last one.
    let letters = name.dropFirst().map { "-\($0)" }
    guard !name.hasPrefix("--"), letters.count > 1 else {
      throw Failure.unknown(name)
    }
    for (index, letter) in letters.enumerated() {
      let isLast = index == letters.count - 1
      guard let flag = flags.first(where: { $0.names.contains(letter) }),
        isLast || flag.kind == .switched
      else { throw Failure.unknown(name) }
      try take(flag, spelled: letter, isLast ? value : nil, from: &rest)
    }
  }

  private mutating func take(
    _ flag: PeerFlag, spelled name: String, _ value: String?, from rest: inout ArraySlice<String>
  ) throws(Failure) {
    switch flag.kind {
    case .switched:
      guard let truth = Self.truth(value ?? "true") else {
        throw Failure.noBoolean(name, value: value ?? "")
      }
      values[flag.key] = [truth ? "true" : "false"]
    case .text, .list:
      guard let text = value ?? rest.popFirst() else {
        throw Failure.missingValue(name)
      }
      if flag.kind == .text {
        values[flag.key] = [text]
      } else {
        values[flag.key, default: []].append(text)
      }
    }
  }

  /// Go's `ParseBool`.
  package static func truth(_ text: String) -> Bool? {
    switch text {
    case "1", "t", "T", "true", "TRUE", "True": true
    case "0", "f", "F", "false", "FALSE", "False": false
    default: nil
    }
  }

  /// Whether a switch is on.
  package func isOn(_ key: String) -> Bool { values[key] == ["true"] }

  /// The last text of an option.
  package func text(_ key: String) -> String? { values[key]?.last }

  /// All texts of an option.
  package func list(_ key: String) -> [String] { values[key] ?? [] }

  /// The values again as words, for a program that takes them behind its verb.
  func words(behindVerb flags: [PeerFlag]) -> [RawPath] {
    flags.filter { !["help", "unshare"].contains($0.key) }.flatMap { flag -> [RawPath] in
      let texts = list(flag.key)
      if flag.kind == .switched { return texts == ["true"] ? [RawPath(flag.names[0])] : [] }
      return texts.map { RawPath("\(flag.names[0])=\($0)") }
    }
  }

  /// These values over those of `earlier`, as later words of one line.
  package func over(_ earlier: PeerArguments, lists: Set<String>) -> PeerArguments {
    var result = self
    for (key, texts) in earlier.values {
      if lists.contains(key) {
        result.values[key] = texts + (result.values[key] ?? [])
      } else if result.values[key] == nil {
        result.values[key] = texts
      }
    }
    return result
  }
}
