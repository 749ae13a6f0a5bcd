package import StrataSystem

/// A sink that has to be told where its bytes end.
package protocol FinishingSink: ByteSink {
  /// Writes what is still to come; nothing is written afterwards.
  func finish() throws(StreamError)
}

extension GzipSink: FinishingSink {}
extension ParallelGzipSink: FinishingSink {}
extension ZlibMemberSink: FinishingSink {}
extension ZstdSink: FinishingSink {}
