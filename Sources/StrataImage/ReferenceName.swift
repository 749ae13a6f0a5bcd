/// Whether a text may name an image in an OCI layout.
///
/// The rule of `org.opencontainers.image.ref.name` (OCI image-spec, annotations.md): components
/// between slashes, each of letters and digits with one of `-._:@+`, or two dashes, between them.
/// skopeo and podman read no others.
func isReferenceName(_ text: String) -> Bool {
  text.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
    .allSatisfy(isComponent)
}

private func isComponent(_ bytes: Substring.UTF8View) -> Bool {
  let dash = UInt8(ascii: "-")
  // What stands between the last letter or digit and here; nil before the first one.
  var separator: [UInt8]?
  for byte in bytes {
    if isLetterOrDigit(byte) {
      separator = []
    } else if "-._:@+".utf8.contains(byte), separator == [] || (separator == [dash] && byte == dash)
    {
      separator?.append(byte)
    } else {
      return false
    }
  }
  return separator == []
}

private func isLetterOrDigit(_ byte: UInt8) -> Bool {
  switch byte {
  case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
    UInt8(ascii: "0")...UInt8(ascii: "9"):
    true
  default: false
  }
}
