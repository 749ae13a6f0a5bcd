package import StrataModel
package import StrataSystem

/// A compressor that may have made a blob.
///
/// Not among them, since nothing here writes the same bytes: Go's `compress/gzip` and klauspost's gzip,
/// pgzip and zstd (Docker, buildkit, podman, skopeo).
package enum BlobMaker: Hashable, Sendable {
  /// Strata's own gzip.
  case ownGzip
  /// zlib behind a header that is taken from the blob: Python's `gzip` and `tarfile`, bsdtar, Java.
  case zlib(header: [UInt8], level: Int)
  /// A program whose bytes no library makes, behind a header that is taken from the blob.
  case program(Program, header: [UInt8], level: Int)
  /// libzstd: the program `zstd`, and Strata.
  case zstd(ZstdSettings)

  /// Programs that are run where they are installed; the raw value is their name.
  package enum Program: String, Sendable, CaseIterable {
    case gzip, pigz
  }

  /// Those that the first bytes of a blob speak for, the likeliest first.
  ///
  /// gzip's ninth byte tells the fastest and the best level from all others.
  package static func candidates(_ signs: BlobSigns, _ compression: Compression) -> [BlobMaker] {
    switch compression {
    case .zstd:
      return ZstdSettings.all(signs.head).flatMap { settings in
        settings.ways.map { .zstd($0) }
      }
    case .gzip:
      guard let length = GzipHeader.length(signs.head) else { return [] }
      let header = Array(signs.head[..<length])
      let levels: [Int]
      switch header[8] {
      case 2: levels = [9]
      case 4: levels = [1]
      case 0: levels = [6, 5, 4, 7, 8, 3, 2, 9, 1]
      default: return []
      }
      var makers: [BlobMaker] = header == GzipHeader.fastest ? [.ownGzip] : []
      makers += levels.map { zlib(header: header, level: $0) }
      // The programs write that they run on Unix.
      guard header[9] == 3 else { return makers }
      // They tell their best and fastest levels.
      for level in levels where levels.count == 1 || 2...8 ~= level {
        makers += Program.allCases.map { .program($0, header: header, level: level) }
      }
      return makers
    case .none, .bzip2, .xz: return []
    }
  }

  /// Compresses to `sink`; nil for a program.
  package func sink(to sink: any ByteSink) -> (any FinishingSink)? {
    switch self {
    case .ownGzip: ParallelGzipSink(to: sink)
    case .zlib(let header, let level): ZlibMemberSink(to: sink, header: header, level: level)
    case .program: nil
    case .zstd(let settings): ZstdSink(to: sink, settings)
    }
  }

  /// The one that writes the same first bytes while the tar still comes, block by block; nil for those
  /// that write late.
  package var early: BlobMaker? {
    switch self {
    case .ownGzip, .program: return nil
    case .zlib: return self
    case .zstd(var settings):
      settings.workers = 0
      settings.jobSize = 0
      return .zstd(settings)
    }
  }
}
