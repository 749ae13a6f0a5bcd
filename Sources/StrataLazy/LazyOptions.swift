/// What a configuration decides about the daemon.
package struct LazyOptions: Sendable {
  /// How long a lookup may take that needs the registry, in nanoseconds.
  package var resolveTimeout: UInt64 = 15_000_000_000
  /// How long a read may wait for its bytes, over all retries and mirrors, in nanoseconds.
  package var readTimeout: UInt64 = 60_000_000_000
  /// How long a failure is repeated without asking again, in nanoseconds.
  package var failureTime: UInt64 = 30_000_000_000
  /// Whether layers are completed in the background.
  package var backgroundFetch = true
  /// How many bytes a second background and prefetch may take together; nil: all that readers leave.
  package var backgroundBandwidth: Int64?
  /// Whether what an image's start needs is fetched before it is asked for.
  package var prefetches = true
  /// Whether a layer may be looked up by its blob's digest before its TOC is known to belong to it;
  /// such a layer is completed whatever `backgroundFetch` says.
  package var trustsBlobDigests = true
  /// The most bytes on the disk that the cache should hold; nil: as many as leave a twentieth of the
  /// disk free.
  package var cacheSize: Int64?
  /// How many seconds content of layers that nobody keeps may lie there unread; nil: for ever.
  package var cacheAge: Int64? = 30 * 86_400
  /// Whether content of layers in use is never let go, for hosts that may lose their registry.
  package var keepsMounted = false
  /// Requests under way at once.
  package var concurrency = 6

  package init() {}
}
