import StrataSystem

/// Takes every byte of an archive that belongs to no body: headers, padding, the end.
protocol TarRecorder: AnyObject {
  func segment(_ bytes: RawSpan) throws(StreamError)
  func segment(_ bytes: [UInt8]) throws(StreamError)
}

extension TarSplitWriter: TarRecorder {}
