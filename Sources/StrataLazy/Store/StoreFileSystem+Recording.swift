package import StrataFUSE
import StrataModel
package import StrataSystem

extension StoreFileSystem {
  /// `user.strata.record` of an image's directory: `begin` and `end` of the recording of a run.
  static let recordName: RawPath = "user.strata.record"

  /// Takes the words of `strata-lazy record`; all else is not supported, since nothing here changes.
  package func setXattr(
    _ name: RawPath, of node: NodeID, _ value: [UInt8], _ setting: XattrSetting,
    dropSetGroupID: Bool, _ context: RequestContext, _ reply: consuming EmptyReply
  ) {
    guard name == Self.recordName, case .image(let slot) = StoreNode(node, store.slots),
      case .image(let reference) = store.slots[slot]
    else { return reply.fail(.notSupported) }
    switch String(decoding: value, as: UTF8.self) {
    case "begin":
      store.beginRecording()
      reply.succeed()
    case "end":
      let deferred = DeferredReply(reply)
      let store = store
      Task {
        do throws(Errno) {
          try await store.endRecording(of: reference)
          deferred.take()?.succeed()
        } catch { deferred.take()?.fail(error) }
      }
    default: reply.fail(.invalidArgument)
    }
  }
}

/// `strata-lazy record begin|end MOUNTPOINT IMAGE`: the exit status.
package func recordRun(_ words: [RawPath]) -> Int32 {
  func fail(_ text: String) -> Int32 {
    try? FileDescriptor.standardError.writeAll(Array("strata-lazy record: \(text)\n".utf8))
    return 1
  }
  guard words.count == 3, words[0] == "begin" || words[0] == "end", let text = words[2].string
  else { return fail("begin|end MOUNTPOINT IMAGE") }
  let reference: Reference
  do throws(Reference.InvalidReference) { reference = try Reference(normalizing: text) } catch {
    return fail("\(text): \(error.description)")
  }
  var name: [UInt8] = []
  name.appendBase64(of: Array(reference.description.utf8).rawSpan)
  do throws(Errno) {
    let directory = try FileDescriptor.workingDirectory.open(
      words[1].appending(RawPath(name)), [.readOnly, .directory])
    try directory.view.setXattr(StoreFileSystem.recordName, Array(words[0].bytes))
    return 0
  } catch {
    return fail("\(words[1]): \(text): \(error)")
  }
}
