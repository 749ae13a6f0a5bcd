import StrataJSON
import StrataModel

/// The four kinds of records.
///
/// What was read is written and read again, and nothing gets lost.
func fuzzRecords(_ input: [UInt8]) {
  roundTrip(LayerRecord.self, input)
  roundTrip(ImageRecord.self, input)
  roundTrip(ContainerRecord.self, input)
  roundTrip(MountRecord.self, input)
}

private func roundTrip<Record: JSONRecord>(_ type: Record.Type, _ input: [UInt8]) {
  let summaries = try? JSONScanner.summaries(input, Record.schema)
  guard let records = try? Record.decodeAll(input) else { return }
  for (number, record) in records.enumerated() {
    if let summaries {
      if summaries.count != records.count { contradiction("summaries of other records") }
      if summaries[number].range != record.range { contradiction("a summary of another place") }
    }
    let text = record.record.encoded()
    guard let again = try? Record.decodeAll(Array("[".utf8) + text + Array("]".utf8)) else {
      contradiction("what was written cannot be read")
    }
    if again.count != 1 || again[0].record.encoded() != text {
      contradiction("another text the second time")
    }
  }
}

/// Any JSON: written and read again it is the same.
func fuzzJSON(_ input: [UInt8]) {
  guard let value = try? JSONValue(parsing: input) else { return }
  let text = value.encoded()
  guard let again = try? JSONValue(parsing: text) else {
    contradiction("what was written cannot be read")
  }
  if again.encoded() != text { contradiction("another text the second time") }
}
