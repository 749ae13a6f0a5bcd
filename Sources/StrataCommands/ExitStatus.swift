/// What the process ends with (storage-format 8.1).
enum ExitStatus {
  static let success: Int32 = 0
  /// Any failure of a verb, a wrong number of arguments, an unknown verb.
  static let failure: Int32 = 1
  /// An unknown option behind a known verb, when called by the peer's name.
  static let badFlag: Int32 = 125
  /// An unknown option of `strata`, as other programs of today have it.
  static let usage: Int32 = 2
}

/// A verb that ends with a status and has said all there is to say.
struct Exit: Error {
  var status: Int32
}
