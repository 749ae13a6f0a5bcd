import StrataModel

/// Which contents are dear, at one moment: those of layers that are kept, and of these the ones whose
/// trees were asked for.
///
/// Holds the first eight bytes of their digests, sorted, so that a million files cost 8 MB while it
/// lives. Two digests that share them share a rank: that costs an order and no content.
struct CacheRanks: Sendable {
  private var digests: [EvictionRank: [UInt64]] = [:]
  /// Of files that somebody has open.
  private let open: Set<SHA256Value>
  private let keepsMounted: Bool

  /// `keepsMounted`: content of trees that were asked for is not to be taken at all.
  init(open: Set<SHA256Value>, keepsMounted: Bool) {
    self.open = open
    self.keepsMounted = keepsMounted
  }

  /// Adds the contents of a layer; `rank` is what it has at least.
  mutating func add(_ index: LayerIndex, as rank: EvictionRank) {
    for entry in 0..<UInt32(index.entryCount) {
      guard let key = index.payloadKey(of: entry) else { continue }
      digests[rank, default: []].append(key.words.0)
    }
  }

  /// To be called once, when all layers were added.
  mutating func seal() {
    for rank in digests.keys { digests[rank]?.sort() }
  }

  /// The rank of content of that name; nil where it has to stay.
  func rank(_ key: SHA256Value) -> EvictionRank? {
    if open.contains(key) { return nil }
    if has(key.words.0, .mounted) { return keepsMounted ? nil : .mounted }
    return has(key.words.0, .referenced) ? .referenced : .unreferenced
  }

  private func has(_ digest: UInt64, _ rank: EvictionRank) -> Bool {
    guard let list = digests[rank] else { return false }
    var low = 0
    var high = list.count
    while low < high {
      let middle = low + (high - low) / 2
      if list[middle] < digest { low = middle + 1 } else { high = middle }
    }
    return low < list.count && list[low] == digest
  }
}
