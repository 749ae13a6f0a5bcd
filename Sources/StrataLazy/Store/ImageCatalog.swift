import StrataModel
import StrataSystem
import Synchronization

/// The images that were asked for, each resolved once however many ask at once.
///
/// An answer is kept for two minutes and a refusal for as long as `refusalTime`, so that a client
/// that looks up six layers asks the registry once.
final class ImageCatalog: Sendable {
  private struct Known {
    var task: Task<Result<ResolvedImage, SourceError>, Never>
    /// When to ask again; nil while the answer is under way.
    var end: UInt64?
  }

  private let source: any LayerSource
  private let known = Mutex<[String: Known]>([:])
  /// Nanoseconds.
  private let answerTime: UInt64 = 120_000_000_000
  private let refusalTime: UInt64
  private let timeLimit: UInt64

  /// `timeLimit` is how long a question may take, in nanoseconds, and `refusalTime` how long a
  /// failure is repeated to others without asking.
  init(_ source: any LayerSource, timeLimit: UInt64, refusalTime: UInt64) {
    self.source = source
    self.timeLimit = timeLimit
    self.refusalTime = refusalTime
  }

  /// The image of a reference; the source's errors.
  func image(_ reference: String) async throws(SourceError) -> ResolvedImage {
    let task = task(for: reference)
    let result = await task.value
    known.withLock { known in
      guard let entry = known[reference], entry.end == nil, entry.task == task else { return }
      let time = (try? result.get()) == nil ? refusalTime : answerTime
      known[reference]?.end = monotonicNanoseconds() + time
    }
    return try result.get()
  }

  private func task(for reference: String) -> Task<Result<ResolvedImage, SourceError>, Never> {
    let now = monotonicNanoseconds()
    return known.withLock { known in
      if let entry = known[reference], entry.end ?? .max > now { return entry.task }
      if known.count > 1000 { known = known.filter { $0.value.end ?? .max > now } }
      let task = Task { [source, timeLimit] () -> Result<ResolvedImage, SourceError> in
        do throws(SourceError) {
          return .success(try await source.resolve(reference, deadline: now + timeLimit))
        } catch {
          return .failure(error)
        }
      }
      known[reference] = Known(task: task, end: nil)
      return task
    }
  }
}
