import StrataArchive
import StrataCompression
import StrataDigest
import StrataDrivers
public import StrataModel
import StrataPersistence
public import StrataSystem

extension Store {
  /// Writes a layer's tar: the bytes that it was made of where they are known, else one made of its
  /// upper directory.
  ///
  /// `compression` nil is as recorded.
  ///
  /// A layer of an additional layer store gives its blob as it came, and so does one whose blob was kept,
  /// unless another compression is asked for.
  ///
  /// The layers' lock is held only while files are opened, not while bytes stream. A tar that does not
  /// have the recorded digest is an error at its end.
  public func diff(
    _ layer: String, from: String? = nil, compression: Compression? = nil, to sink: any ByteSink
  ) throws(StoreError) {
    try diff(layer, from: from, compression: compression, verifying: true, to: sink)
  }

  /// As above; a check compares the digest itself.
  func diff(
    _ layer: String, from: String? = nil, compression: Compression?, verifying: Bool,
    to sink: any ByteSink
  ) throws(StoreError) {
    if let record = try findLayer(layer)?.record, try otherReference(record, from) == nil {
      if let place = try driver.additionalLayer(of: record.id),
        try writeBlob(of: record, place, compression, to: sink)
      {
        return
      }
      if verifying, compression == nil, let blob = try keptBlob(of: record.id) {
        try streaming { () throws(StreamError) in _ = try blob.copy(to: sink) }
        return
      }
    }
    let opened = try openForDiff(layer, from: from)
    let taker = TakingSink(sink)
    let compressor = try Compressor(compression ?? opened.record.compression, to: taker)
    let plain = DigestingSink(compressor.sink)
    do throws(StoreError) {
      try streaming { () throws(StreamError) in
        if let tarSplit = opened.tarSplit {
          try assembleLayer(tarSplit: tarSplit, files: opened.directories.all, to: plain)
        } else {
          try writeChanges(
            upper: opened.directories.all[0], lowers: Array(opened.directories.all.dropFirst()),
            rules: opened.rules, to: plain)
        }
        try compressor.finish()
      }
    } catch {
      guard verifying, opened.tarSplit != nil, !taker.hasFailed else { throw error }
      throw StoreError(.damaged, "layer \(opened.record.id): \(error)")
    }
    let (digest, _) = plain.finish()
    if verifying, opened.tarSplit != nil, let expected = opened.record.diffID,
      expected.algorithm == .sha256,
      digest != expected
    {
      throw StoreError(
        .damaged, "layer \(opened.record.id): content has digest \(digest) instead of \(expected)")
    }
  }

  /// What a layer changes in what lies below it, sorted by path; with `from` what makes it differ from
  /// that layer, whatever that is to it.
  public func changes(_ layer: String, from: String? = nil) throws(StoreError) -> [Change] {
    let opened = try openForDiff(layer, from: from)
    return try streaming { () throws(StreamError) in
      try findChanges(
        upper: opened.directories.all[0], lowers: Array(opened.directories.all.dropFirst()),
        rules: opened.rules)
    }
  }

  /// The size of what a layer adds to its parent, or to another layer: of each file once, whatever its
  /// names.
  public func diffSize(_ layer: String, from: String? = nil) throws(StoreError) -> Int64 {
    let record = try self.layer(layer)
    let isOther = try otherReference(record, from) != nil
    guard isOther || driver.whiteoutForm == .applied else { return try driver.diffSize(record.id) }
    // Of a complete tree only what differs from the other one is the layer's own.
    let opened = try openForDiff(record.id, from: from)
    let root = opened.directories.all[0]
    let changes = try streaming { () throws(StreamError) in
      try findChanges(
        upper: root, lowers: Array(opened.directories.all.dropFirst()), rules: opened.rules)
    }
    var seen: Set<UInt64> = []
    return changes.reduce(0) { total, change in
      let name = RawPath(change.path.drop { $0 == UInt8(ascii: "/") })
      guard change.kind != .deleted, let status = try? root.status(of: name),
        status.type != .directory,
        status.linkCount == 1 || seen.insert(status.inode).inserted
      else { return total }
      return total + status.size
    }
  }

  /// A layer with what is needed to write its tar, which its deletion meanwhile does not take away.
  private struct Opened {
    let record: LayerRecord
    let directories: DiffDirectories
    let tarSplit: FileSource?
    let rules: ComparisonRules
    /// What else must stay until the end.
    var kept: [SharedDescriptor] = []
  }

  private func openForDiff(_ layer: String, from: String?) throws(StoreError) -> Opened {
    let opened = try layerStore.reading { state throws(StoreError) -> Opened? in
      guard let record = state.find(layer) else { return nil }
      return try open(record, layerStore, from)
    }
    if let opened { return opened }
    guard let (record, store) = try findAdditionalLayer(layer) else {
      throw StoreError(.layerUnknown)
    }
    return try open(record, store, from)
  }

  private func open(_ record: LayerRecord, _ store: LayerStore, _ from: String?)
    throws(StoreError) -> Opened
  {
    if let reference = try otherReference(record, from) { return try open(record, reference) }
    let path = store.tarSplitPath(record.id)
    var tarSplit: FileSource?
    do throws(Errno) {
      tarSplit = FileSource(
        try FileDescriptor.workingDirectory.open(path, .readOnly), name: path)
    } catch {
      if error != .noSuchFileOrDirectory { throw StoreError(error, "open \(path)") }
    }
    var directories = try driver.diffDirectories(record.id, asking: tarSplit == nil)
    var rules = ComparisonRules()
    rules.mappings = record.mappings
    rules.lowerMappings = record.mappings
    if driver.whiteoutForm == .applied {
      rules.upperIsComplete = true
      if let id = record.parent, !id.isEmpty {
        directories = DiffDirectories(
          own: directories.own, lowers: try driver.diffDirectories(id).own)
        rules.lowerMappings = try parentMappings(of: id)
      }
    }
    return Opened(record: record, directories: directories, tarSplit: tarSplit, rules: rules)
  }

  /// The ID maps of a layer, for a caller that may hold the shared lock already.
  private func parentMappings(of id: String) throws(StoreError) -> IDMappings {
    try findLayer(id)?.record.mappings ?? IDMappings()
  }

  /// Two layers of which neither need stand on the other: their whole trees are compared.
  private func open(_ record: LayerRecord, _ reference: LayerRecord) throws(StoreError) -> Opened {
    let (upper, lower) = (
      try driver.openTree(record.id), try driver.openTree(reference.id)
    )
    var rules = ComparisonRules()
    rules.mappings = record.mappings
    rules.lowerMappings = reference.mappings
    rules.upperIsComplete = true
    return Opened(
      record: record,
      directories: DiffDirectories(own: [upper.own[0]], lowers: [lower.own[0]]), tarSplit: nil,
      rules: rules, kept: upper.lowers + lower.lowers)
  }

  /// The layer to compare with, if it is not the parent.
  ///
  /// What is no layer stands for the parent, as with the peer.
  func otherReference(_ record: LayerRecord, _ from: String?) throws(StoreError) -> LayerRecord? {
    guard let from, !from.isEmpty, from != record.parent,
      let reference = try findLayer(from)?.record, reference.id != record.parent
    else { return nil }
    return reference
  }
}

/// The compressing end of a stream.
struct Compressor {
  let sink: any ByteSink
  private let end: () throws(StreamError) -> Void

  init(_ compression: Compression, to sink: any ByteSink) throws(StoreError) {
    switch compression {
    case .none:
      self.sink = sink
      end = { () throws(StreamError) in }
    case .gzip:
      let gzip = ParallelGzipSink(to: sink)
      self.sink = gzip
      end = { () throws(StreamError) in try gzip.finish() }
    case .zstd:
      let zstd = ZstdSink(to: sink)
      self.sink = zstd
      end = { () throws(StreamError) in try zstd.finish() }
    case .bzip2: throw StoreError(.usage, "unsupported compression format tar.bz2")
    case .xz: throw StoreError(.usage, "unsupported compression format tar.xz")
    }
  }

  func finish() throws(StreamError) { try end() }
}

/// Passes bytes on, and tells whether it was the taker that failed and not what gives them.
private final class TakingSink: ByteSink {
  private let sink: any ByteSink
  private(set) var hasFailed = false

  init(_ sink: any ByteSink) { self.sink = sink }

  func write(_ bytes: RawSpan) throws(StreamError) {
    do throws(StreamError) {
      try sink.write(bytes)
    } catch {
      hasFailed = true
      throw error
    }
  }
}
