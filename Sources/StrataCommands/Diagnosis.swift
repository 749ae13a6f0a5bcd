import StrataConfig
import StrataJSON
import StrataModel
import StrataPersistence
import StrataStore
import StrataSystem

/// What `strata doctor` finds: a line for each thing that containers need, with what to do where it
/// is wrong.
struct Diagnosis {
  /// How a thing is.
  enum State: String {
    case ok
    /// Works, and should be looked at.
    case warning
    /// Stops containers from starting, or has lost something.
    case problem
  }

  /// One thing that was looked at.
  struct Finding {
    var state: State
    var subject: String
    var text: String
  }

  private(set) var findings: [Finding] = []

  /// How many problems there are.
  var problemCount: Int { findings.count { $0.state == .problem } }

  mutating func add(_ state: State, _ subject: String, _ text: String) {
    findings.append(Finding(state: state, subject: subject, text: oneLine(text)))
  }

  /// Notes that something works, or why it does not and what to do about that.
  ///
  /// A failure is never thrown, so that whatever else can be looked at is.
  mutating func test(_ subject: String, advice: String? = nil, _ body: () throws -> String) {
    do {
      add(.ok, subject, try body())
    } catch {
      add(.problem, subject, failureText(error) + (advice.map { ": \($0)" } ?? ""))
    }
  }

  var json: JSONValue {
    .array(
      findings.map {
        .members([
          ("state", .string($0.state.rawValue)), ("subject", .string($0.subject)),
          ("text", .string($0.text)),
        ])
      })
  }

  var table: Table {
    var table = Table(["STATE", "SUBJECT", "FINDING"])
    for finding in findings { table.add([finding.state.rawValue, finding.subject, finding.text]) }
    return table
  }
}

// MARK: - The machine

extension Diagnosis {
  /// What FUSE mounts need, whoever makes them.
  mutating func lookAtMachine() {
    test("/dev/fuse", advice: "load the module fuse, and let its users read and write the device") {
      do throws(Errno) {
        _ = try FileDescriptor.workingDirectory.open("/dev/fuse", [.readWrite])
        return "can be opened"
      } catch {
        throw StoreError(error, "open /dev/fuse")
      }
    }
  }

  /// What an ordinary user needs for a namespace with more than one id.
  mutating func lookAtSubordinateIDs(_ surroundings: Surroundings) {
    guard surroundings.isRootless else { return }
    let uid = surroundings.rootlessUserID
    let name = PasswordFile(root: surroundings.root).name(of: uid)
    let who = name ?? String(uid)
    let owned = SubordinateIDs(user: name, uid: uid, root: surroundings.root)
    let counts = [owned.uids, owned.gids].map { $0.reduce(0) { $0 + Int($1.count) } }
    for program in ["newuidmap", "newgidmap"]
    where StorageSettings.search(RawPath(program), surroundings) == nil {
      add(.problem, program, "is not installed: install the package uidmap")
    }
    if counts.contains(0) {
      add(
        .problem, "subordinate ids",
        "\(who) has none: add \(who):100000:65536 to /etc/subuid and /etc/subgid")
    } else {
      let few = counts.contains { $0 < 65536 }
      add(
        few ? .warning : .ok, "subordinate ids",
        "\(counts[0]) of users and \(counts[1]) of groups for \(who)"
          + (few ? ": images may have owners up to 65535" : ""))
    }
  }

  /// Files that were read, and what in them is passed over.
  mutating func lookAtConfiguration(_ settings: StorageSettings, _ own: StrataSettings) {
    let files = (settings.files + own.files).map(\.description).joined(separator: ", ")
    add(.ok, "configuration", files.isEmpty ? "no file, all defaults" : files)
    for line in (settings.warnings + own.warnings).flatMap(\.lines) {
      add(.warning, "configuration", line)
    }
  }

  /// A directory that is written to, and the room there.
  mutating func lookAtDirectory(_ subject: String, _ path: RawPath) {
    let status: FileSystemStatus
    do throws(Errno) {
      let directory = try FileDescriptor.workingDirectory.open(path, [.readOnly, .directory])
      status = try directory.view.fileSystemStatus()
    } catch { return add(.problem, subject, StoreError(error, "open \(path)").message) }
    let free = status.availableBlocks &* status.fragmentSize
    add(.ok, subject, "\(path), \(humanSize(Int64(clamping: free))) free")
    if status.blocks > 0, status.availableBlocks < status.blocks / 50 {
      add(.warning, subject, "\(path): less than 2 % of the file system is free")
    }
    // File systems that make inodes as they are needed tell of none.
    if status.files > 0, status.freeFiles < status.files / 50 {
      add(.warning, subject, "\(path): less than 2 % of the file system's inodes are free")
    }
  }
}

// MARK: - The store

extension Diagnosis {
  /// The records, what they name, and what nobody names.
  mutating func lookAtStore(_ store: Store) {
    test("records", advice: "strata check --repair moves a damaged file aside") {
      "\(try store.layers().count) layers, \(try store.images().count) images, "
        + "\(try store.containers().count) containers"
    }
    lookForDamage(store)
    do throws(StoreError) {
      let found = try store.collectGarbage(dryRun: true)
      let size = humanSize(found.reduce(0) { $0 + $1.size })
      add(
        found.isEmpty ? .ok : .warning, "garbage",
        found.isEmpty
          ? "none" : "\(found.count) things that no record knows, \(size): strata gc removes them")
    } catch { add(.problem, "garbage", error.message) }
    for (path, problem) in store.additionalLayerStores() {
      add(
        problem == nil ? .ok : .problem, "additional layers", problem?.message ?? "\(path) answers")
    }
    test("trial mount") {
      if store.isReadOnly { return "left out: the graph root is read-only" }
      try store.tryMount()
      return "a file written through a mount came back"
    }
  }

  /// What can be seen without reading every layer.
  private mutating func lookForDamage(_ store: Store) {
    do throws(StoreError) {
      var options = CheckOptions.quick
      options.digests = false
      let report = try store.check(options)
      let kinds = [
        ("layer", report.layers), ("read-only layer", report.readOnlyLayers),
        ("image", report.images), ("read-only image", report.readOnlyImages),
        ("container", report.containers),
      ]
      for (kind, findings) in kinds {
        for id in findings.ids {
          let texts = findings[id].map(\.text).joined(separator: "; ")
          add(.problem, "\(kind) \(shortID(id))", "\(texts): strata check --repair")
        }
      }
      if report.isEmpty {
        add(.ok, "damage", "none to be seen; strata check reads every layer")
      }
    } catch { add(.problem, "damage", error.message) }
  }
}
