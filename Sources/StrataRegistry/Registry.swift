import NIOHTTP1
import StrataConfig
import StrataDistribution
import StrataModel
import StrataSystem
import Synchronization

/// One registry as it is reached: its address, what it asks of those who come, and the tokens that it
/// has given.
///
/// Thread-safe. The address is found out at the first request.
final class Registry: Sendable {
  /// Host and port as in the names of images.
  let host: String
  let isInsecure: Bool
  let transport: HTTPTransport
  private let credentials: @Sendable (_ path: String) throws(ConfigurationError) -> Credentials?
  private let state = Mutex(State())

  private struct State {
    var opening: Task<WebAddress.Scheme, any Error>?
    var scheme: WebAddress.Scheme?
    var challenges: [Challenge] = []
    var tokens: [[String]: AccessToken] = [:]
    var fetching: [[String]: Task<AccessToken, any Error>] = [:]
    /// Blobs whose server answers with everything when asked for a part.
    var rangeless: Set<Digest> = []
    /// Where blobs really lie.
    var places: [Digest: WebAddress] = [:]
  }

  init(
    host: String, isInsecure: Bool, transport: HTTPTransport,
    credentials: @escaping @Sendable (String) throws(ConfigurationError) -> Credentials?
  ) {
    self.host = host
    self.isInsecure = isInsecure
    self.transport = transport
    self.credentials = credentials
  }

  /// The host that serves the API: Docker's registry is named otherwise than it is reached.
  var authority: String { host == "docker.io" ? "registry-1.docker.io" : host.lowercased() }

  /// Whether secrets and content may go to an address: over TLS, or to this machine, or where the
  /// configuration says that it does not matter.
  func allows(_ address: WebAddress) -> Bool {
    address.scheme == .https || isInsecure || WebAddress.isLoopback(address.authority)
  }

  // MARK: - What is remembered of blobs

  func ignoresRanges(_ blob: Digest) -> Bool { state.withLock { $0.rangeless.contains(blob) } }

  func noteThatRangesAreIgnored(_ blob: Digest) {
    _ = state.withLock { $0.rangeless.insert(blob) }
  }

  func place(of blob: Digest) -> WebAddress? { state.withLock { $0.places[blob] } }

  func note(place: WebAddress?, of blob: Digest) {
    state.withLock { state in
      // A daemon asks for many blobs in its life: what is forgotten costs one redirect.
      if state.places.count > 10_000 { state.places = [:] }
      state.places[blob] = place
    }
  }
}

// MARK: - The way there

extension Registry {
  /// The address of a path of the API.
  func address(_ target: String) async throws(RegistryError) -> WebAddress {
    WebAddress(try await scheme(), authority: authority, target: target)
  }

  private func scheme() async throws(RegistryError) -> WebAddress.Scheme {
    let task = state.withLock { state -> Task<WebAddress.Scheme, any Error> in
      if let task = state.opening { return task }
      let task = Task { try await self.findScheme() }
      state.opening = task
      return task
    }
    do {
      return try await task.value
    } catch {
      // Another time it may be there.
      state.withLock { if $0.opening == task { $0.opening = nil } }
      throw HTTPTransport.error(error, WebAddress(.https, authority: authority, target: "/"))
    }
  }

  /// TLS first, and plain http where that is allowed and the host answers to it as a registry does; on
  /// this machine the other way round, since a server that expects no TLS may wait for the rest of it.
  private func findScheme() async throws(RegistryError) -> WebAddress.Scheme {
    var order: [WebAddress.Scheme] = [.https]
    if WebAddress.isLoopback(authority) {
      order = [.http, .https]
    } else if isInsecure {
      order = [.https, .http]
    }
    var failures: [(scheme: WebAddress.Scheme, error: RegistryError)] = []
    for scheme in order {
      do throws(RegistryError) {
        try await probe(scheme)
        return scheme
      } catch {
        failures.append((scheme, error))
      }
    }
    // That a certificate is not trusted says more than what plain http was answered.
    let ofTLS = failures.first { $0.scheme == .https && $0.error.kind == .refused }
    throw ofTLS?.error ?? failures[0].error
  }

  /// Asks for the root of the API and keeps what it wants to see.
  private func probe(_ scheme: WebAddress.Scheme) async throws(RegistryError) {
    let rule = RetryRule()
    var attempt = 0
    while true {
      do throws(RegistryError) {
        let answer = try await transport.send(
          HTTPRequest(
            method: .GET, address: WebAddress(scheme, authority: authority, target: "/v2/")),
          isInsecure: isInsecure)
        let body = await answer.complaint()
        guard scheme == .https || [200, 401].contains(answer.status) else {
          throw RegistryError(
            .refused,
            "\(host): no registry answers: "
              + RegistryComplaint.line(status: answer.status, body: body))
        }
        note(answer)
        return
      } catch {
        attempt += 1
        // A host that refuses does so at once and for both: whoever asks for an image tries again.
        guard error.kind == .unreachable, error.description.contains("closed"),
          let wait = rule.wait(before: attempt, chance: chance())
        else { throw error }
        try await pause(wait)
      }
    }
  }

  /// Keeps the challenges of an answer.
  func note(_ answer: HTTPAnswer) {
    let found = answer.headers["WWW-Authenticate"].flatMap { Challenge.parse($0) }
    if answer.status == 401, !found.isEmpty { state.withLock { $0.challenges = found } }
  }
}

// MARK: - Letting in

extension Registry {
  /// The value of the header `Authorization` for these scopes; nil where nothing is asked for.
  ///
  /// A token is fetched once for all who wait for it, and renewed before it ends.
  func authorization(_ scopes: [String], path: String) async throws(RegistryError) -> String? {
    let challenges = state.withLock { $0.challenges }
    if let bearer = challenges.first(where: { $0.scheme == "bearer" }) {
      return "Bearer " + (try await token(bearer, scopes, path)).text
    }
    guard challenges.contains(where: { $0.scheme == "basic" }),
      case .password(let user, let password) = try readCredentials(path)
    else { return nil }
    return basic(user, password)
  }

  /// Forgets what was refused: the next request fetches anew.
  func forgetToken(_ scopes: [String], _ refused: String?) {
    state.withLock { state in
      if let token = state.tokens[scopes], "Bearer " + token.text == refused {
        state.tokens[scopes] = nil
      }
    }
  }

  private func token(_ challenge: Challenge, _ scopes: [String], _ path: String)
    async throws(RegistryError) -> AccessToken
  {
    let now = FileTime.now.seconds
    let task = state.withLock { state -> Task<AccessToken, any Error> in
      if let known = state.tokens[scopes], known.renewal > now { return Task { known } }
      if let task = state.fetching[scopes] { return task }
      let task = Task { try await self.fetchToken(challenge, scopes, path) }
      state.fetching[scopes] = task
      return task
    }
    do {
      let token = try await task.value
      state.withLock { state in
        state.tokens[scopes] = token
        if state.fetching[scopes] == task { state.fetching[scopes] = nil }
      }
      return token
    } catch {
      state.withLock { if $0.fetching[scopes] == task { $0.fetching[scopes] = nil } }
      throw HTTPTransport.error(error, WebAddress(.https, authority: authority, target: "/"))
    }
  }

  private func fetchToken(_ challenge: Challenge, _ scopes: [String], _ path: String)
    async throws(RegistryError) -> AccessToken
  {
    guard let realm = challenge.parameters["realm"], let server = WebAddress(realm),
      allows(server)
    else {
      throw RegistryError(
        .refused,
        "\(host): it sends us for a token to \(challenge.parameters["realm"] ?? "nowhere"), "
          + "where no secret may be sent")
    }
    let request = tokenRequest(
      server, service: challenge.parameters["service"], scopes, try readCredentials(path))
    let rule = RetryRule()
    var attempt = 0
    while true {
      var retryAfter: Int?
      var failure: RegistryError
      do throws(RegistryError) {
        let answer = try await transport.send(request, isInsecure: isInsecure)
        let body = try await answer.bytes(limit: 1 << 20)
        if answer.status == 200 {
          guard let token = AccessToken(answer: body, now: FileTime.now.seconds) else {
            throw RegistryError(.malformed, "\(server.authority): its answer holds no token")
          }
          return token
        }
        let isDenied = [400, 401, 403].contains(answer.status)
        failure = RegistryError(
          isDenied ? .denied : .status(answer.status),
          "\(host): login at \(server.authority): "
            + RegistryComplaint.line(status: answer.status, body: body))
        guard RetryRule.isPassing(status: answer.status) else { throw failure }
        retryAfter = answer.headers.first(name: "Retry-After").flatMap {
          RetryRule.retryAfter($0, now: FileTime.now.seconds)
        }
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

  private func tokenRequest(
    _ server: WebAddress, service: String?, _ scopes: [String], _ credentials: Credentials?
  ) -> HTTPRequest {
    if case .identityToken(let refresh) = credentials {
      var form = [
        ("grant_type", "refresh_token"), ("refresh_token", refresh), ("client_id", "strata"),
        ("scope", scopes.joined(separator: " ")),
      ]
      if let service { form.append(("service", service)) }
      let text = form.map { "\($0.0)=\(WebAddress.escaped($0.1))" }.joined(separator: "&")
      return HTTPRequest(
        method: .POST, address: server,
        headers: [("Content-Type", "application/x-www-form-urlencoded")],
        body: .bytes(Array(text.utf8)))
    }
    var address = server
    var headers: [(String, String)] = []
    if case .password(let user, let password) = credentials {
      address = address.adding(query: "account", user)
      headers.append(("Authorization", basic(user, password)))
    }
    if let service { address = address.adding(query: "service", service) }
    for scope in scopes { address = address.adding(query: "scope", scope) }
    return HTTPRequest(method: .GET, address: address, headers: headers)
  }

  private func readCredentials(_ path: String) throws(RegistryError) -> Credentials? {
    do throws(ConfigurationError) {
      return try credentials(path)
    } catch {
      throw RegistryError(.denied, error.description)
    }
  }

  private func basic(_ user: String, _ password: String) -> String {
    var text: [UInt8] = []
    text.appendBase64(of: Array("\(user):\(password)".utf8).rawSpan)
    return "Basic " + String(decoding: text, as: UTF8.self)
  }
}

/// A number from 0 to 1.
func chance() -> Double { Double.random(in: 0...1) }

/// Waits without a thread.
func pause(_ milliseconds: Int) async throws(RegistryError) {
  do { try await Task.sleep(for: .milliseconds(milliseconds)) } catch {
    throw RegistryError(.unreachable, "stopped")
  }
}
