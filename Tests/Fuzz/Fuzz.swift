import Glibc
import StrataSystem

/// What libFuzzer calls with each input; `scripts/fuzz` links it and says which reader is meant.
///
/// A reader may refuse with an error of its own. A trap, a hang, memory beyond the bound, and an
/// answer that contradicts itself (`contradiction`) are findings.
@c(LLVMFuzzerTestOneInput)
public func fuzzOneInput(_ memory: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  let input = unsafe [UInt8](UnsafeBufferPointer(start: memory, count: count))
  reader(input)
  return 0
}

private let reader: Reader = {
  let name = environmentValue("STRATA_FUZZ_READER") ?? ""
  guard let reader = readers[name] else {
    writeToStandardError("STRATA_FUZZ_READER: one of \(readers.keys.sorted())\n")
    exit(2)
  }
  return reader
}()

private typealias Reader = @Sendable ([UInt8]) -> Void

private let readers: [String: Reader] = [
  "tar": fuzzTar, "pax": fuzzPax, "layer": fuzzLayer, "gzip": fuzzGzip,
  "compressed": fuzzCompressed, "tar-split": fuzzTarSplit, "records": fuzzRecords,
  "json": fuzzJSON, "footer": fuzzFooter, "toc": fuzzTOC, "index": fuzzIndex,
]

/// Ends the program as a finding.
func contradiction(_ what: String) -> Never {
  writeToStandardError("contradiction: \(what)\n")
  abort()
}

private func writeToStandardError(_ text: String) {
  try? FileDescriptor.standardError.writeAll(Array(text.utf8).rawSpan)
}
