extension [UInt8] {
  /// The array's memory for a call that fills it; passes typed errors through, which
  /// `withUnsafeMutableBytes` does not.
  @inline(__always)
  package mutating func withMutableMemory<Result, Failure: Error>(
    _ body: (UnsafeMutableRawBufferPointer) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try unsafe withUnsafeMutableBufferPointer { buffer throws(Failure) -> Result in
      try unsafe body(UnsafeMutableRawBufferPointer(buffer))
    }
  }

  /// The array's memory for a call that reads it.
  @inline(__always)
  package func withMemory<Result, Failure: Error>(
    _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try unsafe withUnsafeBufferPointer { buffer throws(Failure) -> Result in
      try unsafe body(UnsafeRawBufferPointer(buffer))
    }
  }
}

extension [UInt8] {
  /// The bytes as a raw span; safe, since every byte of a `UInt8` is initialised.
  package var rawSpan: RawSpan {
    @_lifetime(borrow self)
    get { unsafe span.bytes }
  }
}

extension [UInt8] {
  /// Appends the bytes of a span.
  @inline(__always)
  package mutating func append(_ bytes: RawSpan) {
    unsafe bytes.withUnsafeBytes { unsafe append(contentsOf: $0) }
  }

  /// The bytes of a span.
  package init(_ bytes: RawSpan) {
    self = unsafe bytes.withUnsafeBytes { unsafe [UInt8]($0) }
  }
}
