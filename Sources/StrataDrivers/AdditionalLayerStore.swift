// Additional layer stores as the configuration names them: directory trees, often of a FUSE server,
// that offer the content of layers which were never pulled (lazy-layers 1.1, 1.2).

package import StrataModel
package import StrataSystem

/// A directory in which layers are looked up.
package struct AdditionalLayerStore: Hashable, Sendable {
  /// The root of its tree, absolute and cleaned.
  package let path: RawPath
  /// Whether the image's name, as base 64, stands between the root and the digest of a layer.
  package let takesReference: Bool

  /// Reads `PATH[:ref]`; the texts of errors are those of containers/storage.
  ///
  /// The path is not looked at: a store that hangs would hold up commands that do not need it.
  package init(parsing text: String) throws(StoreError) {
    let words = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
    path = RawPath(words[0]).cleaned
    guard path.isAbsolute else {
      throw StoreError(
        .usage,
        "overlay: additionallayerstore path \(quoted(path.description)) is not absolute.  "
          + "Can not be relative")
    }
    for word in words.dropFirst() where word != "ref" {
      throw StoreError(
        .usage,
        "overlay: additionallayerstore config \(quoted(path.description)) contains unknown option "
          + quoted(word))
    }
    if words.count > 2 {
      throw StoreError(
        .usage,
        "overlay: additionallayerstore config of \(quoted(path.description)) contains \"ref\" "
          + "option twice")
    }
    takesReference = words.count == 2
  }

  /// Where a layer of this digest is, if the store has it; nil where it wants the name of an image
  /// and none is given.
  package func place(of digest: Digest, imageReference: String?) -> AdditionalLayerPlace? {
    var directory = path
    if takesReference {
      guard let imageReference else { return nil }
      var encoded: [UInt8] = []
      encoded.appendBase64(of: Array(imageReference.utf8).rawSpan)
      directory = directory.appending(RawPath(encoded))
    }
    return AdditionalLayerPlace(
      path: directory.appending(RawPath(digest.description)), store: path)
  }
}

/// The directory of one layer in an additional layer store.
package struct AdditionalLayerPlace: Hashable, Sendable {
  /// The directory, with `diff`, `info` and `blob` in it.
  package let path: RawPath
  /// The root of the store, by which all its layers are known to share its fate.
  package let store: RawPath

  /// The content, in the whiteout form of overlayfs.
  package var diff: RawPath { path.appending("diff") }

  init(path: RawPath, store: RawPath) {
    self.path = path
    self.store = store
  }

  /// What the file `additionallayer` of a layer says; the store need not be configured any more.
  init(path: RawPath) {
    self.path = path
    var parent = path.parent
    // An image's name is longer than the names of directories that people choose, and padded.
    var name: [UInt8] = []
    if name.appendDecoded(base64: parent.lastComponent.bytes), name.contains(UInt8(ascii: "/")) {
      parent = parent.parent
    }
    store = parent
  }
}
