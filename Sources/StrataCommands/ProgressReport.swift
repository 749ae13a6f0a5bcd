import StrataImage
import StrataModel
import StrataSystem

/// Shows a transfer on standard error: bars on a terminal, a line for each layer otherwise.
final class ProgressReport: TransferProgress {
  private struct Layer {
    var label: String
    var size: Int64?
    var bytes: Int64 = 0
    var state = State.waiting
  }

  private enum State { case waiting, running, present, done }

  private let verb: String
  private let output: Output
  private let isTerminal: Bool
  private let columns: Int
  private var layers: [Layer] = []
  private var linesDrawn = 0
  private var lastDrawn: UInt64 = 0
  private var hasEnded = false

  /// A report that writes where `output` writes its errors.
  init(verb: String, _ output: Output) {
    self.verb = verb
    self.output = output
    isTerminal = StrataSystem.isTerminal(.standardError)
    columns = terminalWidth(.standardError) ?? 80
  }

  func report(_ event: TransferEvent) {
    switch event {
    case .planned(let all):
      // The digest of a layer that is being made is known at its end only.
      layers = all.map { layer in
        let label = layer.digest == .ofNothing ? "new layer" : String(layer.digest.hex.prefix(12))
        return Layer(label: label, size: layer.size)
      }
      draw(force: true)
    case .skipped(let index): change(index, to: .present)
    case .started(let index): change(index, to: .running)
    case .advanced(let index, let bytes):
      guard layers.indices.contains(index) else { return }
      layers[index].bytes = bytes
      draw(force: false)
    case .finished(let index): change(index, to: .done)
    case .finishing: draw(force: true)
    }
  }

  /// Leaves the last state on the screen.
  func end() {
    guard !hasEnded else { return }
    hasEnded = true
    draw(force: true)
  }

  private func change(_ index: Int, to state: State) {
    guard layers.indices.contains(index) else { return }
    layers[index].state = state
    if isTerminal { return draw(force: true) }
    let layer = layers[index]
    let label = layer.label == "new layer" ? layer.label : "layer \(layer.label)"
    switch state {
    case .present: output.error("\(label): already there")
    case .done: output.error("\(label): \(humanSize(layer.size ?? layer.bytes))")
    case .waiting, .running: break
    }
  }

  /// Redraws all lines, at most ten times a second unless it must be.
  private func draw(force: Bool) {
    guard isTerminal, !layers.isEmpty else { return }
    let now = monotonicNanoseconds()
    if !force, now - lastDrawn < 100_000_000 { return }
    lastDrawn = now
    // More layers than a screen has lines would scroll away: then only those that run are shown.
    let shown = layers.count <= 20 ? layers : layers.filter { $0.state == .running }
    var text = linesDrawn > 0 ? "\u{1B}[\(linesDrawn)A" : ""
    for layer in shown { text += "\r\u{1B}[K" + line(layer) + "\n" }
    text += "\u{1B}[J"
    linesDrawn = shown.count
    output.errorText(text)
  }

  private func line(_ layer: Layer) -> String {
    let bytes = humanSize(layer.bytes)
    switch layer.state {
    case .waiting: return "\(layer.label)  waiting"
    case .present: return "\(layer.label)  already there"
    case .done: return "\(layer.label)  \(humanSize(layer.size ?? layer.bytes))  done"
    case .running:
      guard let size = layer.size, size > 0 else { return "\(layer.label)  \(bytes)" }
      return progressLine(layer.label, bytes: layer.bytes, of: size, columns: columns)
    }
  }
}

/// A bar that fits the width: label, bar, share and bytes.
package func progressLine(_ label: String, bytes: Int64, of size: Int64, columns: Int) -> String {
  let share = min(1, Double(bytes) / Double(size))
  let tail = " \(Int(share * 100))%  \(humanSize(bytes)) of \(humanSize(size))"
  let room = max(0, min(40, columns - label.count - tail.count - 5))
  let filled = Int(share * Double(room))
  let bar = String(repeating: "#", count: filled) + String(repeating: ".", count: room - filled)
  return "\(label)  [\(bar)]\(tail)"
}
