import CStrata
import Glibc

/// A program that was started and is waited for.
package struct ChildProcess: Sendable {
  package let pid: Int32

  /// Starts `path` without a shell.
  ///
  /// Standard descriptors that are not given are /dev/null; `descriptors`, at most 16, are 3, 4 and so
  /// on there, and no other one is inherited. With `endsWithUs` it is killed when this thread ends.
  /// Errors of chdir and exec are thrown here. `arguments` includes argv[0].
  package static func start(
    _ path: RawPath, _ arguments: [RawPath], environment: [RawPath]? = nil,
    workingDirectory: RawPath? = nil, input: FileDescriptor? = nil, output: FileDescriptor? = nil,
    error: FileDescriptor? = nil, descriptors: [FileDescriptor] = [], endsWithUs: Bool = false
  ) throws(Errno) -> ChildProcess {
    let numbers = descriptors.map(\.rawValue)
    let pid = try unsafe path.withCString { program throws(Errno) -> Int32 in
      try unsafe withCStrings(arguments) { argv throws(Errno) -> Int32 in
        try unsafe withCStrings(environment ?? []) { envp throws(Errno) -> Int32 in
          try unsafe (workingDirectory ?? "").withCString { cwd throws(Errno) -> Int32 in
            try checked {
              unsafe numbers.withUnsafeBufferPointer { more in
                unsafe cstrata_spawn(
                  program, argv, environment == nil ? nil : envp,
                  workingDirectory == nil ? nil : cwd, input?.rawValue ?? -1,
                  output?.rawValue ?? -1, error?.rawValue ?? -1, more.baseAddress,
                  Int32(more.count), endsWithUs ? 1 : 0)
              }
            }
          }
        }
      }
    }
    return ChildProcess(pid: pid)
  }

  /// Waits for the end: the exit status, or 128 + the signal that ended it.
  package func wait() throws(Errno) -> Int32 {
    var status: Int32 = 0
    try check { unsafe cstrata_wait(pid, &status) }
    return status
  }

  /// The exit status as `wait` gives it if it has ended; nil while it runs.
  ///
  /// C: `waitpid(WNOHANG)`.
  package func statusIfEnded() throws(Errno) -> Int32? {
    var status: Int32 = 0
    let ended = try checked { unsafe cstrata_wait_now(pid, &status) }
    return ended == 0 ? nil : status
  }

  /// C: `kill`.
  package func signal(_ number: Int32) throws(Errno) {
    try check { cstrata_kill(pid, number) }
  }
}

/// Replaces this process by another program; returns only by throwing.
///
/// C: `execve`.
package func replaceProcess(
  _ path: RawPath, _ arguments: [RawPath], environment: [RawPath]? = nil
) throws(Errno) -> Never {
  try unsafe path.withCString { program throws(Errno) in
    try unsafe withCStrings(arguments) { argv throws(Errno) in
      try unsafe withCStrings(environment ?? []) { envp throws(Errno) in
        try check { unsafe cstrata_execve(program, argv, environment == nil ? nil : envp) }
      }
    }
  }
  throw .inputOutputError
}

/// A pipe whose ends are close-on-exec.
///
/// C: `pipe2`.
package struct Pipe: ~Copyable {
  package var readEnd: FileDescriptorOwner
  package var writeEnd: FileDescriptorOwner

  package init() throws(Errno) {
    var (r, w): (Int32, Int32) = (-1, -1)
    try check { unsafe cstrata_pipe_cloexec(&r, &w) }
    readEnd = FileDescriptorOwner(owning: r)
    writeEnd = FileDescriptorOwner(owning: w)
  }
}

/// The process's own ids.
///
/// C: `geteuid`, `getegid`.
package var processID: Int32 { getpid() }
package var effectiveUserID: UInt32 { cstrata_geteuid() }
package var effectiveGroupID: UInt32 { cstrata_getegid() }

/// The environment as `NAME=value` bytes.
package func environmentEntries() -> [RawPath] {
  var result: [RawPath] = []
  guard var next = unsafe cstrata_environment() else { return [] }
  while let entry = unsafe next.pointee {
    unsafe result.append(
      RawPath(UnsafeRawBufferPointer(start: entry, count: strlen(entry))))
    unsafe next += 1
  }
  return result
}

/// The value of an environment variable, or nil.
///
/// C: `getenv`.
package func environmentValue(_ name: String) -> String? {
  guard let value = unsafe getenv(name) else { return nil }
  return unsafe String(cString: value)
}

/// Sets an environment variable of this process and its children.
///
/// C: `setenv`.
package func setEnvironmentValue(_ name: String, _ value: String) {
  _ = unsafe setenv(name, value, 1)
}

/// Calls `body` with a null-terminated array of NUL-terminated strings.
func withCStrings<Result>(
  _ strings: [RawPath],
  _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>) throws(Errno) -> Result
) throws(Errno) -> Result {
  var pointers: [UnsafeMutablePointer<CChar>?] = unsafe []
  defer { unsafe pointers.forEach { unsafe free($0) } }
  for string in strings {
    let copy = unsafe string.withCString { unsafe strdup($0) }
    unsafe pointers.append(copy)
  }
  unsafe pointers.append(nil)
  return try unsafe pointers.withUnsafeBufferPointer { buffer throws(Errno) -> Result in
    guard let base = buffer.baseAddress else { throw .outOfMemory }
    return try unsafe body(base)
  }
}
