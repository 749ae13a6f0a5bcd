import StrataFUSE
import StrataSystem

/// The memory that the holder keeps for its workers: the journal of requests, and the counts of `use`.
///
/// Pages of it that nobody has written take no room.
struct DaemonMemory: Sendable {
  static let size = RequestJournal.size + UseLedger.size

  let shared: SharedMemory
  var ledger: UseLedger { UseLedger(shared, at: RequestJournal.size) }

  /// Whether a worker has answered the kernel's first question, so that the mount can be used.
  var isServing: Bool { RequestJournal.isServing(shared) }

  /// Memory for a mount that is being made; its number is one that no mount had.
  static func make() throws(Errno) -> (file: SharedDescriptor, memory: DaemonMemory) {
    let file = SharedDescriptor(try SharedMemory.make("strata-lazy", size: size))
    let memory = try DaemonMemory(file.view)
    let random = randomBytes(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    RequestJournal.prepare(memory.shared, generation: random)
    return (file, memory)
  }

  /// Maps memory that another process has made; EPROTO where it is laid out otherwise.
  init(_ file: FileDescriptor) throws(Errno) {
    shared = try SharedMemory(file, size: Self.size)
  }
}

/// What a worker finds behind the standard descriptors, in this order.
enum WorkerDescriptor: Int32, CaseIterable, Sendable {
  case device = 3
  case memory
  /// The lock of the state directory, so that it is held until the last of both is gone.
  case lock
  /// What the configuration file said when the holder read it; empty: there is none.
  case configuration

  /// Takes it over, not to be inherited by children of this process.
  ///
  /// EBADF where there is none.
  func take() throws(Errno) -> SharedDescriptor {
    let twin = try FileDescriptor(rawValue: rawValue).duplicate()
    _ = FileDescriptorOwner(owning: rawValue)
    return SharedDescriptor(twin)
  }
}

/// How a worker ends, for the holder.
enum WorkerEnd {
  /// Nobody has the mount any more.
  static let mountIsGone: Int32 = 0
  /// It could not begin to serve; it has said why.
  static let failed: Int32 = 1
  /// It was asked to make room for another.
  static let makesRoom: Int32 = 75
  /// The holder is of another version: its memory is laid out otherwise.
  static let otherVersion: Int32 = 78
}
