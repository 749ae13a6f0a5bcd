import StrataFUSE

/// What a node of the mount is, as its number says: `slot << 32 | entry`, so that a new worker knows
/// every number that the kernel holds from the old one.
enum StoreNode: Sendable {
  case root
  /// ROOT/<base64 reference>.
  case image(slot: UInt32)
  /// A node of ROOT/<base64 reference>/<digest>, which is `.directory`.
  case layer(slot: UInt32, part: LayerPart)
  /// An entry of a layer's tree, 0 its root: `diff` and all below it.
  case tree(slot: UInt32, entry: UInt32)

  /// What stands in a layer's directory besides its tree; the raw value is the entry number.
  enum LayerPart: UInt32, Sendable {
    case directory = 0
    case info = 1
    case blob = 2
  }

  /// The kernel's number of an entry of a slot.
  static func id(_ slot: UInt32, _ entry: UInt32 = 0) -> NodeID {
    NodeID(rawValue: UInt64(slot) << 32 | UInt64(entry))
  }

  /// The slot in a number.
  static func slot(of id: NodeID) -> UInt32 { UInt32(truncatingIfNeeded: id.rawValue >> 32) }

  /// Reads a number; nil for one that no worker ever gave out.
  init?(_ id: NodeID, _ slots: SlotTable) {
    if id == .root {
      self = .root
      return
    }
    let slot = UInt32(truncatingIfNeeded: id.rawValue >> 32)
    let entry = UInt32(truncatingIfNeeded: id.rawValue)
    switch slots[slot] {
    case .image where entry == 0: self = .image(slot: slot)
    case .layer:
      guard let part = LayerPart(rawValue: entry) else { return nil }
      self = .layer(slot: slot, part: part)
    case .tree: self = .tree(slot: slot, entry: entry)
    default: return nil
    }
  }
}
