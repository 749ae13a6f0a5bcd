extension DaemonOptions {
  /// What `--help` prints.
  package static let help = """
    Usage: strata-lazy [OPTION...] [MOUNTPOINT]
           strata-lazy pull|push ...   (as `strata pull` and `strata push`)
           strata-lazy record begin|end MOUNTPOINT IMAGE
           strata-lazy status [--root DIR] [--config FILE] [--json|--metrics]

    record: what is read between begin and end is fetched ahead at the next starts of the image.

    status: what the daemon of a state directory has of each image and layer; --metrics: its counters
    in the text form of Prometheus, which `GET /metrics` on the socket DIR/status.sock gives as well.

    Serves layers of registries as an additional layer store, until it is unmounted or ended by a
    signal. storage.conf: additionallayerstores = ["MOUNTPOINT:ref"]

      --config FILE            a file with these settings and more, see docs/strata-lazy.md (default
                               /etc/strata-lazy/config.toml, of users ~/.config/strata-lazy/config.toml);
                               options of the command line stand before it
      --root DIR               where state and cache are kept (default /var/lib/strata-lazy, of users
                               ~/.local/share/strata-lazy)
      --oci-layout DIR         read layers from an OCI image layout, not from registries
      --no-background-fetch    complete only layers that have to be verified whole
      --verified-blob-digests  answer to a blob's digest only where it is known to belong to its TOC
      --cache-size BYTES       the most that the cache holds (as 500M, 20G); else a twentieth of the
                               disk is left free. What open files need is never taken
      --cache-age DAYS         content of deleted images goes when unread for so long (30; 0: never)
      --keep-mounted           never take content of layers in use: for hosts that go offline
      --no-prefetch            fetch nothing ahead of an image's start
      --background-bandwidth BYTES
                               a second, of background and prefetch together; readers have no limit
      --read-timeout SECONDS   how long a read waits for a registry before it is an error (60)
      --stop-timeout SECONDS   how long containers on its layers are served after SIGTERM (default 20)
      --log-level LEVEL        debug, info (default), warning or error; lines go to standard error

    Stays in the foreground. The process that is started keeps the mount and starts another that serves
    it. That one may die: it is started again, and what containers read meanwhile comes later. SIGHUP
    replaces it, by the program and the configuration as they are then. SIGTERM and SIGINT take the mount
    away and wait for its users; a second one does not wait.

    """
}
