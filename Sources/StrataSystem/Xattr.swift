import CStrata

/// XATTR_CREATE and XATTR_REPLACE of setxattr(2).
///
/// Both together are allowed and always fail: with EEXIST or with ENODATA.
package struct XattrSetting: OptionSet, Sendable {
  package let rawValue: Int32
  package init(rawValue: Int32) { self.rawValue = rawValue }

  package static let any: XattrSetting = []
  package static let create = XattrSetting(rawValue: 1)
  package static let replace = XattrSetting(rawValue: 2)
}

/// Extended attributes of an open file (not O_PATH), of an O_PATH descriptor through procfs, and of a
/// path of the working directory whose final link is not followed.
extension FileDescriptor {
  /// The value, or ENODATA.
  ///
  /// C: `fgetxattr`.
  package func xattr(_ name: RawPath) throws(Errno) -> [UInt8] {
    try unsafe name.withCString { key throws(Errno) -> [UInt8] in
      try unsafe growing { memory, size in unsafe cstrata_fgetxattr(rawValue, key, memory, size) }
    }
  }

  /// C: `fsetxattr`.
  package func setXattr(_ name: RawPath, _ value: [UInt8], _ setting: XattrSetting = .any)
    throws(Errno)
  {
    try unsafe name.withCString { key throws(Errno) in
      try unsafe value.withMemory { bytes throws(Errno) in
        try check {
          unsafe cstrata_fsetxattr(
            rawValue, key, bytes.baseAddress, bytes.count, setting.rawValue)
        }
      }
    }
  }

  /// C: `fremovexattr`.
  package func removeXattr(_ name: RawPath) throws(Errno) {
    try unsafe name.withCString { key throws(Errno) in
      try check { unsafe cstrata_fremovexattr(rawValue, key) }
    }
  }

  /// The names, as the kernel lists them.
  ///
  /// C: `flistxattr`.
  package func xattrNames() throws(Errno) -> [RawPath] {
    splitNames(
      try unsafe growing { memory, size in
        unsafe cstrata_flistxattr(rawValue, memory?.assumingMemoryBound(to: CChar.self), size)
      })
  }

  /// As `xattr`, for an O_PATH descriptor.
  ///
  /// A symbolic link cannot be reached so: EBADF from no kernel, but the link's target must not be
  /// taken for it; use `RawPath.xattr` there.
  package func pathXattr(_ name: RawPath) throws(Errno) -> [UInt8] {
    try unsafe procPath.withCString { path throws(Errno) -> [UInt8] in
      try unsafe name.withCString { key throws(Errno) -> [UInt8] in
        try unsafe growing { memory, size in unsafe cstrata_getxattr(path, key, memory, size) }
      }
    }
  }

  /// As `setXattr`, for an O_PATH descriptor.
  package func setPathXattr(_ name: RawPath, _ value: [UInt8], _ setting: XattrSetting = .any)
    throws(Errno)
  {
    try unsafe procPath.withCString { path throws(Errno) in
      try unsafe name.withCString { key throws(Errno) in
        try unsafe value.withMemory { bytes throws(Errno) in
          try check {
            unsafe cstrata_setxattr(path, key, bytes.baseAddress, bytes.count, setting.rawValue)
          }
        }
      }
    }
  }

  /// As `removeXattr`, for an O_PATH descriptor.
  package func removePathXattr(_ name: RawPath) throws(Errno) {
    try unsafe procPath.withCString { path throws(Errno) in
      try unsafe name.withCString { key throws(Errno) in
        try check { unsafe cstrata_removexattr(path, key) }
      }
    }
  }

  /// As `xattrNames`, for an O_PATH descriptor.
  package func pathXattrNames() throws(Errno) -> [RawPath] {
    splitNames(
      try unsafe procPath.withCString { path throws(Errno) -> [UInt8] in
        try unsafe growing { memory, size in
          unsafe cstrata_listxattr(path, memory?.assumingMemoryBound(to: CChar.self), size)
        }
      })
  }

  /// The attribute of a name below this directory, links not followed: through the directory's
  /// entry in procfs, whose own final component is then the name.
  ///
  /// C: `lgetxattr`.
  package func xattr(_ name: RawPath, of path: RawPath) throws(Errno) -> [UInt8] {
    try unsafe procPath.appending(path).withCString { full throws(Errno) -> [UInt8] in
      try unsafe name.withCString { key throws(Errno) -> [UInt8] in
        try unsafe growing { memory, size in unsafe cstrata_lgetxattr(full, key, memory, size) }
      }
    }
  }

  /// C: `lsetxattr`; see `xattr(_:of:)`.
  package func setXattr(
    _ name: RawPath, _ value: [UInt8], of path: RawPath, _ setting: XattrSetting = .any
  ) throws(Errno) {
    try unsafe procPath.appending(path).withCString { full throws(Errno) in
      try unsafe name.withCString { key throws(Errno) in
        try unsafe value.withMemory { bytes throws(Errno) in
          try check {
            unsafe cstrata_lsetxattr(full, key, bytes.baseAddress, bytes.count, setting.rawValue)
          }
        }
      }
    }
  }

  /// C: `llistxattr`; see `xattr(_:of:)`.
  package func xattrNames(of path: RawPath) throws(Errno) -> [RawPath] {
    splitNames(
      try unsafe procPath.appending(path).withCString { full throws(Errno) -> [UInt8] in
        try unsafe growing { memory, size in
          unsafe cstrata_llistxattr(full, memory?.assumingMemoryBound(to: CChar.self), size)
        }
      })
  }

  /// C: `lremovexattr`; see `xattr(_:of:)`.
  package func removeXattr(_ name: RawPath, of path: RawPath) throws(Errno) {
    try unsafe procPath.appending(path).withCString { full throws(Errno) in
      try unsafe name.withCString { key throws(Errno) in
        try check { unsafe cstrata_lremovexattr(full, key) }
      }
    }
  }
}

/// Calls with a buffer that grows while the kernel says ERANGE.
private func growing(
  _ call: (UnsafeMutableRawPointer?, Int) -> Int
) throws(Errno) -> [UInt8] {
  var size = 256
  while true {
    var buffer = [UInt8](repeating: 0, count: size)
    do throws(Errno) {
      let count = try unsafe buffer.withMutableMemory { memory throws(Errno) -> Int in
        try checked { unsafe call(memory.baseAddress, memory.count) }
      }
      buffer.removeLast(size - count)
      return buffer
    } catch  where error == .outOfRange && size < 1 << 20 {
      size *= 8
    }
  }
}

private func splitNames(_ list: [UInt8]) -> [RawPath] {
  list.split(separator: 0).map { RawPath($0) }
}
