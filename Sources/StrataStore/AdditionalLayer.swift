import StrataDrivers
import StrataJSON
public import StrataModel
public import StrataSystem

/// A layer that an additional layer store offers: its content is there, unpacked, and is not copied.
///
/// The store keeps it as long as this object, and the layers that were made of it, exist.
public final class AdditionalLayer: Sendable {
  private let store: Store
  let place: AdditionalLayerPlace
  private let offered: LayerRecord

  /// The digest of the plain tar, if the store tells.
  public var diffID: Digest? { offered.diffID }
  /// The length of the plain tar; nil where it is not known.
  public var diffSize: Int64? { offered.diffSize > 0 ? offered.diffSize : nil }
  /// The digest of the blob, if the store tells.
  public var compressedDigest: Digest? { offered.compressedDigest }
  /// The length of the blob; nil where it is not known.
  public var compressedSize: Int64? { offered.compressedSize > 0 ? offered.compressedSize : nil }
  /// The digest of the blob's table of contents, if the store tells.
  public var tocDigest: Digest? { offered.tocDigest }
  /// The directory in the additional layer store.
  public var path: RawPath { place.path }

  /// Takes a reference over that the caller has taken.
  init(_ store: Store, _ place: AdditionalLayerPlace, _ offered: LayerRecord) {
    self.store = store
    self.place = place
    self.offered = offered
  }

  deinit { store.driver.additionalLayerCalls.release(place) }

  /// Makes a layer of it, which has no files of its own.
  ///
  /// Where the store does not tell the diff ID, `diffID` goes to the flag `expected-layer-diffid`,
  /// which container tools look at when they write the image out; where it does, they must agree.
  ///
  /// Errors: `.stream` for a diff ID that is not the one expected, `.notSupported` for a layer with
  /// ID maps of its own, and those of `createLayer`.
  public func createAs(_ creation: LayerCreation, diffID: Digest? = nil) throws(StoreError)
    -> LayerRecord
  {
    if let diffID, let own = self.diffID, own != diffID {
      throw StoreError(
        .stream, "additional layer \(path): diff ID is \(own) instead of \(diffID)")
    }
    return try store.createLayer(creation, as: place) { record in
      record.takeOver(offered)
      if record.diffID == nil, let diffID {
        record.flags[Flags.expectedDiffID] = .string(diffID.description)
      }
    }
  }
}

extension LayerRecord {
  /// Reads what a store says of a layer: an object with members of a layer's record (lazy-layers 1.4).
  init(additionalLayerInfo bytes: [UInt8], from path: RawPath) throws(StoreError) {
    let list = Array("[".utf8) + bytes + Array("]".utf8)
    do throws(JSONError) {
      let found = try LayerRecord.decodeAll(list)
      guard found.count == 1, let record = found.first?.record else {
        throw JSONError("one object is wanted", at: 0)
      }
      self = record
    } catch {
      throw StoreError(.damaged, "\(path.appending("info")): \(error)")
    }
  }

  /// Takes digests, sizes, compression and flags; every other member of an `info` is no affair of the
  /// store that offers the layer.
  fileprivate mutating func takeOver(_ offered: LayerRecord) {
    compressedDigest = offered.compressedDigest
    compressedSize = max(0, offered.compressedSize)
    diffID = offered.diffID
    tocDigest = offered.tocDigest
    // podman 4.3 fails at every listing of images if it finds -1; no number is unknown too.
    diffSize = max(0, offered.diffSize)
    compression = offered.compression
    for name in offered.flags.names where name != Flags.incomplete {
      flags[name] = offered.flags[name]
    }
  }

  /// The digest that the plain tar must have: recorded, or what the image's config promised.
  var promisedDiffID: Digest? {
    diffID ?? flags.string(Flags.expectedDiffID).flatMap { try? Digest($0) }
  }
}
