import ArgumentParser

extension Verb {
  /// All options of the verb, whoever takes its words apart.
  fileprivate var optionNames: [String] {
    switch body {
    case .peer: return (flags + PeerFlag.global(for: .strata)).flatMap(\.names)
    case .command(let type):
      // ArgumentParser tells its options in the help alone: each line of theirs begins with them, and two
      // blanks end them.
      return type.helpMessage(columns: 200).split(separator: "\n").flatMap { line -> [String] in
        guard line.hasPrefix("  -") else { return [] }
        let text = line.drop { $0 == " " }
        let end = text.firstRange(of: "  ")?.lowerBound ?? text.endIndex
        return text[..<end].split { " ,/".contains($0) }.map(String.init).filter {
          $0.hasPrefix("-")
        }
      }
    }
  }

  /// Verbs with words that are files or programs.
  private static let ofFiles: Set<String> = [
    "import", "export", "copy", "config", "applydiff-using-staging-dir", "unshare",
  ]

  /// Whether a word of it may be a file.
  fileprivate var takesFiles: Bool { Self.ofFiles.contains(name) }

  /// Words of a small choice.
  fileprivate var choices: [String] {
    switch name {
    case "completions": ["bash", "zsh", "fish"]
    case "man": VerbTable.all.map(\.name)
    default: []
    }
  }

  fileprivate var allNames: [String] { names + ownNames }

  fileprivate var options: [String] { Array(Set(optionNames)).sorted() }

  /// Its options that a file follows, by what they are called in any verb.
  fileprivate var optionsOfFiles: [String] {
    let files: Set<String> = [
      "--graph", "-g", "--run", "-R", "--image-store", "--authfile", "--state-dir", "--file", "-f",
      "--metadata-file",
    ]
    // `-f` is `--force` in some.
    let isFile = flags.contains { $0.names.contains("-f") && $0.kind == .text }
    return options.filter { files.contains($0) && ($0 != "-f" || isFile) }
  }

  /// Its options with few values.
  fileprivate var optionsOfChoices: [(option: String, values: [String])] {
    ShellCompletions.values.filter { options.contains($0.option) }
  }
}

/// Completion scripts, made of the table of verbs: verbs and options, whatever stands before the verb, files
/// where a word or the value of an option is one, and the values of options that have few.
enum ShellCompletions {
  private static var verbs: [Verb] { VerbTable.all }
  private static var global: [PeerFlag] { PeerFlag.global(for: .strata) }

  fileprivate static let values: [(option: String, values: [String])] = [
    ("--storage-driver", ["overlay", "vfs"]), ("-s", ["overlay", "vfs"]),
    ("--sync", ["filesystem", "none"]), ("--hash-method", ["size", "crc", "sha256"]),
    ("--compression", ["none", "gzip", "zstd", "zstd:chunked", "estargz"]),
    ("--compression-format", ["gzip", "zstd"]),
  ]

  /// The options before the verb that take the next word.
  private static var globalWithValue: [String] {
    global.filter { $0.kind != .switched }.flatMap(\.names)
  }

  private static func quoted(_ text: String) -> String {
    "'" + text.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''")
      + "'"
  }

  private static func quoted(_ words: [String]) -> String { quoted(words.joined(separator: " ")) }

  static var bash: String {
    let files = ["--graph", "-g", "--run", "-R", "--image-store"]
    var text = """
      # bash completion for strata
      _strata() {
        local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} verb= i
        [[ $word == = ]] && word=
        [[ $before == = ]] && before=${COMP_WORDS[COMP_CWORD - 2]}
        for ((i = 1; i < COMP_CWORD; i++)); do
          case ${COMP_WORDS[i]} in
            \(globalWithValue.joined(separator: "|")))
              [[ ${COMP_WORDS[i + 1]} == = ]] && ((i++))
              ((i++)) ;;
            -*) ;;
            *) verb=${COMP_WORDS[i]}; break ;;
          esac
        done
        local words= options= of_files= files= values=
        case $verb in
          '')
            words=\(quoted(verbs.flatMap(\.allNames)))
            options=\(quoted(global.flatMap(\.names)))
            of_files=\(quoted(files)) ;;

      """
    for verb in verbs {
      text +=
        "    \(verb.allNames.joined(separator: "|")))\n      options=\(quoted(verb.options))\n"
      text += "      of_files=\(quoted(verb.optionsOfFiles))"
      if verb.takesFiles { text += " files=1" }
      if !verb.choices.isEmpty { text += " words=\(quoted(verb.choices))" }
      text += " ;;\n"
    }
    text += "  esac\n  case $before in\n"
    for (option, values) in values { text += "    \(option)) values=\(quoted(values)) ;;\n" }
    return text + """
        esac
        if [[ $before == -* && " $of_files " == *" $before "* ]]; then
          mapfile -t COMPREPLY < <(compgen -f -- "$word")
        elif [[ -n $values && " $options " == *" $before "* ]]; then
          mapfile -t COMPREPLY < <(compgen -W "$values" -- "$word")
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
    for verb in verbs {
      for name in verb.allNames { text += "    \(quoted("\(name):\(verb.shownSummary)"))\n" }
    }
    text += """
        )
        local verb= before=$words[CURRENT-1] of_files= files= i=2
        local -a options choices
        while ((i < CURRENT)); do
          case $words[i] in
            \(globalWithValue.joined(separator: "|"))) ((i += 2)) ;;
            -*) ((i++)) ;;
            *) verb=$words[i]; break ;;
          esac
        done
        case $verb in
          '') options=(\(global.flatMap(\.names).joined(separator: " ")))
            of_files='--graph -g --run -R --image-store' ;;

      """
    for verb in verbs {
      text += "    \(verb.allNames.joined(separator: "|")))"
      text += " options=(\(verb.options.joined(separator: " ")))"
      text += " choices=(\(verb.choices.joined(separator: " ")))"
      text += " of_files=\(quoted(verb.optionsOfFiles))\(verb.takesFiles ? " files=1" : "") ;;\n"
    }
    text += "  esac\n  case $before in\n"
    for (option, values) in values {
      text += "    \(option)) (($options[(Ie)$before])) && { compadd -- "
      text += values.map(quoted).joined(separator: " ") + "; return } ;;\n"
    }
    return text + """
        esac
        if [[ $before == -* && " $of_files " == *" $before "* ]]; then
          _files
        elif [[ $PREFIX == -* ]]; then
          compadd -- $options
        elif [[ -z $verb ]]; then
          _describe verb verbs
        else
          compadd -- $choices
          [[ -n $files ]] && _files
        fi
      }
      if [[ ${funcstack[1]} == _strata ]]; then
        _strata "$@"
      else
        compdef _strata strata
      fi

      """
  }

  static var fish: String {
    var text = """
      function __strata_verb
          set -l words (commandline -opc)
          set -e words[1]
          while set -q words[1]
              switch $words[1]
                  case \(globalWithValue.joined(separator: " "))
                      set -e words[1]
                      set -q words[1]; and set -e words[1]
                  case '-*'
                      set -e words[1]
                  case '*'
                      echo $words[1]
                      return 0
              end
          end
          return 1
      end
      function __strata_in
          set -l verb (__strata_verb); and contains -- $verb $argv
      end
      complete -c strata -f

      """
    for flag in global {
      let takes = flag.kind == .switched ? "" : " -r"
      text += fishOptions(flag.names, when: "not __strata_verb >/dev/null", takes)
    }
    for verb in verbs {
      for name in verb.allNames {
        text += "complete -c strata -n 'not __strata_verb >/dev/null' -a \(name)"
        text += " -d \(quoted(verb.shownSummary))\n"
      }
      let seen = "__strata_in \(verb.allNames.joined(separator: " "))"
      if verb.takesFiles { text += "complete -c strata -n \(quoted(seen)) -F\n" }
      if !verb.choices.isEmpty {
        text += "complete -c strata -n \(quoted(seen)) -a \(quoted(verb.choices))\n"
      }
      for option in verb.options {
        var takes = verb.optionsOfFiles.contains(option) ? " -r -F" : ""
        if let values = verb.optionsOfChoices.first(where: { $0.option == option })?.values {
          takes = " -x -a \(quoted(values))"
        }
        text += fishOptions([option], when: seen, takes)
      }
    }
    return text
  }

  private static func fishOptions(_ names: [String], when: String, _ takes: String) -> String {
    names.map { name in
      let spelled = name.hasPrefix("--") ? "-l \(name.dropFirst(2))" : "-s \(name.dropFirst())"
      var takes = takes
      if takes == " -r", let choice = values.first(where: { $0.option == name }) {
        takes = " -x -a \(quoted(choice.values))"
      }
      return "complete -c strata -n \(quoted(when)) \(spelled)\(takes)\n"
    }.joined()
  }
}
