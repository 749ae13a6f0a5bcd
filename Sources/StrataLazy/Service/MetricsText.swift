/// Metrics in the text form of Prometheus: a line of help and one of kind, then a line for each sample.
struct MetricsText {
  enum Kind: String {
    case counter
    case gauge
  }

  private let prefix: String
  private var text = ""

  init(prefix: String) { self.prefix = prefix }

  var bytes: [UInt8] { Array(text.utf8) }

  mutating func add(
    _ name: String, _ kind: Kind, _ help: String, _ value: some BinaryInteger
  ) {
    add(name, kind, help, [([], Int64(clamping: value))])
  }

  /// Nothing where there are no samples.
  mutating func add(
    _ name: String, _ kind: Kind, _ help: String, _ samples: [([(String, String)], Int64)]
  ) {
    guard !samples.isEmpty else { return }
    text += "# HELP \(prefix)\(name) \(help)\n# TYPE \(prefix)\(name) \(kind.rawValue)\n"
    for (labels, value) in samples {
      let pairs = labels.map { "\($0.0)=\"\(Self.escaped($0.1))\"" }.joined(separator: ",")
      text += "\(prefix)\(name)\(pairs.isEmpty ? "" : "{\(pairs)}") \(value)\n"
    }
  }

  private static func escaped(_ value: String) -> String {
    var result = ""
    for character in value {
      switch character {
      case "\\": result += "\\\\"
      case "\"": result += "\\\""
      case "\n": result += "\\n"
      default: result.append(character)
      }
    }
    return result
  }
}
