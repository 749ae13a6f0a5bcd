import ArgumentParser
import StrataConfig
import StrataImage
import StrataModel
import StrataSystem

/// The one line of an error for people and scripts.
func failureText(_ error: any Error) -> String {
  switch error {
  case let error as Session.Opening: error.error.message
  case let error as StoreError: error.message
  case let error as any CustomStringConvertible: error.description
  default: "\(error)"
  }
}

/// The text with control characters spelled out: names from archives and command lines may hold line
/// ends, and sequences that a terminal would obey.
func oneLine(_ text: String) -> String {
  guard text.unicodeScalars.contains(where: { $0.value < 0x20 || $0.value == 0x7F }) else {
    return text
  }
  var result = ""
  for scalar in text.unicodeScalars {
    if scalar.value < 0x20 || scalar.value == 0x7F {
      result += quoted(String(scalar)).dropFirst().dropLast()
    } else {
      result.unicodeScalars.append(scalar)
    }
  }
  return result
}

/// Reports an error in the form of the program that was called, and gives the exit status.
///
/// The peer says `layer not known` and no more; under our own name the words of the command are added
/// where the error names none of them.
func report(
  _ error: any Error, verb: String, about words: [String] = [], in session: Session
) -> Int32 {
  if let exit = error as? Exit { return exit.status }
  var text = oneLine(failureText(error))
  if let signal = Interruption.pending {
    text = "\(signalName(signal)): ended, and what was begun is undone"
  }
  switch session.persona {
  case .strata:
    let isNamed = words.contains { text.contains($0) }
    let what = isNamed || !isUnknown(error) ? [verb] : [verb] + words
    let hint = (error as? StoreError).flatMap { advice($0, verb: verb) } ?? ""
    session.output.error("strata: \(what.joined(separator: " ")): \(text)\(hint)")
  case .peer:
    if error is Session.Opening || error is ConfigurationError || error is NamespaceError {
      session.output.line("error initializing: \(text)")
    } else {
      session.output.error(text)
    }
  }
  return ExitStatus.failure
}

/// What to do about a failure whose text does not say it; nil where the signal was the reason.
func advice(_ error: StoreError, verb: String) -> String? {
  if Interruption.pending != nil { return nil }
  switch error.code {
  case .system(Errno.noSpace.rawValue), .system(Errno.quotaExceeded.rawValue):
    return "; free some space there, or choose another place"
  case .loadError where error.message.contains("mountpoints.json"):
    return "; `strata check --repair` moves this file aside and finds out what is mounted"
  case .loadError:
    return "; `strata check --repair` moves this file aside"
  case .damaged where verb != "check":
    return "; `strata check` tells what else is damaged"
  default:
    return nil
  }
}

/// Whether a name or an id meant nothing.
private func isUnknown(_ error: any Error) -> Bool {
  guard let code = (error as? StoreError)?.code else { return false }
  return [
    .layerUnknown, .imageUnknown, .containerUnknown, .notALayer, .notAnImage, .notAContainer,
    .notAnID,
  ].contains(code)
}
