import StrataFUSE

/// As the peer's `--version` reads, which scripts search for `fuse-overlayfs: version`.
func versionText() -> String {
  """
  fuse-overlayfs: version 1.14 (strata-overlay 0.1.0)
  FUSE library version \(libfuseVersion)
  using FUSE kernel interface version 7.45
  """
}

let helpText = """
  usage: strata-overlay [options] -o lowerdir=DIR[:DIR...][,upperdir=DIR,workdir=DIR][,OPTION...] MOUNTPOINT
         strata-overlay SOURCE MOUNTPOINT -o OPTIONS

  Mounts layers of directories as one tree. Without upperdir the mount is read-only.

      -f                     stay in the foreground
      -d, --debug            print each request; implies -f
      --log-level LEVEL      error, warning (default), info or debug: to standard error with -f,
                             else to the system's log; SIGUSR1 writes counters there
      -h, --help             print this text
      -V, --version          print the version

  Layers:
      lowerdir=A:B:C         topmost first; a backslash before ':' or ',' makes it plain
      lowerdir+=DIR          one more lower layer, no escapes needed for ':'
      upperdir=DIR           takes all changes; needs workdir
      workdir=DIR            empty directory on the file system of upperdir
  What is shown and written:
      uidmapping=H:M:N[:...] show host ids H... as M... (gidmapping likewise)
      squash_to_root, squash_to_uid=N, squash_to_gid=N
      xattr_permissions=1|2  keep owner and mode in an extended attribute
      redirect_dir=off|nofollow|follow|on, metacopy=on|off, xino=off|auto|on
      static_nlink, noacl, noxattrs
  How it is served:
      timeout=SECONDS        how long the kernel may remember (default: for ever)
      volatile, fsync=0      make nothing durable
      readahead=on|off       whether small lower files are read before they are opened, in directories
                             whose files are opened one after the other, and directories are listed
                             before a walk reaches them
      passthrough=auto|off   whether the kernel reads and writes upper files, and large ones of a
                             read-only mount, by itself (root only)
      node-limit=N           above so many known files the kernel is asked to forget those that nobody
                             uses (default 262144; Linux 6.18 and later)
      spin=MICROSECONDS      how long to look for the next request before sleeping, while that pays; on
                             two cores the other one is kept awake four times as long instead
                             (default 50; 0 never does)
      writeback=0|1, threaded=N
      ro, rw, suid, nosuid, dev, nodev, exec, noexec, atime, noatime, allow_other, context=LABEL

  Other options of fuse-overlayfs, kernel overlayfs, libfuse and mount(8) are accepted.
  """
