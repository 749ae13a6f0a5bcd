import StrataModel
import StrataStore
import StrataSystem
import StrataTestSupport
import Synchronization
import Testing

/// A store on fresh roots.
struct OpenStore {
  let fixture: StoreFixture
  let store: Store

  init(_ name: String = "store", additional: [RawPath] = []) throws {
    fixture = try StoreFixture(name)
    store = try Self.open(fixture, additional: additional)
  }

  /// A second opening of the same roots: what another process would see.
  func again() throws -> Store { try Self.open(fixture) }

  static func open(
    _ fixture: StoreFixture, additional: [RawPath] = [],
    onWait: (@Sendable (RawPath, String?) -> Void)? = nil
  ) throws -> Store {
    try Store(
      StoreConfiguration(
        graphRoot: fixture.graphRoot, runRoot: fixture.runRoot,
        driverOptions: ["overlay.mount_program=\(testMountProgram)"]
          + additional.map { "overlay.imagestore=\($0)" }, onWait: onWait))
  }

  var scratch: ScratchDirectory { fixture.scratch }

  /// Everything of layers that is on the disk: names below `overlay`, `overlay/l` and
  /// `overlay-layers`, without locks.
  func layerFiles() throws -> [String] {
    let folders = ["root/overlay", "root/overlay/l", "root/overlay-layers"]
    return try folders.flatMap { folder in
      let names = try fixture.scratch.directory.open(RawPath(folder), [.readOnly, .directory])
      return try names.view.entries().map { "\(folder)/\($0.name)" }
    }.filter { !$0.hasSuffix(".lock") && !$0.hasSuffix("/l") && !$0.hasSuffix("-program") }.sorted()
  }
}

/// A tar of these files, made by GNU tar; a trailing slash makes a directory.
func makeTar(_ files: [String: String]) throws -> [UInt8] {
  let scratch = try ScratchDirectory("tar")
  for (name, text) in files {
    if name.hasSuffix("/") {
      try scratch.makeDirectory(RawPath(name))
    } else {
      try scratch.write(RawPath(name), text)
    }
  }
  let result = try runProgram(
    "tar", ["-C", scratch.path.description, "--sort=name", "-cf", "-", "."])
  #expect(result.status == 0, "\(result)")
  return result.stdout
}

func gzip(_ bytes: [UInt8]) throws -> [UInt8] {
  try runProgram("gzip", ["-nc"], input: bytes).stdout
}

/// An id of one repeated hex digit.
func id(_ digit: Character) -> String { String(repeating: digit, count: 64) }

/// A source that looks at the world before it gives its first byte.
final class LookingSource: ByteSource {
  private let source: ArraySource
  private var look: (() throws -> Void)?

  init(_ bytes: [UInt8], look: @escaping () throws -> Void) {
    source = ArraySource(bytes)
    self.look = look
  }

  func read(into span: inout MutableRawSpan) throws(StreamError) -> Int {
    do {
      try look?()
    } catch {
      throw StreamError(.unsupported, "looking: \(error)")
    }
    look = nil
    return try source.read(into: &span)
  }
}

/// The error of a call, or nil.
func failure(_ body: () throws -> Void) -> StoreError? {
  do {
    try body()
    return nil
  } catch {
    return error as? StoreError
  }
}
