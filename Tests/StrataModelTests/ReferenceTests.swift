import StrataModel
import Testing

/// A name as typed and what podman 4.3 makes of it (`podman tag ID NAME`, then `inspect`).
struct NameCase: Sendable, CustomTestStringConvertible {
  var typed: String
  var normal: String
  init(_ typed: String, _ normal: String) {
    self.typed = typed
    self.normal = normal
  }
  var testDescription: String { typed }
}

/// A name that podman 4.3 refuses, and the end of its message.
struct BadNameCase: Sendable, CustomTestStringConvertible {
  var typed: String
  var reason: String
  init(_ typed: String, _ reason: String) {
    self.typed = typed
    self.reason = reason
  }
  var testDescription: String { typed }
}

private let digest = "sha256:" + String(repeating: "a", count: 64)
private let badFormat = "invalid reference format"

@Suite("Image names")
struct ReferenceTests {
  @Test(
    "are brought to podman's normal form",
    arguments: [
      NameCase("foo", "localhost/foo:latest"),
      NameCase("foo/bar", "localhost/foo/bar:latest"),
      NameCase("foo/bar/baz", "localhost/foo/bar/baz:latest"),
      NameCase("localhost/x", "localhost/x:latest"),
      NameCase("docker.io/foo", "docker.io/library/foo:latest"),
      NameCase("index.docker.io/foo", "docker.io/library/foo:latest"),
      NameCase("docker.io/library/foo:1", "docker.io/library/foo:1"),
      NameCase("a.b/c", "a.b/c:latest"),
      NameCase("a:5000/c", "a:5000/c:latest"),
      NameCase("a:x", "localhost/a:x"),
      NameCase("foo:TAG", "localhost/foo:TAG"),
      NameCase("foo__bar", "localhost/foo__bar:latest"),
      NameCase("foo_bar", "localhost/foo_bar:latest"),
      NameCase("foo--bar", "localhost/foo--bar:latest"),
      NameCase("foo.bar", "localhost/foo.bar:latest"),
      NameCase("EX.com/foo", "EX.com/foo:latest"),
      NameCase("localhost:5000/x", "localhost:5000/x:latest"),
      NameCase("localhost", "localhost/localhost:latest"),
      NameCase("registry/x", "localhost/registry/x:latest"),
      NameCase("foo@" + digest, "localhost/foo@" + digest),
      NameCase("foo:1@" + digest, "localhost/foo:1@" + digest),
      NameCase(
        "foo:" + String(repeating: "a", count: 128),
        "localhost/foo:" + String(repeating: "a", count: 128)),
    ])
  func normalForm(_ name: NameCase) throws {
    #expect(try Reference(normalizing: name.typed).description == name.normal)
    // The normal form is its own.
    #expect(try Reference(normalizing: name.normal).description == name.normal)
  }

  @Test(
    "that are none are refused in podman's words",
    arguments: [
      BadNameCase("", "repository name must have at least one component"),
      BadNameCase("Foo", "repository name must be lowercase"),
      BadNameCase("LOCAL/x", "repository name must be lowercase"),
      BadNameCase("foo:", badFormat), BadNameCase(":tag", badFormat),
      BadNameCase("/x", badFormat), BadNameCase("x/", badFormat), BadNameCase("x//y", badFormat),
      BadNameCase("foo___bar", badFormat), BadNameCase("foo..bar", badFormat),
      BadNameCase("foo-", badFormat), BadNameCase("-foo", badFormat),
      BadNameCase("foo bar", badFormat), BadNameCase("[::1]:5000/x", badFormat),
      BadNameCase("foo@sha256:12", badFormat), BadNameCase("foo@", badFormat),
      BadNameCase("foo:" + String(repeating: "a", count: 129), badFormat),
      BadNameCase(
        String(repeating: "a", count: 256), "repository name must not be more than 255 characters"),
    ])
  func refusal(_ name: BadNameCase) {
    #expect {
      try Reference(normalizing: name.typed)
    } throws: { error in
      let text = "normalizing name \"\(name.typed)\": \(name.reason)"
      return (error as? Reference.InvalidReference)?.description == text
    }
  }

  @Test("come apart into their parts")
  func parts() throws {
    let reference = try Reference(normalizing: "reg.example:5000/a/b:v1@" + digest)
    #expect(reference.domain == "reg.example:5000")
    #expect(reference.path == "a/b")
    #expect(reference.tag == "v1")
    #expect(reference.digest?.description == digest)
    #expect(reference.repository == "reg.example:5000/a/b")
  }
}
