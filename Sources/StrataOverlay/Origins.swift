import StrataSystem

/// `trusted.overlay.origin`: which lower file an upper one was copied from, in the kernel's format, so
/// that its number stays the same after a remount and under the kernel's overlay.
///
/// Layout: 0, 0xfb, length of the whole, flags (0: little-endian), handle type, 16 bytes of the file
/// system's identity, the handle.
enum Origin {
  static func encode(_ handle: FileHandle, uuid: [UInt8]) -> [UInt8]? {
    let length = 5 + 16 + handle.bytes.count
    guard length < 256, (0..<256).contains(handle.type) else { return nil }
    return [0, 0xfb, UInt8(length), 0, UInt8(handle.type)] + uuid + handle.bytes
  }

  static func decode(_ value: [UInt8]) -> (uuid: [UInt8], handle: FileHandle)? {
    guard value.count > 21, value[0] == 0, value[1] == 0xfb, Int(value[2]) == value.count,
      value[3] & 1 == 0
    else { return nil }
    return (
      Array(value[5..<21]), FileHandle(type: Int32(value[4]), bytes: Array(value[21...]))
    )
  }
}

extension MergedTree {
  /// Records on a copied-up file where it came from.
  ///
  /// Nothing is written where the file system has no identity or no handles.
  func writeOrigin(_ lower: FileDescriptor, layer: UInt16, to copy: FileDescriptor) throws(Errno)
    -> Bool
  {
    guard let value = originValue(lower, layer: layer) else { return false }
    do throws(Errno) {
      try copy.setXattr(marks.name("origin"), value)
      return true
    } catch  where error == .notSupported { return false }
  }

  func originValue(_ lower: FileDescriptor, layer: UInt16) -> [UInt8]? {
    guard followsOrigins, let uuid = identity(ofLayer: layer),
      let handle = try? lower.fileHandle()
    else { return nil }
    return Origin.encode(handle, uuid: uuid)
  }

  /// The 16 bytes that name a layer's file system; nil if it has none.
  private func identity(ofLayer layer: UInt16) -> [UInt8]? {
    if let known = layerUUIDs[layer] { return known.isEmpty ? nil : known }
    let uuid = (try? layers[Int(layer)].root.view.fileSystemUUID()) ?? []
    layerUUIDs[layer] = uuid
    return uuid.isEmpty ? nil : uuid
  }

  /// The number of the lower file that an upper child was copied from, if it says so.
  ///
  /// Only children of directories marked impure are asked.
  func originNumber(of name: RawPath, in parent: Slot, type: FileType) throws(Errno) -> UInt64? {
    guard try directory(parent).isImpure, let upper = try? upperDescriptor(of: parent) else {
      return nil
    }
    if followsOrigins, let value = try? upper.view.xattr("trusted.overlay.origin", of: name) {
      return decodedOrigin(value, type: type)
    }
    return nil
  }

  private func decodedOrigin(_ value: [UInt8], type: FileType) -> UInt64? {
    guard let (uuid, handle) = Origin.decode(value) else { return nil }
    for number in layers.indices where !layers[number].isUpper {
      guard identity(ofLayer: UInt16(number)) == uuid else { continue }
      guard let open = try? layers[number].root.view.open(handle, [.path]),
        let status = try? open.view.status(), status.type == type
      else { return nil }
      return inodes.number(of: status)
    }
    return nil
  }
}
