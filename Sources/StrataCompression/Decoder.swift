import StrataSystem

/// Why a decoder could not go on.
enum DecodeProblem {
  case malformed(String)
  case limit(String)
}

/// What one call of a decoder did.
struct DecodeStep {
  /// Bytes of input used up.
  var consumed: Int
  /// Bytes of output made.
  var produced: Int
  /// A member, frame or stream has ended; more may follow.
  var hasEnded: Bool
}

/// One compressed format, fed piece by piece.
///
/// A format that consists of several members goes on with the next one by itself when it is given
/// more bytes after an end.
protocol Decoder: AnyObject {
  /// Decodes from `input` into `output`. `isLast`: no more input will come.
  func decode(
    _ input: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer, isLast: Bool
  ) throws(StreamError) -> DecodeStep
}
