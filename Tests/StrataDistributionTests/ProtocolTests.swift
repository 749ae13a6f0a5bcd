import StrataDistribution
import StrataModel
import Testing

@Suite("Challenges of registries")
struct ChallengeTests {
  @Test func bearerWithAllThatItSays() {
    let text =
      #"Bearer realm="https://auth.test/token",service="reg.test",scope="repository:a/b:pull,push""#
    #expect(
      Challenge.parse(text) == [
        Challenge(
          scheme: "bearer",
          parameters: [
            "realm": "https://auth.test/token", "service": "reg.test",
            "scope": "repository:a/b:pull,push",
          ])
      ])
  }

  @Test func severalInOneHeader() {
    let found = Challenge.parse(#"Basic realm="a, b", BEARER Realm=https, error="x \" y""#)
    #expect(found.map(\.scheme) == ["basic", "bearer"])
    #expect(found[0].parameters == ["realm": "a, b"])
    #expect(found[1].parameters == ["realm": "https", "error": "x \" y"])
  }

  @Test(arguments: ["", ",,,", "=", "a=\"", "\"", "Basic realm=\"\\", "Bearer =x"])
  func nothingTrapsOn(text: String) {
    for challenge in Challenge.parse(text) { #expect(!challenge.scheme.isEmpty) }
  }
}

@Suite("Answers to ranges")
struct ContentRangeTests {
  @Test func isRead() {
    #expect(ContentRange("bytes 0-9/10") == ContentRange(range: 0..<10, total: 10))
    #expect(ContentRange("Bytes 5-5/*") == ContentRange(range: 5..<6, total: nil))
    #expect(ContentRange("bytes */10") == ContentRange(range: nil, total: 10))
  }

  @Test(arguments: [
    "", "bytes", "bytes 0-9", "bytes 9-0/10", "bytes 0-10/10", "bytes -1-2/10", "items 0-9/10",
    "bytes 0-9/10 x", "bytes +0-9/10", "bytes 0-9223372036854775807/*", "bytes 0x1-2/9",
  ])
  func isRefused(text: String) { #expect(ContentRange(text) == nil) }

  private struct Case: Sendable, CustomTestStringConvertible {
    var header: String?
    var length: Int64?
    var isRight: Bool
    var testDescription: String { "\(header ?? "none"), \(length ?? -1) bytes" }
  }

  @Test(arguments: [
    Case(header: "bytes 10-19/100", length: 10, isRight: true),
    Case(header: "bytes 10-19/*", length: nil, isRight: true),
    // Ending early is allowed.
    Case(header: "bytes 10-14/100", length: 5, isRight: true),
    Case(header: nil, length: 10, isRight: false),
    Case(header: "bytes 0-9/100", length: 10, isRight: false),
    Case(header: "bytes 10-20/100", length: 11, isRight: false),
    Case(header: "bytes 10-19/99", length: 10, isRight: false),
    Case(header: "bytes 10-19/100", length: 11, isRight: false),
    Case(header: "bytes */100", length: 0, isRight: false),
  ])
  private func isChecked(_ test: Case) {
    let objection = ContentRange.objection(
      to: test.header, wanted: 10..<20, size: 100, length: test.length)
    #expect((objection == nil) == test.isRight)
  }
}

@Suite("Addresses")
struct WebAddressTests {
  @Test func isTakenApart() throws {
    let address = try #require(WebAddress("HTTPS://Reg.Test:5000/v2/?a=b#c"))
    #expect(address.scheme == .https)
    #expect(address.authority == "reg.test:5000")
    #expect(address.target == "/v2/?a=b")
    #expect(WebAddress("http://a")?.description == "http://a/")
    #expect(WebAddress("http://a?x")?.description == "http://a/?x")
  }

  @Test(arguments: [
    "", "ftp://a/", "http:/a", "http://", "http://user:secret@a/", "http://a/\r\nX: y", "//a/b",
    "http://a/b c",
  ])
  func isRefused(text: String) { #expect(WebAddress(text) == nil) }

  @Test func redirectsAreResolved() throws {
    let base = try #require(WebAddress("https://a.test/v2/n/blobs/uploads/1?s=2"))
    #expect(base.resolving("/x?y")?.description == "https://a.test/x?y")
    #expect(base.resolving("2?s=3")?.description == "https://a.test/v2/n/blobs/uploads/2?s=3")
    #expect(base.resolving("?s=4")?.description == "https://a.test/v2/n/blobs/uploads/1?s=4")
    #expect(base.resolving("http://b/")?.description == "http://b/")
    #expect(base.resolving("//b:1/c")?.description == "https://b:1/c")
    #expect(base.resolving("https://b/?next=http://c/")?.authority == "b")
    #expect(base.resolving("/x?next=http://c/")?.authority == "a.test")
    #expect(base.resolving("ftp://b/") == nil)
    #expect(base.resolving("") == nil)
  }

  @Test func secretsStayAtTheirHost() throws {
    func may(_ there: String, _ here: String) throws -> Bool {
      try #require(WebAddress(there)).mayShare(secretsOf: try #require(WebAddress(here)))
    }
    #expect(try may("https://a:443/x", "https://a/y"))
    #expect(try may("https://a/x", "https://a/y"))
    #expect(try !may("https://b/x", "https://a/y"))
    #expect(try !may("https://a:444/x", "https://a/y"))
    #expect(try !may("http://a/x", "https://a/y"))
    #expect(try !may("https://a.test.evil/x", "https://a.test/y"))
  }

  @Test func loopbackIsOnlyThisMachine() {
    for host in [
      "localhost", "localhost:5000", "127.0.0.1", "127.3.2.1:1", "[::1]:5000", "LOCALHOST",
    ] {
      #expect(WebAddress.isLoopback(host), "\(host)")
    }
    for host in ["127.0.0.1.evil.test", "localhost.test", "128.0.0.1", "127.0.0", "[::2]", "a"] {
      #expect(!WebAddress.isLoopback(host), "\(host)")
    }
  }

  @Test func valuesAreEscaped() {
    #expect(WebAddress.escaped("a-b.c_d~e/f:g h&ä") == "a-b.c_d~e%2Ff%3Ag%20h%26%C3%A4")
  }
}

@Suite("Trying again")
struct RetryRuleTests {
  @Test func waitsGrowAndEnd() {
    let rule = RetryRule()
    #expect((1..<6).map { rule.wait(before: $0, chance: 1) } == [50, 100, 200, 400, 800])
    #expect(rule.wait(before: 2, chance: 0) == 50)
    #expect(rule.wait(before: 6, chance: 0) == nil)
    var long = RetryRule()
    long.attempts = 100
    #expect(long.wait(before: 99, chance: 1) == 5_000)
  }

  @Test func theRegistryIsHeard() {
    let rule = RetryRule()
    #expect(rule.wait(before: 1, retryAfter: 2_000, chance: 0) == 2_000)
    #expect(rule.wait(before: 1, retryAfter: 10_000_000, chance: 0) == 60_000)
    #expect(RetryRule.retryAfter("3", now: 0) == 3_000)
    #expect(RetryRule.retryAfter("-3", now: 0) == nil)
    #expect(RetryRule.retryAfter("soon", now: 0) == nil)
    #expect(RetryRule.retryAfter("Wed, 21 Oct 2015 07:28:00 GMT", now: 1_445_412_470) == 10_000)
    #expect(RetryRule.retryAfter("Wed, 21 Oct 2015 07:28:00 GMT", now: 1_445_412_490) == 0)
  }

  @Test func onlyWhatMayPassIsTriedAgain() {
    for status in [408, 429, 500, 502, 503, 504] { #expect(RetryRule.isPassing(status: status)) }
    for status in [200, 206, 301, 400, 401, 403, 404, 416] {
      #expect(!RetryRule.isPassing(status: status))
    }
  }
}

@Suite("Tokens and complaints")
struct AnswerTests {
  private func token(_ text: String, now: Int64 = 1_000) -> AccessToken? {
    AccessToken(answer: Array(text.utf8), now: now)
  }

  @Test func tokensLiveThreeQuartersOfTheirTime() {
    #expect(token(#"{"token":"abc","expires_in":400}"#)?.renewal == 1_300)
    #expect(token(#"{"token":"","access_token":"abc"}"#)?.text == "abc")
    // A minute where nothing or less is said.
    #expect(token(#"{"token":"abc"}"#)?.renewal == 1_045)
    #expect(token(#"{"token":"abc","expires_in":1}"#)?.renewal == 1_045)
    // A clock ahead of ours does not lengthen it.
    #expect(
      token(#"{"token":"a","expires_in":400,"issued_at":"2100-01-01T00:00:00Z"}"#)?.renewal == 1_300
    )
    #expect(
      token(#"{"token":"a","expires_in":400,"issued_at":"1970-01-01T00:10:00Z"}"#)?.renewal == 900)
  }

  @Test(arguments: ["", "[]", "{}", #"{"token":1}"#, "{\"token\":\"a\\r\\nX: y\"}"])
  func isRefused(text: String) { #expect(token(text) == nil) }

  @Test func complaintsAreOneLine() {
    func line(_ status: Int, _ text: String) -> String {
      RegistryComplaint.line(status: status, body: Array(text.utf8))
    }
    #expect(
      line(404, #"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest\nunknown"}]}"#)
        == "not found (404): manifest unknown")
    #expect(
      line(403, #"{"errors":[{"code":"DENIED"},{"code":"DENIED","message":"no"}]}"#)
        == "access denied (403): denied; no")
    #expect(line(502, "<html>") == "bad gateway (502)")
    #expect(line(418, "short \u{1B}[1m text") == "status 418: short [1m text")
    #expect(line(500, "") == "the registry failed (500)")
    #expect(line(500, #"{"errors":7}"#) == "the registry failed (500)")
  }
}
