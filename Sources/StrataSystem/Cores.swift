import CStrata
import Glibc

/// How many cores the machine has switched on; 1 if that is not to be known.
///
/// C: `sysconf(_SC_NPROCESSORS_ONLN)`.
package var onlineCores: Int { max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN))) }

/// The core that the calling thread runs on at this moment; -1 if that is not to be known.
///
/// C: `sched_getcpu`.
package func currentCore() -> Int32 { cstrata_current_core() }

/// Lets the calling thread run on the process's other cores only; nothing happens if there are none.
///
/// C: `sched_setaffinity`.
package func leaveCore(_ core: Int32) { _ = cstrata_leave_core(core) }

/// Gives the calling thread the lowest ordinary priority, for good.
///
/// C: `setpriority(PRIO_PROCESS, 0, 19)`, which on Linux counts for the one thread.
package func lowerThreadPriority() { _ = cstrata_lower_thread_priority() }

/// Occupies the core for a moment, as far as the hardware can without using much of it.
package func relaxCore(times: Int32) { cstrata_relax_core(times) }

/// Brings the calling thread to a core at once; it may go where it could go before.
///
/// C: `sched_setaffinity`, twice.
package func moveToCore(_ core: Int32) { _ = cstrata_move_to_core(core) }

/// The core on which a thread of this or another process ran last; nil where procfs does not tell.
///
/// Source: proc(5), field 39 of `stat`, counted from behind the name, which may hold anything.
package func coreOfThread(_ number: UInt32) -> Int32? {
  guard number != 0,
    let text = try? FileDescriptor.workingDirectory.contents(
      of: RawPath("/proc/\(number)/stat"), limit: 4096),
    let name = text.lastIndex(of: UInt8(ascii: ")"))
  else { return nil }
  let fields = text[(name + 1)...].split(separator: UInt8(ascii: " "))
  return fields.count > 36 ? Int32(String(decoding: fields[36], as: UTF8.self)) : nil
}
