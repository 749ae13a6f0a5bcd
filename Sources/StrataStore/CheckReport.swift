/// What `Store.check` looks at.
public struct CheckOptions: Sendable {
  /// Whether every layer's tar is made anew and its digest compared: reads the whole store.
  public var digests = true
  /// Whether layers are looked through for names that are not of their tars.
  public var contents = true
  /// How old, in seconds, a layer must be that no image and no container uses before it counts: a
  /// younger one may belong to an image that is just being written.
  public var unreferencedAge: Int64 = 24 * 3600

  /// Everything.
  public init() {}

  /// All but the search for names too many.
  public static var quick: CheckOptions {
    var options = CheckOptions()
    options.contents = false
    return options
  }
}

/// What is wrong with layers, images and containers, by their ids.
///
/// The texts are those of containers/storage.
public struct CheckReport: Sendable {
  /// One thing that is wrong.
  public struct Finding: Sendable, Hashable {
    /// One line.
    public var text: String
    /// Whether it is a layer that the driver alone knows.
    public var isUnaccounted = false
  }

  /// Findings by id, in the order in which the ids were found.
  public struct Findings: Sendable {
    /// The ids with something wrong.
    public private(set) var ids: [String] = []
    private var byID: [String: [Finding]] = [:]

    /// Nothing wrong.
    public init() {}

    /// What is wrong with one.
    public subscript(id: String) -> [Finding] { byID[id] ?? [] }

    /// Whether all is well.
    public var isEmpty: Bool { ids.isEmpty }

    mutating func add(_ findings: [Finding], to id: String) {
      if findings.isEmpty { return }
      if byID[id] == nil { ids.append(id) }
      byID[id, default: []] += findings
    }

    mutating func add(_ text: String, to id: String) { add([Finding(text: text)], to: id) }
  }

  /// Damaged layers.
  public internal(set) var layers = Findings()
  /// Damaged layers of additional stores, which nothing here can mend.
  public internal(set) var readOnlyLayers = Findings()
  /// Damaged images, those with damaged layers among them.
  public internal(set) var images = Findings()
  /// Damaged images of additional stores.
  public internal(set) var readOnlyImages = Findings()
  /// Damaged containers, those of damaged images among them.
  public internal(set) var containers = Findings()
  /// The parent of each layer, for the order of a repair.
  var parents: [String: String] = [:]

  /// Whether all is well.
  public var isEmpty: Bool {
    layers.isEmpty && readOnlyLayers.isEmpty && images.isEmpty && readOnlyImages.isEmpty
      && containers.isEmpty
  }
}
