import StrataSystem

/// Replaces `$NAME` and `${NAME}` by the variable's value, nothing where it is not set; `$UID` is
/// the user's number even where no variable of that name is exported.
func expanded(_ text: String, _ surroundings: Surroundings) -> String {
  guard text.contains("$") else { return text }
  var result = ""
  var rest = Substring(text)
  while let dollar = rest.firstIndex(of: "$") {
    result += rest[..<dollar]
    rest = rest[rest.index(after: dollar)...]
    let name: Substring
    if rest.first == "{", let end = rest.firstIndex(of: "}") {
      name = rest[rest.index(after: rest.startIndex)..<end]
      rest = rest[rest.index(after: end)...]
    } else {
      name = rest.prefix { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_") }
      rest = rest[name.endIndex...]
      if name.isEmpty { result += "$" }
    }
    if let value = surroundings.variables[String(name)] {
      result += value
    } else if name == "UID" {
      result += String(surroundings.rootlessUserID)
    }
  }
  return result + rest
}

/// The path without symbolic links as far as it exists; what does not exist yet stays as written.
func resolved(_ path: RawPath) -> RawPath {
  var existing = path
  var missing: [RawPath] = []
  while !existing.isEmpty {
    if let file = try? FileDescriptor.workingDirectory.open(existing, .path),
      let real = try? FileDescriptor.workingDirectory.readLink(file.view.procPath)
    {
      return missing.reversed().reduce(real) { $0.appending($1) }
    }
    let parent = existing.parent
    if parent == existing { break }
    missing.append(existing.lastComponent)
    existing = parent
  }
  return path
}
