import StrataConfig
import StrataLazy
import StrataRegistry
package import StrataSystem

/// The daemon's whole life from its command line: the exit status of the process.
package func runLazyDaemon(_ words: [RawPath]) -> Int32 {
  if words.contains("--help") || words.contains("-h") {
    try? FileDescriptor.standardOutput.writeAll(Array(DaemonOptions.help.utf8))
    return 0
  }
  do {
    let options = try DaemonOptions(words)
    return try serveStore(options) { try source(options) }
  } catch {
    try? FileDescriptor.standardError.writeAll(Array("strata-lazy: \(error)\n".utf8))
    return 1
  }
}

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
