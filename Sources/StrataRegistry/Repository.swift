import NIOHTTP1
import StrataConfig
import StrataDistribution
import StrataModel
import StrataSystem

/// One repository at one registry: the requests that read and write it.
package struct Repository: Sendable {
  let registry: Registry
  /// As the registry knows it.
  package let path: String

  /// Registry and path, for messages.
  package var description: String { "\(registry.host)/\(path)" }

  /// What we ask to be allowed.
  enum Access: Sendable {
    case reading
    case writing
    /// Writing, with blobs that another repository has.
    case mounting(from: String)
  }

  func scopes(_ access: Access) -> [String] {
    switch access {
    case .reading: ["repository:\(path):pull"]
    case .writing: ["repository:\(path):pull,push"]
    case .mounting(let other): ["repository:\(path):pull,push", "repository:\(other):pull"]
    }
  }

  /// Sends a request until there is an answer that another attempt would not better.
  ///
  /// Renews a token once, follows redirects, waits and tries again where that may help. What comes back
  /// may still be a refusal. The target is the path behind the repository's, or a whole address.
  func send(
    _ method: HTTPMethod, _ place: Place, headers: [(String, String)] = [],
    body: RequestBody = .none, access: Access = .reading, rule: RetryRule = RetryRule()
  ) async throws(RegistryError) -> HTTPAnswer {
    let scopes = scopes(access)
    var attempt = 0
    var hasRenewed = false
    while true {
      var retryAfter: Int?
      var failure: RegistryError
      do throws(RegistryError) {
        let address = try await address(place)
        let authorization =
          address.mayShare(secretsOf: try await registry.address("/"))
          ? try await registry.authorization(scopes, path: path) : nil
        let answer = try await follow(
          HTTPRequest(method: method, address: address, headers: headers, body: body),
          authorization)
        if answer.status == 401, answer.address.authority == registry.authority, !hasRenewed {
          _ = await answer.complaint()
          registry.note(answer)
          registry.forgetToken(scopes, authorization)
          hasRenewed = true
          continue
        }
        guard RetryRule.isPassing(status: answer.status), attempt + 1 < rule.attempts else {
          return answer
        }
        retryAfter = answer.headers.first(name: "Retry-After").flatMap {
          RetryRule.retryAfter($0, now: FileTime.now.seconds)
        }
        failure = await refusal(answer, what: "")
      } catch {
        guard error.kind == .unreachable else { throw error }
        failure = error
      }
      attempt += 1
      guard let wait = rule.wait(before: attempt, retryAfter: retryAfter, chance: chance()) else {
        throw failure
      }
      try await pause(wait)
    }
  }

  /// Where a request goes.
  enum Place: Sendable {
    /// Behind `/v2/NAME/`.
    case path(String)
    /// Anywhere: what a registry has named.
    case address(WebAddress)
  }

  func address(_ place: Place) async throws(RegistryError) -> WebAddress {
    switch place {
    case .path(let rest): try await registry.address("/v2/\(path)/\(rest)")
    case .address(let address): address
    }
  }

  /// Follows redirects; the authorization goes to the registry's own host alone.
  private func follow(_ request: HTTPRequest, _ authorization: String?)
    async throws(RegistryError) -> HTTPAnswer
  {
    var request = request
    let origin = request.address
    for _ in 0..<10 {
      var sent = request
      if let authorization, request.address.mayShare(secretsOf: origin) {
        sent.headers.append(("Authorization", authorization))
      }
      let answer = try await registry.transport.send(sent, isInsecure: registry.isInsecure)
      guard [301, 302, 303, 307, 308].contains(answer.status) else { return answer }
      _ = await answer.complaint()
      guard let location = answer.headers.first(name: "Location"),
        let next = request.address.resolving(location)
      else { throw RegistryError(.malformed, "\(description): a redirect to nowhere") }
      guard registry.allows(next) else {
        throw RegistryError(
          .refused, "\(description): a redirect to plain http at \(next.authority)")
      }
      request.address = next
      if answer.status == 303, request.method != .HEAD {
        request.method = .GET
        request.body = .none
      }
    }
    throw RegistryError(.malformed, "\(description): more than 10 redirects")
  }

  /// A refusal as an error; `what` is what was asked for.
  func refusal(_ answer: HTTPAnswer, what: String) async -> RegistryError {
    let body = await answer.complaint()
    let kind: RegistryError.Kind =
      switch answer.status {
      case 401, 403: .denied
      case 404: .missing
      default: .status(answer.status)
      }
    let line = RegistryComplaint.line(status: answer.status, body: body)
    return RegistryError(kind, "\(description)\(what.isEmpty ? "" : ": \(what)"): \(line)")
  }
}
