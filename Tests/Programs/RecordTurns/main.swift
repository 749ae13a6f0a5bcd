import Glibc
import StrataModel

// A program for the tests of the record stores: what must happen in a process of its own, so that it
// can be killed, or be two.

do throws(StoreError) {
  try run(Array(CommandLine.arguments.dropFirst()))
} catch {
  say("error: \(error)")
  exit(1)
}
