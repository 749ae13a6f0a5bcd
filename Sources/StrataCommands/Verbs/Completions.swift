import ArgumentParser
import StrataModel

extension Verb {
  static let completions = Verb(
    names: ["completions"], group: .store, usage: "bash|zsh|fish",
    summary: "Print completions for a shell", minimum: 1, maximum: 1, needs: .nothing,
    isOfPeer: false,
    examples: [("strata completions bash >/etc/bash_completion.d/strata", "for every user")],
    body: .peer { call in
      switch call.words[0] {
      case "bash": call.output.write(Completions.bash)
      case "zsh": call.output.write(Completions.zsh)
      case "fish": call.output.write(Completions.fish)
      default:
        throw StoreError(.usage, "there are completions for bash, zsh and fish")
      }
    })

  static let manual = Verb(
    names: ["man"], group: .store, usage: "[VERB]", summary: "Print the manual page as roff",
    maximum: 1, needs: .nothing, isOfPeer: false,
    examples: [
      ("strata man | man -l -", "reads it"),
      ("strata man import >strata-import.1", "the page of one verb"),
    ],
    body: .peer { call in
      guard let word = call.words.first else { return call.output.write(ManualPage.overview) }
      guard let verb = VerbTable.verb(word, for: .strata) else {
        throw StoreError(.usage, "there is no verb \(word)")
      }
      call.output.write(ManualPage.page(of: verb))
    })
}

extension Verb {
  /// All options of the verb with their explanation, whoever takes its words apart.
  var optionNames: [String] {
    switch body {
    case .peer: return (flags + PeerFlag.global(for: .strata)).flatMap(\.names)
    case .command(let type):
      // ArgumentParser tells its options in the help alone.
      let words = type.helpMessage(columns: 200).split { " ,\n".contains($0) }
      return words.filter { $0.hasPrefix("-") && $0.count > 1 && !$0.contains("<") }.map(
        String.init)
    }
  }
}

extension Verb {
  /// Verbs with words that are files or programs.
  private static let ofFiles: Set<String> = [
    "import", "export", "copy", "config", "applydiff-using-staging-dir", "unshare",
  ]
  /// Options whose value is a file or a folder, by their keys.
  private static let fileOptions: Set<String> = [
    "file", "metadata-file", "graph", "run", "image-store",
  ]

  /// Whether a word of it may be a file.
  var takesFiles: Bool { Self.ofFiles.contains(name) }

  /// Its options that a file follows.
  var optionsOfFiles: [String] {
    let own: [PeerFlag] =
      switch body {
      case .peer: flags
      case .command: [.text("--authfile", help: "")]
      }
    return
      (own.filter { Self.fileOptions.contains($0.key) || $0.key == "authfile" }
      + PeerFlag.global(for: .strata).filter { Self.fileOptions.contains($0.key) })
      .flatMap(\.names)
  }

  /// Words of a small choice.
  var choices: [String] {
    switch name {
    case "completions": ["bash", "zsh", "fish"]
    case "man": VerbTable.all.map(\.name)
    default: []
    }
  }
}

/// Completion scripts, made of the table of verbs: they complete verbs and options, and files where a
/// word or the value of an option is one.
enum Completions {
  private static var verbs: [Verb] { VerbTable.all }

  private static func quoted(_ text: String) -> String {
    "'" + text.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''")
      + "'"
  }

  private static func options(_ verb: Verb) -> [String] { Array(Set(verb.optionNames)).sorted() }

  static var bash: String {
    var text = """
      # bash completion for strata
      _strata() {
        local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} verb= i
        for ((i = 1; i < COMP_CWORD; i++)); do
          [[ ${COMP_WORDS[i]} == -* ]] || { verb=${COMP_WORDS[i]}; break; }
        done
        local words= options= of_files= files=
        case $verb in
          '') words=\(quoted(verbs.map(\.name).joined(separator: " "))) ;;

      """
    for verb in verbs {
      let names = (verb.names + verb.ownNames).joined(separator: "|")
      text += "    \(names))\n      options=\(quoted(options(verb).joined(separator: " ")))\n"
      text += "      of_files=\(quoted(verb.optionsOfFiles.joined(separator: " ")))"
      if verb.takesFiles { text += " files=1" }
      if !verb.choices.isEmpty { text += " words=\(quoted(verb.choices.joined(separator: " ")))" }
      text += " ;;\n"
    }
    return text + """
          esac
        if [[ $before == -* && " $of_files " == *" $before "* ]]; then
          mapfile -t COMPREPLY < <(compgen -f -- "$word")
        elif [[ $word == -* ]]; then
          mapfile -t COMPREPLY < <(compgen -W "$options" -- "$word")
        elif [[ -n $files ]]; then
          mapfile -t COMPREPLY < <(compgen -f -- "$word")
        else
          mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
        fi
      }
      complete -o filenames -F _strata strata

      """
  }

  static var zsh: String {
    var text = "#compdef strata\n_strata() {\n  local -a verbs\n  verbs=(\n"
    for verb in verbs { text += "    \(quoted("\(verb.name):\(verb.shownSummary)"))\n" }
    text += "  )\n  if ((CURRENT == 2)); then\n    _describe verb verbs\n    return\n  fi\n"
    text += "  local before=$words[CURRENT-1] of_files= files=\n  case $words[2] in\n"
    for verb in verbs {
      let names = (verb.names + verb.ownNames).joined(separator: "|")
      let words = options(verb) + verb.choices
      text += "    \(names)) compadd -- \(words.joined(separator: " "))"
      text += "; of_files=\(quoted(verb.optionsOfFiles.joined(separator: " ")))"
      text += verb.takesFiles ? "; files=1 ;;\n" : " ;;\n"
    }
    return text + """
        esac
        [[ -n $files || ( $before == -* && " $of_files " == *" $before "* ) ]] && _files
      }
      _strata "$@"

      """
  }

  static var fish: String {
    var text = "complete -c strata -f\n"
    for verb in verbs {
      let seen = "complete -c strata -n \"__fish_seen_subcommand_from \(verb.name)\""
      text +=
        "complete -c strata -n __fish_use_subcommand -a \(verb.name) -d \(quoted(verb.shownSummary))\n"
      if verb.takesFiles { text += "\(seen) -F\n" }
      if !verb.choices.isEmpty {
        text += "\(seen) -a \(quoted(verb.choices.joined(separator: " ")))\n"
      }
      for option in options(verb) {
        let name = option.hasPrefix("--") ? "-l \(option.dropFirst(2))" : "-s \(option.dropFirst())"
        guard option.hasPrefix("--") || option.count == 2 else { continue }
        text += "\(seen) \(name)\(verb.optionsOfFiles.contains(option) ? " -r -F" : "")\n"
      }
    }
    return text
  }
}

/// Manual pages, made of what `--help` prints.
enum ManualPage {
  static var overview: String {
    head("strata", "images, layers and containers in the store that podman uses")
      + body(Usage.overview)
  }

  static func page(of verb: Verb) -> String {
    let text =
      switch verb.body {
      case .peer: Usage.verb(verb)
      case .command(let type): type.helpMessage(columns: 80) + "\n"
      }
    return head("strata-\(verb.name)", verb.shownSummary) + body(text)
  }

  private static func head(_ name: String, _ what: String) -> String {
    ".TH \(name.uppercased()) 1 \"\" \"strata \(strataVersion)\"\n.SH NAME\n"
      + "\(escaped(name)) \\- \(escaped(what))\n.SH DESCRIPTION\n"
  }

  /// The lines as they are, since they are aligned already.
  private static func body(_ text: String) -> String {
    ".nf\n"
      + text.split(separator: "\n", omittingEmptySubsequences: false).map { line in
        let text = escaped(String(line))
        return text.hasPrefix(".") || text.hasPrefix("'") ? "\\&" + text : text
      }.joined(separator: "\n") + ".fi\n"
  }

  private static func escaped(_ text: String) -> String {
    text.split(separator: "\\", omittingEmptySubsequences: false).joined(separator: "\\e")
      .split(separator: "-", omittingEmptySubsequences: false).joined(separator: "\\-")
  }
}
