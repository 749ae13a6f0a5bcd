import StrataCommands
import StrataConfig
import StrataJSON
import StrataLazy
import StrataSystem

/// `strata-lazy status`: what the daemon of a state directory has of each image and layer.
struct LazyStatus {
  private enum Form { case text, json, metrics }

  private var form = Form.text
  private let root: RawPath

  /// Reads the words behind `status`: those of the daemon's command line that say where its state is, and
  /// `--json` or `--metrics`.
  init(_ words: [RawPath]) throws(LazyError) {
    var rest: [RawPath] = []
    for word in words {
      switch word {
      case "--json", "-json": form = .json
      case "--metrics", "-metrics": form = .metrics
      default: rest.append(word)
      }
    }
    let surroundings = Surroundings.ofProcess()
    let text = try ConfigurationText.read(
      try DaemonOptions.configurationPath(rest), surroundings)
    root = try DaemonOptions(anywhere: rest, text, surroundings).root
  }

  func show() throws -> Int32 {
    let answer = try StatusClient(root: root).ask(form == .metrics ? .metrics : .status)
    let text = form == .text ? try Self.text(JSONValue(parsing: answer)) : answer
    try FileDescriptor.standardOutput.writeAll(form == .json ? text + [10] : text)
    return 0
  }

  // MARK: - Text

  private static func text(_ status: JSONValue) -> [UInt8] {
    let cache = status["cache"]
    let limit = cache?["limitBytes"]?.int64.map { " of \(humanSize($0))" } ?? ""
    var text = """
      \(status["mountPoint"]?.string ?? ""): worker \(number(status, "worker")), \
      number \(number(status, "workerStarts")); \(number(status, "waitingRequests")) requests wait
      cache: \(humanSize(cache?["heldBytes"]?.int64 ?? 0))\(limit)\n
      """
    for image in status["images"]?.array ?? [] {
      text += "\n\(image["reference"]?.string ?? "")\n"
      var table = Table(
        ["LAYER", "STATE", "USES", "SIZE", "FETCHED", "CACHED", "VERIFIED", "FROM"],
        [.left, .left, .right, .right, .right, .right, .left, .left])
      var errors = ""
      for layer in image["layers"]?.array ?? [] {
        table.add(row(layer))
        guard let error = layer["lastError"]?.string, !error.isEmpty else { continue }
        errors += "  \(short(layer)): \(error)\n"
      }
      text += table.text + errors
    }
    return Array(text.utf8)
  }

  private static func row(_ layer: JSONValue) -> [String] {
    guard layer["isLazy"]?.bool == true else {
      return [short(layer), "not lazy", "\(number(layer, "uses"))", "", "", "", "", ""]
    }
    let cached =
      if let all = layer["payloadBytes"]?.int64, let held = layer["cachedBytes"]?.int64 {
        "\(all == 0 ? 100 : Int(Double(held) / Double(all) * 100)) %"
      } else { "?" }
    return [
      short(layer), layer["state"]?.string ?? "", "\(number(layer, "uses"))",
      humanSize(number(layer, "blobBytes")),
      "\(humanSize(number(layer, "fetchedBytes"))) in \(number(layer, "requests"))", cached,
      layer["isVerified"]?.bool == true ? "whole" : "\(number(layer, "verifiedChunks")) chunks",
      layer["mirror"]?.string ?? "",
    ]
  }

  private static func number(_ value: JSONValue, _ name: String) -> Int64 {
    value[name]?.int64 ?? 0
  }

  /// The digest's algorithm and its first twelve digits.
  private static func short(_ layer: JSONValue) -> String {
    String((layer["digest"]?.string ?? "").prefix(19))
  }
}
