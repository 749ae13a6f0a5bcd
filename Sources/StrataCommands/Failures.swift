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

/// Reports an error in the form of the program that was called, and gives the exit status.
func report(_ error: any Error, verb: String, in session: Session) -> Int32 {
  if let exit = error as? Exit { return exit.status }
  let text = failureText(error)
  switch session.persona {
  case .strata: session.output.error("strata: \(verb): \(text)")
  case .peer:
    if error is Session.Opening || error is ConfigurationError || error is NamespaceError {
      session.output.line("error initializing: \(text)")
    } else {
      session.output.error(text)
    }
  }
  return ExitStatus.failure
}
