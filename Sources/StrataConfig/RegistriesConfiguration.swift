package import StrataModel

/// What registries.conf and registries.conf.d say: where images are really read from, and what short
/// names mean (containers-registries.conf(5), version 2).
package struct RegistriesConfiguration: Sendable, Equatable {
  /// How a short name that several registries may hold is dealt with.
  package enum ShortNameMode: String, Sendable {
    case enforcing, permissive, disabled
  }

  /// Which pulls a mirror serves: `pull-from-mirror`.
  package enum MirrorUse: String, Sendable {
    case all
    case digestOnly = "digest-only"
    case tagOnly = "tag-only"
  }

  /// A place that holds the images of a registry.
  package struct Mirror: Sendable, Equatable {
    /// Host, or host and a part of the path.
    package var location: String
    package var isInsecure = false
    package var use = MirrorUse.all
  }

  /// One `[[registry]]`.
  package struct Registry: Sendable, Equatable {
    /// The beginning of the names that it is about, or `*.domain`.
    package var prefix: String
    /// What replaces the prefix; empty: nothing is replaced.
    package var location: String
    package var isInsecure = false
    package var isBlocked = false
    /// In the order in which they are tried, before the registry itself.
    package var mirrors: [Mirror] = []
  }

  /// Where one image may be read from.
  package struct Source: Sendable, Hashable {
    /// The image's name at that place.
    package var reference: Reference
    /// Whether certificates go unchecked and plain http will do.
    package var isInsecure: Bool

    package init(reference: Reference, isInsecure: Bool) {
      self.reference = reference
      self.isInsecure = isInsecure
    }
  }

  /// Registries in which a short name is looked for, in order.
  package var searchRegistries: [String] = []
  package var shortNameMode = ShortNameMode.enforcing
  /// Full names of short ones.
  package var aliases: [String: String] = [:]
  /// `containers-auth.json` stands for the files, anything else is a program.
  package var credentialHelpers = ["containers-auth.json"]
  package var registries: [Registry] = []

  package init() {}
}

extension RegistriesConfiguration {
  /// The places of an image in the order in which they are to be asked: mirrors, then the registry.
  ///
  /// Throws where the registry is blocked and where a rewritten name is none.
  package func sources(of reference: Reference) throws(ConfigurationError) -> [Source] {
    guard let registry = registry(of: reference) else {
      return [Source(reference: reference, isInsecure: false)]
    }
    if registry.isBlocked {
      throw ConfigurationError(
        "registry \(registry.prefix) is blocked in registries.conf: \(reference)")
    }
    var result: [Source] = []
    for mirror in registry.mirrors {
      switch mirror.use {
      case .all: break
      case .digestOnly: if reference.digest == nil { continue }
      case .tagOnly: if reference.digest != nil { continue }
      }
      result.append(
        Source(
          reference: try rewritten(reference, registry, mirror.location),
          isInsecure: mirror.isInsecure))
    }
    result.append(
      Source(
        reference: try rewritten(reference, registry, registry.location),
        isInsecure: registry.isInsecure))
    return result
  }

  /// Where an image is written to: never a mirror.
  package func destination(of reference: Reference) throws(ConfigurationError) -> Source {
    guard let registry = registry(of: reference) else {
      return Source(reference: reference, isInsecure: false)
    }
    if registry.isBlocked {
      throw ConfigurationError(
        "registry \(registry.prefix) is blocked in registries.conf: \(reference)")
    }
    return Source(
      reference: try rewritten(reference, registry, registry.location),
      isInsecure: registry.isInsecure)
  }

  /// The entry with the longest prefix that the name begins with; of equal ones the first.
  func registry(of reference: Reference) -> Registry? {
    let name = reference.description
    let matching = registries.filter { matchedLength(of: $0.prefix, in: name) != nil }
    let longest = matching.map(\.prefix.utf8.count).max()
    return matching.first { $0.prefix.utf8.count == longest }
  }

  /// How much of the name the prefix covers; nil where it is not its beginning.
  ///
  /// A prefix ends where a component of the name does. `*.domain` covers any host below that domain.
  private func matchedLength(of prefix: String, in name: String) -> Int? {
    let text = Array(name.utf8)
    if prefix.hasPrefix("*.") {
      let end = name.utf8.firstIndex(of: UInt8(ascii: "/")).map {
        name.utf8.distance(from: name.utf8.startIndex, to: $0)
      }
      let suffix = Array(prefix.utf8.dropFirst())
      guard let end, end > suffix.count, text[..<end].suffix(suffix.count).elementsEqual(suffix)
      else { return nil }
      return end
    }
    let wanted = Array(prefix.utf8)
    guard text.starts(with: wanted) else { return nil }
    if text.count == wanted.count { return wanted.count }
    return "/:@".utf8.contains(text[wanted.count]) ? wanted.count : nil
  }

  private func rewritten(_ reference: Reference, _ registry: Registry, _ location: String)
    throws(ConfigurationError) -> Reference
  {
    let name = reference.description
    if location.isEmpty { return reference }
    guard let length = matchedLength(of: registry.prefix, in: name) else { return reference }
    let text = location + String(decoding: Array(name.utf8)[length...], as: UTF8.self)
    do throws(Reference.InvalidReference) {
      return try Reference(normalizing: text)
    } catch {
      throw ConfigurationError(
        "registries.conf makes \(text) of \(name), which is no image name: \(error.reason)")
    }
  }
}
