import StrataJSON
import StrataModel

/// What a member of an image's config may hold (OCI image specification, config.md).
///
/// podman reads the config of every image of a store whenever it lists images, and gives up at the
/// first that it cannot read: one wrong member would make the whole store unusable to it.
indirect enum ConfigShape: Sendable {
  case string, bool, time
  case list(ConfigShape)
  case map(ConfigShape)
  /// An object with these members; what others there are is not looked at.
  case object([(String, ConfigShape)])

  /// The members of the OCI specification and those that Docker adds, which podman reads as well.
  static let image = object([
    ("created", .time), ("author", .string), ("architecture", .string), ("variant", .string),
    ("os", .string), ("os.version", .string), ("os.features", .list(.string)),
    ("id", .string), ("parent", .string), ("comment", .string), ("container", .string),
    ("docker_version", .string), ("config", settings), ("container_config", settings),
    ("rootfs", .object([("type", .string), ("diff_ids", .list(.string))])),
    (
      "history",
      .list(
        .object([
          ("created", .time), ("created_by", .string), ("author", .string), ("comment", .string),
          ("empty_layer", .bool),
        ]))
    ),
  ])

  private static let settings = object([
    ("User", .string), ("ExposedPorts", .map(.object([]))), ("Env", .list(.string)),
    ("Entrypoint", .list(.string)), ("Cmd", .list(.string)), ("Volumes", .map(.object([]))),
    ("WorkingDir", .string), ("Labels", .map(.string)), ("StopSignal", .string),
    ("OnBuild", .list(.string)), ("ArgsEscaped", .bool), ("Hostname", .string),
    ("Domainname", .string), ("Image", .string), ("AttachStdin", .bool), ("AttachStdout", .bool),
    ("AttachStderr", .bool), ("Tty", .bool), ("OpenStdin", .bool), ("StdinOnce", .bool),
    ("Healthcheck", .object([("Test", .list(.string))])),
  ])
}

extension JSONValue {
  /// The path of the first member that does not have its shape; null is the same as nothing.
  func memberOfWrongType(_ shape: ConfigShape, at path: String = "") -> String? {
    switch (shape, self) {
    case (_, .null), (.string, .string), (.bool, .bool): return nil
    case (.time, .string(let text)):
      // Go takes no small t and z.
      return Timestamp(text) == nil || text.contains { $0.isLowercase } ? path : nil
    case (.list(let inner), .array(let elements)):
      for (number, element) in elements.enumerated() {
        if let found = element.memberOfWrongType(inner, at: "\(path)[\(number)]") { return found }
      }
      return nil
    case (.map(let inner), .object(let members)):
      for member in members {
        if let found = member.value.memberOfWrongType(inner, at: "\(path).\(member.name)") {
          return found
        }
      }
      return nil
    case (.object(let shapes), .object(let members)):
      for member in members {
        let name = member.name.lowercased()
        guard let shape = shapes.first(where: { $0.0.lowercased() == name })?.1 else { continue }
        let place = path.isEmpty ? member.name : "\(path).\(member.name)"
        if let found = member.value.memberOfWrongType(shape, at: place) { return found }
      }
      return nil
    default: return path
    }
  }
}
