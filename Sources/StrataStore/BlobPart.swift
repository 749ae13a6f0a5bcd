/// How much of the blob that a layer comes as is kept beside it, as data items of the layer.
///
/// What is kept goes with the layer, whoever deletes it.
public enum BlobPart: Sendable {
  /// Nothing: no record is other than the peers write it.
  case nothing
  /// Signs by which the compressor can be told: enough to make the same blob again where that can be
  /// done.
  case signs
  /// Those, and the blob itself.
  case whole

  /// The key of the data item with the signs (`BlobSigns`).
  package static let signsKey = "strata.signs"
  /// The key of the data item with the blob.
  package static let blobKey = "strata.blob"
}
