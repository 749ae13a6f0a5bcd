/// A node of a tree that is drawn with box characters.
struct TreeNode {
  var id: String
  /// Nil for a root.
  var parent: String?
  var label: String
  /// Lines below the label.
  var notes: [String] = []
}

/// The tree as text.
///
/// Children keep the order of the list; `gap` stands between branch and label.
///
/// Without recursion: stores have chains of hundreds of layers.
func treeText(_ nodes: [TreeNode], gap: String) -> String {
  var children: [String: [TreeNode]] = [:]
  var roots: [TreeNode] = []
  for node in nodes {
    if let parent = node.parent {
      children[parent, default: []].append(node)
    } else {
      roots.append(node)
    }
  }
  var text = ""
  var open: [(node: TreeNode, indent: String, isLast: Bool)] = []
  func push(_ nodes: [TreeNode], _ indent: String) {
    for (index, node) in nodes.enumerated().reversed() {
      open.append((node, indent, index == nodes.count - 1))
    }
  }
  let blank = String(repeating: " ", count: gap.count)
  push(roots, "")
  while let (node, indent, isLast) = open.popLast() {
    text += indent + (isLast ? "└─" : "├─") + gap + oneLine(node.label) + "\n"
    let below = indent + (isLast ? "  " : "│ ") + blank
    for note in node.notes { text += below + oneLine(note) + "\n" }
    push(children[node.id] ?? [], below)
  }
  return text
}
