/// The `flags` member of a record: a map that every version of every tool keeps.
///
/// What is not changed here is written back with the bytes that it was read with, since a number in
/// it means more to its writer than to us.
public struct Flags: Hashable, Sendable {
  /// A value that Strata itself reads or writes.
  public enum Value: Hashable, Sendable {
    /// `true` or `false`.
    case bool(Bool)
    /// A text.
    case string(String)
    /// A list of texts, such as mount options.
    case strings([String])
    /// Anything else, as JSON text.
    case other(json: [UInt8])
  }

  /// One flag: its value, and how it was spelled if it was read.
  package struct Member: Hashable, Sendable {
    package var name: String
    package var value: Value
    /// The JSON text that the value was read from; nil once it is set here.
    package var source: [UInt8]?

    package init(name: String, value: Value, source: [UInt8]?) {
      self.name = name
      self.value = value
      self.source = source
    }
  }

  /// In the order of the file, which is bytewise by name where a Go tool wrote it.
  package var members: [Member]

  /// No flags.
  public init() { members = [] }

  /// Flags of these members, as read.
  package init(members: [Member]) { self.members = members }

  /// Whether there are none.
  public var isEmpty: Bool { members.isEmpty }

  /// The names, in order.
  public var names: [String] { members.map(\.name) }

  /// The value of a flag.
  ///
  /// Setting nil takes it away; a new one goes to its place in bytewise order.
  public subscript(name: String) -> Value? {
    get { members.first { $0.name == name }?.value }
    set {
      let index = members.firstIndex { $0.name == name }
      guard let newValue else {
        if let index { members.remove(at: index) }
        return
      }
      if let index {
        if members[index].value == newValue { return }
        members[index] = Member(name: name, value: newValue, source: nil)
        return
      }
      let place =
        members.firstIndex { name.utf8.lexicographicallyPrecedes($0.name.utf8) } ?? members.count
      members.insert(Member(name: name, value: newValue, source: nil), at: place)
    }
  }

  /// Whether the flag is boolean true; anything else counts as false.
  public func isSet(_ name: String) -> Bool { self[name] == .bool(true) }

  /// The text of a flag, nil if it is missing or no text.
  public func string(_ name: String) -> String? {
    if case .string(let text) = self[name] { return text }
    return nil
  }

  /// The texts of a flag, nil if it is missing or no list of texts.
  public func strings(_ name: String) -> [String]? {
    if case .strings(let texts) = self[name] { return texts }
    return nil
  }

  /// Of a layer: it is being made or deleted, and whoever holds the write lock deletes it.
  public static let incomplete = "incomplete"
  /// Of a layer: the digest that its plain tar should have, by the config of the image that it was
  /// made for.
  public static let expectedDiffID = "expected-layer-diffid"
  /// Of a container: its state need not survive a reboot.
  public static let volatile = "Volatile"
  /// Of a layer or container: mount options that replace the configured ones.
  public static let mountOptions = "MountOpts"
  /// Of a container: the SELinux label of its mount.
  public static let mountLabel = "MountLabel"
  /// Of a container: the SELinux label of its process.
  public static let processLabel = "ProcessLabel"
}

/// A member of a record that Strata does not know, or whose value it cannot hold: kept as it was.
package struct UnknownMember: Hashable, Sendable {
  /// The name as spelled in the file.
  package var name: String
  /// The value's JSON text.
  package var json: [UInt8]

  package init(name: String, json: [UInt8]) {
    self.name = name
    self.json = json
  }
}
