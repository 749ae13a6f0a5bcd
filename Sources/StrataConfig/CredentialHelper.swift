import StrataJSON
import StrataSystem

/// Runs `docker-credential-NAME get` and reads its answer; nil where it has nothing for the host.
///
/// The host goes to its standard input; its answer is `{"ServerURL","Username","Secret"}`. The user
/// `<token>` marks an identity token (docker-credential-helpers' protocol).
func askCredentialHelper(_ program: RawPath, host: String) throws(ConfigurationError)
  -> Credentials?
{
  let (status, output): (Int32, [UInt8])
  do throws(Errno) {
    (status, output) = try ChildProcess.answer(
      of: program, [program, "get"], input: Array((host + "\n").utf8), limit: 1 << 20)
  } catch {
    throw ConfigurationError("credentials for \(host): run \(program): \(error)")
  }
  let text = String(decoding: output, as: UTF8.self)
  let said = text.split(separator: "\n").first.map { String($0) } ?? ""
  if status != 0 {
    if said.contains("credentials not found") { return nil }
    throw ConfigurationError(
      "credentials for \(host): \(program) ended with status \(status): \(said)")
  }
  guard let json = try? JSONValue(parsing: output), let user = json["Username"]?.string,
    let secret = json["Secret"]?.string
  else { throw ConfigurationError("credentials for \(host): \(program) gave no user and secret") }
  if user.isEmpty && secret.isEmpty { return nil }
  return user == "<token>" ? .identityToken(secret) : .password(user: user, password: secret)
}
