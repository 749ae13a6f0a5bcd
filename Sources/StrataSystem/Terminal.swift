import Glibc

/// Whether a descriptor is a terminal.
///
/// C: `isatty`.
package func isTerminal(_ file: FileDescriptor) -> Bool {
  isatty(file.rawValue) == 1
}

/// The columns of a terminal, nil for anything else.
///
/// C: `ioctl(TIOCGWINSZ)`.
package func terminalWidth(_ file: FileDescriptor) -> Int? {
  var size = winsize()
  guard unsafe ioctl(file.rawValue, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else {
    return nil
  }
  return Int(size.ws_col)
}
