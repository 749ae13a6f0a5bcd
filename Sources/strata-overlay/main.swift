import StrataSystem

exitProcess(run(commandLineArguments()))
