import StrataJSON
import StrataModel

extension Call {
  /// Shows the record of each word that is found, in text or as one JSON list; a word that is not
  /// found shows in the exit status alone, as with the peer, and for `strata` in a line.
  func examine<Record: JSONRecord>(
    find: (String) throws(StoreError) -> Record, lines: (Record) -> [String]
  ) throws {
    var found: [Record] = []
    var failed = false
    for word in words {
      do throws(StoreError) {
        found.append(try find(word))
      } catch {
        failed = true
        if !isPeer { say("\(word): \(error)") }
      }
    }
    if json {
      line(found)
    } else {
      found.forEach { lines($0).forEach { output.line($0) } }
    }
    if failed { throw Exit(status: ExitStatus.failure) }
  }
}
