// The four things that a store is for. As root, with strata-overlay in PATH:
//
//   FourSteps oci:./layout:latest oci:./copy:latest

import Glibc
import StrataImage
import StrataModel
import StrataSetup
import StrataStore

@main
struct FourSteps {
  static func main() {
    guard CommandLine.arguments.count == 3,
      let destination = ImageDestination(CommandLine.arguments[2])
    else {
      print("usage: FourSteps SOURCE DESTINATION")
      exit(2)
    }
    do throws(StoreError) {
      // Where podman's is, or where CONTAINERS_STORAGE_CONF says.
      let store = try Store.open()
      let image = try importImage(ImageSource(CommandLine.arguments[1]), into: store)
      print("imported", image.names.first ?? image.id)

      let container = try store.createContainer(ContainerCreation(image: image.id))
      print("mounted", try store.mount(container.id))
      _ = try store.unmount(container.id)
      try store.deleteContainer(container.id)

      print("exported", try exportImage(image.id, from: store, to: destination))
    } catch {
      print("FourSteps:", error)
      exit(1)
    }
  }
}
