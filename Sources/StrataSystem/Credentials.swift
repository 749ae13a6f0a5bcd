import CStrata

/// Capabilities that Strata asks for, by their numbers in linux/capability.h.
package enum Capability: Int32, Sendable {
  case overrideAccess = 1
  case systemAdministration = 21
  case makeNode = 27
}

/// Whether a capability is effective in the process's own user namespace.
///
/// C: `capget`.
package func hasCapability(_ capability: Capability) -> Bool {
  cstrata_has_capability(capability.rawValue) != 0
}

/// Sets the mask that new files' modes lose.
///
/// C: `umask`.
package func setFileCreationMask(_ mask: UInt32) {
  _ = cstrata_set_umask_thread(mask)
}
