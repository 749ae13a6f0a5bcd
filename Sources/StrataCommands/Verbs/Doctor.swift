import StrataConfig
import StrataModel
import StrataStore

extension Verb {
  static let doctor = Verb(
    names: ["doctor"], group: .store, usage: "",
    summary: "Look for what is wrong with this machine and its store, and say what to do",
    flags: [.json], needs: .nothing, isOfPeer: false,
    examples: [
      ("strata doctor", "the device, ids, configuration, records, garbage, and a trial mount")
    ],
    body: .peer { call in
      let session = call.session
      var diagnosis = Diagnosis()
      diagnosis.lookAtMachine()
      diagnosis.lookAtSubordinateIDs(session.surroundings)
      do {
        // The settings count inside of the namespace that the store is used in.
        try session.enterNamespaceIfNeeded()
        let settings = try session.settings()
        diagnosis.lookAtConfiguration(settings, try session.strataSettings())
        let store = try session.store(keepingLeftovers: true)
        diagnosis.lookAtDirectory("graph root", settings.graphRoot)
        diagnosis.lookAtDirectory("run root", settings.runRoot)
        diagnosis.lookAtStore(store)
      } catch {
        diagnosis.add(.problem, "store", failureText(error))
      }
      if call.json {
        call.line(diagnosis.json)
      } else {
        call.output.write(diagnosis.table.text)
      }
      let count = diagnosis.problemCount
      if count > 0 {
        call.output.error("strata: doctor: " + (count == 1 ? "1 problem" : "\(count) problems"))
        throw Exit(status: ExitStatus.failure)
      }
    })
}
