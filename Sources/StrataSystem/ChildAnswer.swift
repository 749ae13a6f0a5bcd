extension ChildProcess {
  /// Runs a program to its end: hands it `input`, which must fit into a pipe, and gives its status and
  /// what it has written to standard output, at most `limit` bytes.
  ///
  /// Its standard error is ours. Errors of exec are thrown here.
  package static func answer(
    of path: RawPath, _ arguments: [RawPath], input: [UInt8], limit: Int
  ) throws(Errno) -> (status: Int32, output: [UInt8]) {
    let question = try Pipe()
    let answer = try Pipe()
    let child = try start(
      path, arguments, input: question.readEnd.view, output: answer.writeEnd.view,
      error: .standardError)
    // Ends that stay open here would hide the end of the other side.
    try closeEnds(question.readEnd, answer.writeEnd)
    let inputEnd = question.writeEnd
    // A program that does not read what it is asked says so by its status.
    try? inputEnd.view.writeAll(input)
    try inputEnd.close()
    let outputEnd = answer.readEnd
    let output = try outputEnd.view.readToEnd(limit: limit)
    try outputEnd.close()
    return (try child.wait(), output)
  }

  private static func closeEnds(
    _ first: consuming FileDescriptorOwner, _ second: consuming FileDescriptorOwner
  ) throws(Errno) {
    try first.close()
    try second.close()
  }
}
