import StrataCommands

runStrataAndExit()
