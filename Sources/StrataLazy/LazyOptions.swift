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
  /// Whether a layer may be looked up by its blob's digest before its TOC is known to belong to it;
  /// such a layer is completed whatever `backgroundFetch` says.
  package var trustsBlobDigests = true
  /// Requests under way at once.
  package var concurrency = 6

  package init() {}
}
