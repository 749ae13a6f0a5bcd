import ArgumentParser
import StrataModel

extension Verb {
  static let completions = Verb(
    names: ["completions"], group: .store, usage: "bash|zsh|fish",
    summary: "Print completions for a shell", minimum: 1, maximum: 1, needs: .nothing,
    isOfPeer: false,
    examples: [
      ("strata completions bash >/etc/bash_completion.d/strata", "for every user"),
      ("strata completions zsh >/usr/share/zsh/vendor-completions/_strata", "the same for zsh"),
      ("strata completions fish >/etc/fish/completions/strata.fish", "and for fish"),
      ("source <(strata completions bash)", "in this shell; zsh likewise, after compinit"),
    ],
    body: .peer { call in
      switch call.words[0] {
      case "bash": call.output.write(ShellCompletions.bash)
      case "zsh": call.output.write(ShellCompletions.zsh)
      case "fish": call.output.write(ShellCompletions.fish)
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
