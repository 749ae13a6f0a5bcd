// The program that speaks to registries. The first word says as what: `pull` and `push` are verbs of
// `strata`, which replaces itself by this program for them; `record` tells a daemon what to note, `status`
// shows what it has, `worker` is how the daemon starts itself again; anything else is the daemon's command line.

import StrataCommands
import StrataSystem
import StrataTransfer

let words = CommandLine.arguments.dropFirst()
switch words.first {
case "pull", "push":
  exitProcess(runStrata(["strata"] + words, transfer: NetworkTransfer()))
case "record":
  exitProcess(recordLazyRun(Array(commandLineArguments().dropFirst(2))))
case "status":
  exitProcess(showLazyStatus(Array(commandLineArguments().dropFirst(2))))
case "worker":
  endProcess(runLazyWorker(Array(commandLineArguments().dropFirst(2))))
default:
  openMissingStandardDescriptors()
  exitProcess(runLazyDaemon(Array(commandLineArguments().dropFirst())))
}
