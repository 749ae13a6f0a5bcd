import StrataArchive
import StrataModel
import StrataSystem

extension LayerIndexBuilder {
  /// A directory's names in order, as they will be shown.
  private struct Listing {
    /// Of each inode of the tree, where its children begin in `children`; one more at the end.
    var starts: [Int]
    /// Numbers of the tree's children, those of one directory together and sorted.
    var children: [Int]
  }

  /// What the breadth-first walk makes: numbers in which a parent comes before its children.
  private struct Numbering {
    /// The tree's inodes in the order of their new numbers.
    var order: [Int] = [0]
    var numbers: [UInt32]
    var parents: [UInt32] = [0]
    var linkCounts: [UInt32] = [2]
    /// Of each new number that is a directory: first child record and how many.
    var ranges: [(first: Int, count: Int)] = [(0, 0)]
    var records: [UInt8] = []
    var names: [UInt8] = []
    var recordCount = 0
  }

  /// Writes everything that the rows said.
  func write(to file: FileDescriptor) throws(StreamError) {
    let numbering = number(listing())
    let extents = try chunks.extents(tocOffset: facts.toc.offset)
    var header = IndexHeader(facts)
    header.prefetchEnd = hasNoPrefetchMark ? nil : landmark
    header.prefetchesNothing = hasNoPrefetchMark
    for number in numbering.order where tree.inodes[number].type == .regular {
      header.fileCount += 1
      header.payloadBytes += tree.inodes[number].size
    }
    var writer = IndexWriter(file, header)
    let payloads = try writeInodes(numbering, to: &writer)
    try writer.append { $0.append(contentsOf: numbering.records) }
    try writer.end(.children)
    try writer.append { $0.append(contentsOf: numbering.names) }
    try writer.end(.names)
    try writer.append { $0.append(contentsOf: xattrs) }
    try writer.end(.xattrs)
    try writer.append { $0.append(contentsOf: targets) }
    try writer.end(.targets)
    for (chunk, extent) in zip(chunks.chunks, extents) {
      try writer.append { bytes in
        bytes.append(little: chunk.fileOffset)
        bytes.append(little: chunk.isHole ? 0 : chunk.offset)
        bytes.append(little: chunk.length)
        bytes.append(little: chunk.innerOffset)
        bytes.append(little: extent)
        bytes.append(chunk.digest)
      }
    }
    try writer.end(.chunks)
    for payload in payloads { try writer.append { $0.append(payload) } }
    try writer.end(.payloads)
    try writer.finish()
  }

  private func listing() -> Listing {
    let children = tree.children
    let shown = children.indices.filter { number in
      let child = children[number]
      guard tree.inodes[Int(child.inode)].flags.contains(.whiteout) else { return true }
      // A name that the layer has itself hides nothing.
      return tree.find(tree.name(of: child).dropFirst(Whiteout.prefix.count), in: child.parent)
        == nil
    }
    var starts = [Int](repeating: 0, count: tree.inodes.count + 1)
    for number in shown { starts[Int(children[number].parent) + 1] += 1 }
    for index in 1..<starts.count { starts[index] += starts[index - 1] }
    var next = starts
    var placed = [Int](repeating: 0, count: shown.count)
    for number in shown {
      let parent = Int(children[number].parent)
      placed[next[parent]] = number
      next[parent] += 1
    }
    for parent in tree.inodes.indices where starts[parent + 1] - starts[parent] > 1 {
      placed[starts[parent]..<starts[parent + 1]].sort {
        shownName(children[$0]).lexicographicallyPrecedes(shownName(children[$1]))
      }
    }
    return Listing(starts: starts, children: placed)
  }

  private func shownName(_ child: IndexTree.Child) -> ArraySlice<UInt8> {
    let name = tree.name(of: child)
    let isWhiteout = tree.inodes[Int(child.inode)].flags.contains(.whiteout)
    return isWhiteout ? name.dropFirst(Whiteout.prefix.count) : name
  }

  private func number(_ listing: Listing) -> Numbering {
    var result = Numbering(
      numbers: [UInt32](repeating: IndexLayout.none, count: tree.inodes.count))
    result.numbers[0] = 0
    var directory = 0
    while directory < result.order.count {
      let inode = result.order[directory]
      if tree.inodes[inode].type == .directory {
        let children = listing.children[listing.starts[inode]..<listing.starts[inode + 1]]
        result.ranges[directory] = (result.recordCount, children.count)
        for child in children { append(tree.children[child], in: directory, to: &result) }
      }
      directory += 1
    }
    return result
  }

  private func append(_ child: IndexTree.Child, in directory: Int, to result: inout Numbering) {
    let target = Int(child.inode)
    let type = tree.inodes[target].type
    if result.numbers[target] == IndexLayout.none {
      result.numbers[target] = UInt32(result.order.count)
      result.order.append(target)
      result.parents.append(UInt32(directory))
      result.linkCounts.append(type == .directory ? 2 : 0)
      result.ranges.append((0, 0))
    }
    let number = Int(result.numbers[target])
    if type == .directory {
      result.linkCounts[directory] += 1
    } else {
      result.linkCounts[number] += 1
    }
    let name = shownName(child)
    result.records.append(little: UInt32(number))
    result.records.append(little: UInt32(result.names.count))
    result.records.append(little: UInt16(name.count))
    result.records.append(type.rawValue)
    result.records.append(0)
    result.names.append(contentsOf: name)
    result.recordCount += 1
  }

  /// Writes the inodes and returns the digests of the payloads that they point at.
  private func writeInodes(
    _ numbering: Numbering, to writer: inout IndexWriter
  ) throws(StreamError) -> [SHA256Value] {
    var payloads: [SHA256Value] = []
    for (number, treeNumber) in numbering.order.enumerated() {
      let inode = tree.inodes[treeNumber]
      let isDirectory = inode.type == .directory
      var payload = IndexLayout.none
      if let digest = inode.payload, !inode.flags.contains(.digestIsChunk) {
        payload = UInt32(payloads.count)
        payloads.append(digest)
      }
      let range = numbering.ranges[number]
      try writer.append { bytes in
        bytes.append(little: inode.mode)
        bytes.append(little: inode.uid)
        bytes.append(little: inode.gid)
        bytes.append(little: numbering.linkCounts[number])
        bytes.append(little: inode.deviceMajor)
        bytes.append(little: inode.deviceMinor)
        bytes.append(little: inode.size)
        bytes.append(little: inode.seconds)
        bytes.append(little: inode.nanoseconds)
        bytes.append(little: inode.flags.rawValue)
        bytes.append(little: isDirectory ? UInt32(range.first) : inode.firstChunk)
        bytes.append(little: isDirectory ? UInt32(range.count) : inode.chunkCount)
        bytes.append(little: numbering.parents[number])
        bytes.append(little: inode.xattrOffset)
        bytes.append(little: inode.xattrLength)
        bytes.append(little: inode.targetOffset)
        bytes.append(little: payload)
        bytes.append(little: UInt32(0))
      }
    }
    try writer.end(.inodes)
    return payloads
  }
}
