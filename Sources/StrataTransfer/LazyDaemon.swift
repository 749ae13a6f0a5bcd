import StrataConfig
import StrataLazy
import StrataRegistry
package import StrataSystem

/// The daemon's whole life from its command line: the exit status of the process.
///
/// This process keeps the mount, and starts itself again as the worker that serves it.
package func runLazyDaemon(_ words: [RawPath]) -> Int32 {
  if words.contains("--help") || words.contains("-h") {
    return run {
      do throws(Errno) {
        try FileDescriptor.standardOutput.writeAll(Array(DaemonOptions.help.utf8))
      } catch {
        throw LazyError("write standard output: \(error)")
      }
      return 0
    }
  }
  return run { try holdStore(words, Surroundings.ofProcess()) }
}

/// The life of a worker, which `runLazyDaemon` starts with the same words.
package func runLazyWorker(_ words: [RawPath]) -> Int32 {
  run {
    try serveHeldStore(words, Surroundings.ofProcess(), source)
  }
}

private func run(_ body: () throws -> Int32) -> Int32 {
  do {
    return try body()
  } catch {
    try? FileDescriptor.standardError.writeAll(Array("strata-lazy: \(error)\n".utf8))
    return 1
  }
}

/// `strata-lazy status`: the exit status of the process.
package func showLazyStatus(_ words: [RawPath]) -> Int32 { run { try LazyStatus(words).show() } }

/// `strata-lazy record`: the exit status of the process.
package func recordLazyRun(_ words: [RawPath]) -> Int32 { recordRun(words) }

private func source(_ options: DaemonOptions) throws -> any LayerSource {
  if let layout = options.layout { return try LayoutSource(layout) }
  let surroundings = Surroundings.ofProcess()
  return RegistryLayerSource(
    RegistryClient(
      configuration: try RegistriesConfiguration.load(surroundings: surroundings),
      options: RegistryClient.Options(), surroundings: surroundings))
}
