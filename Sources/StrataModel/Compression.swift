/// How a layer's blob is compressed; the raw value is the number kept in layers.json.
public enum Compression: Int, Sendable, CaseIterable {
  case none = 0
  case bzip2 = 1
  case gzip = 2
  case xz = 3
  case zstd = 4
}
