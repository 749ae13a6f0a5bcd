/// Why an operation of the store failed: a code to act on and one line for people.
///
/// Codes and texts are those of containers/storage (types/errors.go), since scripts compare the
/// lines; wrapped forms put their context in front, as Go's `%w` does.
public struct StoreError: Error, Hashable, Sendable, CustomStringConvertible {
  /// What kind of failure; one for each error value of the peer, then our own.
  public enum Code: Hashable, Sendable {
    case containerUnknown, imageUnknown, layerUnknown, digestUnknown, sizeUnknown
    case duplicateID, duplicateName, duplicateImageNames, duplicateLayerNames
    case imageUsedByContainer, layerUsedByContainer, layerUsedByImage, layerHasChildren
    case layerNotMounted, notAContainer, notALayer, notAnImage, notAnID
    case parentIsContainer, parentUnknown, storeIsReadOnly, incompleteOptions
    case invalidBigDataName, loadError, notSupported, driverNotSupported, prerequisites
    case incompatibleFileSystem, invalidMappings, noAvailableIDs, driverLayerUnknown
    /// A data item has no file.
    case fileMissing
    /// A text that is no digest.
    case invalidDigest
    /// The kernel refused; the number is its errno.
    case system(Int32)
    /// A stream of bytes was cut, malformed or not what was promised.
    case stream
    /// A file of the store does not hold what it must.
    case damaged
    /// Another process holds a lock and the caller does not want to wait for it.
    case locked
    /// The mount program could not be started, or failed.
    case mountProgram
    /// The caller asked for something that makes no sense.
    case usage
  }

  /// The kind, kept through every wrapping.
  public let code: Code
  /// One line.
  public let message: String

  /// An error with its own text.
  public init(_ code: Code, _ message: String) {
    self.code = code
    self.message = message
  }

  /// An error with the peer's text for the code.
  public init(_ code: Code) {
    self.init(code, code.text)
  }

  /// The same failure with context in front: `context: message`.
  public func wrapped(_ context: String) -> StoreError {
    StoreError(code, "\(context): \(message)")
  }

  /// The text.
  public var description: String { message }
}

extension StoreError.Code {
  /// The peer's text.
  public var text: String {
    switch self {
    case .containerUnknown: "container not known"
    case .imageUnknown: "image not known"
    case .layerUnknown: "layer not known"
    case .digestUnknown: "could not compute digest of item"
    case .sizeUnknown: "size is not known"
    case .duplicateID: "that ID is already in use"
    case .duplicateName: "that name is already in use"
    case .duplicateImageNames: "read-only image store assigns the same name to multiple images"
    case .duplicateLayerNames: "read-only layer store assigns the same name to multiple layers"
    case .imageUsedByContainer: "image is in use by a container"
    case .layerUsedByContainer: "layer is in use by a container"
    case .layerUsedByImage: "layer is in use by an image"
    case .layerHasChildren: "layer has children"
    case .layerNotMounted: "layer is not mounted"
    case .notAContainer: "identifier is not a container"
    case .notALayer: "identifier is not a layer"
    case .notAnImage: "identifier is not an image"
    case .notAnID: "identifier is not a layer, image, or container"
    case .parentIsContainer: "would-be parent layer is a container"
    case .parentUnknown: "parent of layer not known"
    case .storeIsReadOnly: "called a write method on a read-only store"
    case .incompleteOptions: "missing necessary StoreOptions"
    case .invalidBigDataName: "not a valid name for a big data item"
    case .loadError: "error loading storage metadata"
    case .notSupported: "not supported"
    case .driverNotSupported: "driver not supported"
    case .prerequisites: "prerequisites for driver not satisfied (wrong filesystem?)"
    case .incompatibleFileSystem: "backing file system is unsupported for this graph driver"
    case .invalidMappings: "invalid mappings specified"
    case .noAvailableIDs: "not enough unused IDs in user namespace"
    case .driverLayerUnknown: "unknown layer"
    case .fileMissing: "file does not exist"
    case .invalidDigest: "invalid checksum digest format"
    case .system(let number): "errno \(number)"
    case .stream: "unexpected EOF"
    case .damaged: "the store is damaged"
    case .locked: "locked by another process"
    case .mountProgram: "the mount program failed"
    case .usage: "invalid arguments"
    }
  }
}

/// A text in Go's `%q` quotes, as the peer puts names and paths into its errors.
public func quoted(_ text: String) -> String {
  var result = "\""
  for scalar in text.unicodeScalars {
    switch scalar {
    case "\"": result += "\\\""
    case "\\": result += "\\\\"
    case "\n": result += "\\n"
    case "\r": result += "\\r"
    case "\t": result += "\\t"
    case "\u{7}": result += "\\a"
    case "\u{8}": result += "\\b"
    case "\u{B}": result += "\\v"
    case "\u{C}": result += "\\f"
    case _ where scalar.value < 0x20 || scalar.value == 0x7F:
      result += "\\x" + hexText([UInt8(scalar.value)])
    default: result.unicodeScalars.append(scalar)
    }
  }
  return result + "\""
}
