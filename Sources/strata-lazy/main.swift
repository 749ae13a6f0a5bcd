// The program that speaks to registries. The first word says as what: `pull` and `push` are verbs of
// `strata`, which replaces itself by this program for them.

import StrataCommands
import StrataSystem
import StrataTransfer

let words = CommandLine.arguments.dropFirst()
switch words.first {
case "pull", "push":
  exitProcess(runStrata(["strata"] + words, transfer: NetworkTransfer()))
default:
  try? FileDescriptor.standardError.writeAll(
    Array("strata-lazy: the first word is pull or push: see `strata pull --help`\n".utf8))
  exitProcess(2)
}
