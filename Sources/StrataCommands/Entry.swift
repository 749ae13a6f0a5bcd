import ArgumentParser
package import StrataConfig
import StrataSystem

/// The whole program.
package func runStrataAndExit() -> Never {
  exitProcess(runStrata(CommandLine.arguments))
}

/// Runs a command line and gives the exit status of the process.
///
/// `arguments` holds the name that the program was called by first.
///
/// `transfer` is the network half, where this program has it.
package func runStrata(
  _ arguments: [String], transfer: (any RegistryTransfer)? = nil
) -> Int32 {
  openMissingStandardDescriptors()
  // Layers' directories must be readable whatever the caller's mask: as the peers do.
  setFileCreationMask(0o022)
  Interruption.install()
  let output = Output()
  let persona = Persona(calledAs: arguments.first ?? "strata")
  let status = Entry(
    persona: persona, program: arguments.first ?? "strata", output: output,
    surroundings: .ofProcess(), transfer: transfer
  ).run(Array(arguments.dropFirst()))
  // What was put off is over: the shell is to know that it was a signal.
  if let signal = Interruption.pending {
    output.flush()
    return 128 + signal
  }
  // The peer does not look whether its answer was taken.
  if persona == .strata, !output.finish("strata"), status == ExitStatus.success {
    return ExitStatus.failure
  }
  output.flush()
  return status
}

/// From words to a verb that runs.
package struct Entry {
  var persona: Persona
  /// As the program was called, which the peer puts into its hints.
  var program: String
  var output: Output
  var surroundings: Surroundings
  var transfer: (any RegistryTransfer)?

  package init(
    persona: Persona, program: String, output: Output, surroundings: Surroundings,
    transfer: (any RegistryTransfer)? = nil
  ) {
    self.transfer = transfer
    self.persona = persona
    self.program = program
    self.output = output
    self.surroundings = surroundings
  }

  private static let lists: Set<String> = ["storage-opt"]

  /// The options before the verb, the verb, and its own words.
  package func run(_ words: [String]) -> Int32 {
    let global: PeerArguments
    do throws(PeerArguments.Failure) {
      global = try PeerArguments(
        words, flags: PeerFlag.global(for: persona), rule: .firstPositional)
    } catch {
      return badGlobalOption(error)
    }
    if global.isOn("help") { return overview(asked: true) }
    guard let spelling = global.positionals.first else { return overview(asked: false) }
    let rest = Array(global.positionals.dropFirst())
    guard var verb = VerbTable.verb(spelling, for: persona) else { return unknown(spelling, rest) }
    // The peer calls a verb as it was spelled.
    if persona == .peer { verb.names.insert(spelling, at: 0) }
    let session = Session(
      persona: persona, surroundings: surroundings, global: global, output: output)
    session.transfer = transfer
    session.leadingWords = global.words(behindVerb: PeerFlag.global(for: persona))
    session.verbWords = rest
    switch verb.body {
    case .peer(let body): return run(verb, body, rest, session)
    case .command(let type): return run(verb, type, rest, session)
    }
  }

  private func run(
    _ verb: Verb, _ body: (Call) throws -> Void, _ words: [String], _ session: Session
  ) -> Int32 {
    let own = verb.flags.filter { persona == .strata || $0.isOfPeer }
    let arguments: PeerArguments
    do throws(PeerArguments.Failure) {
      arguments = try PeerArguments(
        words, flags: own + PeerFlag.global(for: persona),
        rule: verb.endsAtFirstWord ? .firstPositional : persona.rule)
    } catch {
      return badOption(error, of: verb)
    }
    if arguments.isOn("help") { return help(of: verb, own) }
    session.global = arguments.over(session.global, lists: Self.lists)
    let count = arguments.positionals.count
    if count < verb.minimum { return wrongCount("more arguments required.", verb, own) }
    if let maximum = verb.maximum, count > maximum {
      return wrongCount(
        "too many arguments ([\(arguments.positionals.joined(separator: " "))]).", verb, own)
    }
    do {
      try prepare(session, for: verb)
      try body(Call(session: session, verb: verb.name, arguments: arguments))
      return ExitStatus.success
    } catch {
      return report(error, verb: verb.name, about: arguments.positionals, in: session)
    }
  }

  private func run(
    _ verb: Verb, _ type: any StrataCommand.Type, _ words: [String], _ session: Session
  ) -> Int32 {
    do {
      let command: any StrataCommand = try type.parse(words)
      let later = try PeerArguments(
        command.store.words, flags: PeerFlag.global(for: persona), rule: .firstPositional)
      session.global = later.over(session.global, lists: Self.lists)
      try prepare(session, for: verb)
      try command.run(session)
      return ExitStatus.success
    } catch {
      guard isOfParser(error) else {
        let about = words.filter { !$0.hasPrefix("-") }
        return report(error, verb: verb.name, about: about, in: session)
      }
      return parserFailure(error, verb, type)
    }
  }

  private func isOfParser(_ error: any Error) -> Bool {
    error is ValidationError || error is CleanExit || error is ExitCode
      || String(reflecting: Swift.type(of: error)).hasPrefix("ArgumentParser.")
  }

  /// Help that was asked for, or what is wrong with the words, in one line.
  private func parserFailure(
    _ error: any Error, _ verb: Verb, _ type: any StrataCommand.Type
  ) -> Int32 {
    if type.exitCode(for: error) == .success {
      output.line(type.fullMessage(for: error))
      return ExitStatus.success
    }
    let message = type.message(for: error)
    output.error(
      "strata: \(verb.name): \(message.prefix(1).lowercased() + message.dropFirst()): see `strata \(verb.name) --help`"
    )
    return ExitStatus.usage
  }

  /// An ordinary user's mount would be seen by nobody once this process has ended.
  private func prepare(_ session: Session, for verb: Verb) throws {
    if verb.needs == .lastingNamespace, surroundings.userID != 0 {
      throw NamespaceError(
        description: "an ordinary user's mount ends with the command that made it: "
          + "run this inside `strata unshare`")
    }
  }

  private func overview(asked: Bool) -> Int32 {
    switch persona {
    case .strata: asked ? output.write(Usage.overview) : output.error(Usage.overview)
    case .peer:
      output.write(Usage.peerOverview)
      let options = Usage.options(PeerFlag.global(for: persona))
      if asked { output.write(options) } else { output.error(String(options.dropLast())) }
    }
    return asked ? ExitStatus.success : ExitStatus.failure
  }

  private func help(of verb: Verb, _ flags: [PeerFlag]) -> Int32 {
    guard persona == .peer else {
      output.write(Usage.verb(verb))
      return ExitStatus.success
    }
    output.write(Usage.peerVerb(verb))
    output.error(String(Usage.options(flags + PeerFlag.global(for: persona)).dropLast()))
    return ExitStatus.badFlag
  }

  private func badGlobalOption(_ error: PeerArguments.Failure) -> Int32 {
    guard persona == .peer else {
      output.error("strata: \(error.plain): see `strata --help`")
      return ExitStatus.usage
    }
    output.line("\(error) while parsing arguments (1)")
    output.write(Usage.peerOverview)
    output.error("\(error)\nSee '\(program) --help'.")
    output.error(String(Usage.options(PeerFlag.global(for: persona)).dropLast()))
    return ExitStatus.failure
  }

  private func badOption(_ error: PeerArguments.Failure, of verb: Verb) -> Int32 {
    guard persona == .peer else {
      output.error("strata: \(verb.name): \(error.plain): see `strata \(verb.name) --help`")
      return ExitStatus.usage
    }
    output.error("\(error)\nSee '\(program) \(verb.name) --help'.")
    return ExitStatus.badFlag
  }

  private func wrongCount(_ text: String, _ verb: Verb, _ flags: [PeerFlag]) -> Int32 {
    guard persona == .peer else {
      output.error(
        "strata: \(verb.name): \(text.dropLast()): the usage is strata \(verb.name)"
          + (verb.usage.isEmpty ? "" : " \(verb.usage)"))
      return ExitStatus.usage
    }
    output.line("\(verb.name): \(text)")
    output.write(Usage.peerVerb(verb))
    output.error(String(Usage.options(flags + PeerFlag.global(for: persona)).dropLast()))
    return ExitStatus.failure
  }

  private func unknown(_ spelling: String, _ rest: [String]) -> Int32 {
    if persona == .peer {
      output.line("\(spelling): unrecognized command.")
      return ExitStatus.failure
    }
    if spelling == "help" {
      guard let name = rest.first, VerbTable.verb(name, for: persona) != nil else {
        return overview(asked: true)
      }
      return run([name, "--help"])
    }
    let hint = VerbTable.nearest(to: spelling).map { "did you mean \($0)?" }
    output.error("strata: there is no verb \(spelling): \(hint ?? "see `strata --help`")")
    return ExitStatus.usage
  }
}
