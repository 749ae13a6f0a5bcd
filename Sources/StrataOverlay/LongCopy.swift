import StrataFUSE
import StrataSystem

/// The bytes of a large lower file on their way into the work directory, while the tree is free for
/// other requests.
///
/// Lower files never change, so a copy made without the tree's lock is as good as one made under it;
/// everything else of the copy-up is done under the lock, by the request that wanted it, which finds
/// the bytes here.
struct LongCopy: Sendable {
  let source: SharedDescriptor
  let temporary: TemporaryFile
  let length: Int64
}

/// What a request that needs a large file in the upper is to do next.
enum LongCopyStep: Sendable {
  /// The bytes are there, or are not needed any more.
  case needless
  /// Another request copies them.
  case busy
  case begin(LongCopy)
}

/// One entry of `MergedTree.longCopies`; while there is one, the node keeps its slot.
enum LongCopyState {
  case running
  case ready(LongCopy)
}

extension MergedTree {
  /// Larger files are copied by a worker: below, the change of threads costs as much as the copy.
  private static let longSize: Int64 = 256 << 10

  /// Whether a change of the node has to copy much first.
  func copiesLong(_ id: NodeID, upTo size: Int64? = nil) -> Bool {
    guard work != nil, !options.isReadOnly, let slot = try? table.slot(of: id),
      table[slot].type == .regular, !isUpper(slot), !table[slot].flags.contains(.orphan)
    else { return false }
    return wantedLength(slot, size) > Self.longSize
  }

  /// The node of a name if a change of it has to copy much first.
  func longNode(_ name: RawPath, in parentID: NodeID) -> NodeID? {
    guard let parent = try? table.slot(of: parentID), let slot = known(name, in: parent) else {
      return nil
    }
    let id = table.id(of: slot)
    return copiesLong(id) ? id : nil
  }

  private func wantedLength(_ slot: Slot, _ size: Int64?) -> Int64 {
    let whole = (try? status(of: slot).size) ?? 0
    return min(size ?? whole, whole)
  }

  /// The first to ask copies; the others wait and ask again.
  func beginLongCopy(_ id: NodeID, upTo size: Int64?) throws(Errno) -> LongCopyStep {
    guard copiesLong(id, upTo: size) else { return .needless }
    let slot = try table.slot(of: id)
    let length = wantedLength(slot, size)
    switch longCopies[slot] {
    case .running?: return .busy
    case .ready(let copy)? where copy.length >= length: return .needless
    case .ready?: dropLongCopy(id)
    case nil: break
    }
    let source = try reader(slot)
    let copy = LongCopy(
      source: source, temporary: try requireUpper().makeTemporary(), length: length)
    longCopies[slot] = .running
    table[slot].references += 1
    return .begin(copy)
  }

  /// The bytes are there, for whoever copies the node up next.
  func finishLongCopy(_ id: NodeID, _ copy: LongCopy) {
    guard let slot = try? table.slot(of: id) else { return }
    longCopies[slot] = .ready(copy)
  }

  /// They are not: the next may try.
  func abandonLongCopy(_ id: NodeID, _ copy: LongCopy) {
    guard let slot = try? table.slot(of: id) else { return }
    longCopies[slot] = .ready(copy)
    dropLongCopy(id)
  }

  /// Nobody wanted the bytes after all.
  func dropLongCopy(_ id: NodeID) {
    guard let slot = try? table.slot(of: id), case .ready(let copy)? = longCopies[slot] else {
      return
    }
    longCopies[slot] = nil
    if let name = copy.temporary.name { work?.discard(name) }
    table[slot].references -= 1
    release(slot)
  }

  /// A file in the making that holds the node's first `length` bytes already.
  func takeLongCopy(_ slot: Slot, length: Int64) throws(Errno) -> TemporaryFile? {
    guard case .ready(let copy)? = longCopies[slot], copy.length >= length else { return nil }
    if copy.length > length { try copy.temporary.descriptor.view.truncate(to: length) }
    longCopies[slot] = nil
    // The request that is being answered keeps the node.
    table[slot].references -= 1
    return copy.temporary
  }
}
