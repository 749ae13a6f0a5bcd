import CStrata

/// Bytes of the kernel's generator.
///
/// C: `getrandom`, which never fails once the system is up.
package func randomBytes(_ count: Int) -> [UInt8] {
  var bytes = [UInt8](repeating: 0, count: count)
  unsafe bytes.withUnsafeMutableBytes { _ = unsafe cstrata_random($0.baseAddress, $0.count) }
  return bytes
}
