import StrataImage
import StrataJSON

/// The platform of an image that is looked for in an index (OCI image-spec, image-index.md).
struct Platform: Sendable, CustomStringConvertible {
  var operatingSystem = "linux"
  var architecture = hostArchitecture
  var variant: String?

  /// As people write it.
  var description: String {
    "\(operatingSystem)/\(architecture)" + (variant.map { "/\($0)" } ?? "")
  }

  /// The variants that will do, the best first; without one asked for, the plain entry before all.
  ///
  /// A later processor runs what was made for an earlier one of its kind.
  private var variants: [String] {
    let known: [String] =
      switch architecture {
      case "arm": ["v7", "v6", "v5"]
      case "arm64": ["v8"]
      default: []
      }
    guard let variant, !variant.isEmpty else { return [""] + known }
    guard let place = known.firstIndex(of: variant) else { return [variant, ""] }
    return known[place...] + [""]
  }

  /// The entry of an index for this platform; entries that do not name one come last.
  func choose(_ entries: [Descriptor]) -> Descriptor? {
    for variant in variants {
      let found = entries.first { entry in
        guard let platform = entry.json["platform"] else { return false }
        return platform["os"]?.string == operatingSystem
          && platform["architecture"]?.string == architecture
          && (platform["variant"]?.string ?? "") == variant
      }
      if let found { return found }
    }
    return entries.first { $0.json["platform"] == nil }
  }

  /// Whether a config is of this platform, as far as it says.
  func matches(_ config: ImageConfig) -> Bool {
    let system = config.json["os"]?.string ?? ""
    let processor = config.json["architecture"]?.string ?? ""
    return (system.isEmpty || system == operatingSystem)
      && (processor.isEmpty || processor == architecture)
  }
}
