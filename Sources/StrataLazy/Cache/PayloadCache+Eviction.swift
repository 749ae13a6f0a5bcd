package import StrataModel
package import StrataSystem

/// How dear content is: what is unreferenced goes first.
package enum EvictionRank: Int, Comparable, Sendable {
  /// No layer that is kept has it.
  case unreferenced
  /// Of a layer that is kept and in no mount.
  case referenced
  /// Of a layer in a mount; no open file has it.
  case mounted

  package static func < (left: EvictionRank, right: EvictionRank) -> Bool {
    left.rawValue < right.rawValue
  }
}

/// What an eviction did.
package struct Eviction: Sendable, Equatable {
  /// Files that were removed, and their bytes on disk.
  package var removedFiles = 0
  package var removedBytes: Int64 = 0
  /// What the cache holds afterwards.
  package var remainingBytes: Int64 = 0
}

extension PayloadCache {
  /// A file that may go; small, since there may be a million.
  private struct Candidate {
    var key: SHA256Value
    /// Of partial content, and whether it is its map.
    var layout: SHA256Value?
    var isMap = false
    var rank: EvictionRank
    var time: Int64
    var bytes: Int64

    var path: RawPath {
      guard let layout else { return PayloadCache.path(key) }
      return RawPath("partial/\(key.hex)-\(layout.hex)\(isMap ? ".map" : "")")
    }
  }

  /// Removes content until at most `limit` bytes are left and `free` bytes more are free than before,
  /// dearest last and least recently opened first; unreferenced content that was not opened for `age`
  /// seconds goes in any case.
  ///
  /// `rank` says how dear the content of that name is; nil: it is open or handed out, and stays. Open
  /// partial content stays. What is removed can still be read by those who have it open.
  package func evict(
    limit: Int64?, free: Int64 = 0, age: Int64?, rank: (SHA256Value) -> EvictionRank?
  ) throws(StreamError) -> Eviction {
    var result = Eviction()
    var candidates: [Candidate] = []
    let directory = directory
    do throws(Errno) {
      let files = try directory.view.open("files", [.readOnly, .directory])
      for folder in try files.view.entries() {
        let path = RawPath("files").appending(folder.name)
        try collect(path, rank, &candidates, &result)
      }
      try collect("partial", rank, &candidates, &result)
      candidates.sort { ($0.rank, $0.time) < ($1.rank, $1.time) }
      let goal = min(limit ?? Int64.max, free > 0 ? result.remainingBytes - free : Int64.max)
      let oldest = age.map { FileTime.now.seconds - $0 }
      for candidate in candidates {
        let isOld = candidate.rank == .unreferenced && oldest.map { candidate.time < $0 } ?? false
        guard isOld || result.remainingBytes > goal else { continue }
        // Somebody may have begun to use it while the others were looked at.
        if let layout = candidate.layout, isOpen(partial: layout) { continue }
        do throws(Errno) {
          try directory.view.unlink(candidate.path)
        } catch  where error == .noSuchFileOrDirectory {}
        result.removedFiles += 1
        result.removedBytes += candidate.bytes
        result.remainingBytes -= candidate.bytes
      }
    } catch { throw StreamError(error, "make room in the cache") }
    return result
  }

  /// The files of a folder that may go; all of them are counted.
  private func collect(
    _ folder: RawPath, _ rank: (SHA256Value) -> EvictionRank?, _ candidates: inout [Candidate],
    _ result: inout Eviction
  ) throws(Errno) {
    let directory = directory
    let opened = try directory.view.open(folder, [.readOnly, .directory])
    for entry in try opened.view.entries() {
      let name = Array(entry.name.bytes)
      let status: FileStatus
      do throws(Errno) {
        status = try opened.view.status(of: entry.name)
      } catch  where error == .noSuchFileOrDirectory { continue }
      let bytes = Int64(status.blocks) * 512
      result.remainingBytes += bytes
      guard let key = SHA256Value(hex: name.prefix(64)), let rank = rank(key) else { continue }
      var candidate = Candidate(
        key: key, rank: rank, time: status.modificationTime.seconds, bytes: bytes)
      if name.count > 64 {
        // `<sha256>-<layout>` and its map.
        guard let layout = SHA256Value(hex: name.dropFirst(65).prefix(64)),
          !isOpen(partial: layout)
        else { continue }
        candidate.layout = layout
        candidate.isMap = name.count > 129
      }
      candidates.append(candidate)
    }
  }
}
