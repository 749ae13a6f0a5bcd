/// What became of a path, as `podman diff` says it.
public enum ChangeKind: Int, Hashable, Sendable, CaseIterable {
  case modified = 0
  case added = 1
  case deleted = 2

  /// `C`, `A` or `D`.
  public var letter: String {
    switch self {
    case .modified: "C"
    case .added: "A"
    case .deleted: "D"
    }
  }
}

/// One changed path of a layer.
public struct Change: Hashable, Sendable, CustomStringConvertible {
  /// What became of it.
  public var kind: ChangeKind
  /// The bytes of the path from the layer's root, with a leading slash.
  public var path: [UInt8]

  /// A change of this kind.
  public init(_ kind: ChangeKind, path: [UInt8]) {
    self.kind = kind
    self.path = path
  }

  /// For people: `A /etc/new`.
  public var description: String { "\(kind.letter) \(String(decoding: path, as: UTF8.self))" }
}
