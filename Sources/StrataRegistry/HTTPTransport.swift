import AsyncHTTPClient
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import StrataConfig
import StrataDistribution
import StrataSystem
import Synchronization

/// What is sent with a request.
enum RequestBody: Sendable {
  case none
  case bytes([UInt8])
  /// A part of a file.
  case file(SharedDescriptor, Range<Int64>)
}

/// One request, before anybody has been asked for credentials.
struct HTTPRequest: Sendable {
  var method: HTTPMethod
  var address: WebAddress
  var headers: [(String, String)] = []
  var body = RequestBody.none
}

/// The head of an answer, and its body as it comes.
struct HTTPAnswer: Sendable {
  var status: Int
  var headers: HTTPHeaders
  var body: HTTPClientResponse.Body
  /// Whence it came, after redirects.
  var address: WebAddress

  /// The number in a header.
  func number(_ name: String) -> Int64? { headers.first(name: name).flatMap { Int64($0) } }

  /// The body as a whole; more than `limit` bytes are an error.
  func bytes(limit: Int) async throws(RegistryError) -> [UInt8] {
    var result: [UInt8] = []
    do {
      for try await piece in body {
        if result.count + piece.readableBytes > limit {
          throw RegistryError(.malformed, "\(address.authority): more than \(limit) bytes")
        }
        result.append(contentsOf: piece.readableBytesView)
      }
    } catch {
      throw HTTPTransport.error(error, address)
    }
    return result
  }

  /// What was said with a failure, and the connection is free again.
  func complaint() async -> [UInt8] { (try? await bytes(limit: 1 << 16)) ?? [] }
}

/// Sends requests over connections that are kept: HTTP/1.1, and HTTP/2 where TLS agrees on it.
///
/// Redirects are not followed here. Limits: 5 s to connect, 15 s without a byte.
final class HTTPTransport: Sendable {
  private let client: HTTPClient
  private let surroundings: Surroundings
  private let trust = Mutex<[Trust: TLSConfiguration]>([:])

  /// By what a TLS configuration is chosen.
  private struct Trust: Hashable {
    var host: String
    var isInsecure: Bool
  }

  init(surroundings: Surroundings) {
    self.surroundings = surroundings
    var configuration = HTTPClient.Configuration()
    configuration.redirectConfiguration = .disallow
    configuration.timeout = .init(connect: .seconds(5), read: .seconds(15))
    configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = 6
    configuration.connectionPool.retryConnectionEstablishment = false
    configuration.decompression = .disabled
    client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
  }

  /// Closes all connections; nothing may be sent afterwards.
  func shutdown() async { try? await client.shutdown() }

  /// Sends one request and returns with the head of the answer.
  ///
  /// `isInsecure` lets any certificate pass.
  func send(_ request: HTTPRequest, isInsecure: Bool) async throws(RegistryError) -> HTTPAnswer {
    var message = HTTPClientRequest(url: request.address.description)
    message.method = request.method
    for (name, value) in request.headers { message.headers.add(name: name, value: value) }
    message.headers.replaceOrAdd(name: "User-Agent", value: "strata")
    switch request.body {
    case .none: break
    case .bytes(let bytes): message.body = .bytes(NIOCore.ByteBuffer(bytes: bytes))
    case .file(let file, let range):
      message.body = .stream(
        FilePieces(file: file, range: range), length: .known(Int64(range.count)))
    }
    if request.address.scheme == .https {
      message.tlsConfiguration = try tls(request.address.authority, isInsecure: isInsecure)
    }
    do {
      let response = try await client.execute(message, deadline: .distantFuture)
      return HTTPAnswer(
        status: Int(response.status.code), headers: response.headers, body: response.body,
        address: request.address)
    } catch {
      throw Self.error(error, request.address)
    }
  }

  private func tls(_ host: String, isInsecure: Bool) throws(RegistryError) -> TLSConfiguration {
    let key = Trust(host: host, isInsecure: isInsecure)
    if let known = trust.withLock({ $0[key] }) { return known }
    var made = TLSConfiguration.makeClientConfiguration()
    if isInsecure { made.certificateVerification = .none }
    do {
      let files = try RegistryCertificates(host: host, surroundings: surroundings)
      for file in files.authorities {
        made.additionalTrustRoots.append(
          .certificates(try NIOSSLCertificate.fromPEMFile(file.description)))
      }
      if let client = files.clients.first {
        made.certificateChain = try NIOSSLCertificate.fromPEMFile(client.certificate.description)
          .map { .certificate($0) }
        made.privateKey = .privateKey(
          try NIOSSLPrivateKey(file: client.key.description, format: .pem))
      }
    } catch let error as ConfigurationError {
      throw RegistryError(.refused, error.description)
    } catch {
      throw RegistryError(
        .refused, "\(host): a certificate or key of certs.d cannot be read: \(error)")
    }
    trust.withLock { $0[key] = made }
    return made
  }
}

// MARK: - Errors in words

extension HTTPTransport {
  /// What went wrong on the way, in one line.
  static func error(_ error: any Error, _ address: WebAddress) -> RegistryError {
    if let error = error as? RegistryError { return error }
    let host = address.authority
    switch error {
    case let error as HTTPClientError where error == .connectTimeout:
      return RegistryError(.unreachable, "\(host): no connection within 5 seconds")
    case let error as HTTPClientError where error == .readTimeout:
      return RegistryError(.unreachable, "\(host): no answer for 15 seconds")
    case let error as HTTPClientError where error == .remoteConnectionClosed:
      return RegistryError(.unreachable, "\(host): the connection was closed")
    case let error as NIOConnectionError:
      return RegistryError(.unreachable, "\(host): \(reason(error))")
    case let error as IOError:
      return RegistryError(
        .unreachable, "\(host): \(StrataSystem.Errno(rawValue: error.errnoCode))")
    case let error as NIOSSLError:
      return tlsError(error, host)
    case is CancellationError:
      return RegistryError(.unreachable, "\(host): stopped")
    default:
      return RegistryError(.unreachable, "\(host): \(error)")
    }
  }

  private static func reason(_ error: NIOConnectionError) -> String {
    if let first = error.connectionErrors.first {
      guard let cause = first.error as? IOError else { return "\(first.error)" }
      return "connect: \(StrataSystem.Errno(rawValue: cause.errnoCode))"
    }
    return "no such host"
  }

  private static func tlsError(_ error: NIOSSLError, _ host: String) -> RegistryError {
    let text = "\(error)"
    if text.contains("CERTIFICATE_VERIFY_FAILED") || text.contains("unableToValidateCertificate") {
      return RegistryError(
        .refused,
        "\(host): its certificate is not trusted: put the authority's into certs.d/HOST/ca.crt, or "
          + "use --tls-verify=false")
    }
    if text.contains("WRONG_VERSION_NUMBER") || text.contains("HTTP_REQUEST") {
      return RegistryError(
        .unreachable, "\(host): it does not speak TLS: use --tls-verify=false for plain http")
    }
    return RegistryError(.refused, "\(host): TLS: \(text)")
  }
}

/// The bytes of a part of a file, piece by piece.
private struct FilePieces: AsyncSequence, Sendable {
  typealias Element = NIOCore.ByteBuffer
  let file: SharedDescriptor
  let range: Range<Int64>

  func makeAsyncIterator() -> Iterator { Iterator(file: file, range: range) }

  struct Iterator: AsyncIteratorProtocol {
    let file: SharedDescriptor
    var range: Range<Int64>

    mutating func next() async throws -> NIOCore.ByteBuffer? {
      if range.isEmpty { return nil }
      let count = Int(Swift.min(Int64(range.count), 1 << 18))
      let bytes = try file.view.bytes(count, at: range.lowerBound)
      if bytes.isEmpty {
        throw StreamError(.unexpectedEnd, "the file to be sent has become shorter")
      }
      range = (range.lowerBound + Int64(bytes.count))..<range.upperBound
      return NIOCore.ByteBuffer(bytes: bytes)
    }
  }
}
