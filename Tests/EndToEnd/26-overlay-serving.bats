# How strata-overlay serves its mount: what it spares the kernel to ask, what it does beside the reader
# of requests, and how it ends.
load lib/common.bash
setup() {
  begin
  need_root
  need python3
}
teardown() { finish; }

@test "files given to the kernel when they are opened read right, before and after changes" {
  told python3 "$HERE/overlay-serving.py" "$OVERLAY" --dir "$T" given
}

@test "files read ahead of their opens read right, whatever is changed meanwhile" {
  told python3 "$HERE/overlay-serving.py" "$OVERLAY" --dir "$T" read_ahead read_ahead_and_changed
}

@test "directories listed ahead of a walk show what is there when it reaches them" {
  told python3 "$HERE/overlay-serving.py" "$OVERLAY" --dir "$T" listed_ahead
}

@test "the kernel is asked to forget files above the limit, and those in use stay" {
  [[ $(uname -r) =~ ^([0-9]+)\.([0-9]+) ]]
  ((BASH_REMATCH[1] * 100 + BASH_REMATCH[2] >= 618)) || skip "needs Linux 6.18"
  told python3 "$HERE/overlay-serving.py" "$OVERLAY" --dir "$T" bounded_nodes
}

@test "copying a large file up holds nobody up, is done once, and ends with its caller" {
  told python3 "$HERE/overlay-serving.py" "$OVERLAY" --dir "$T" large_copy_up killed_copy_up \
    changes_of_large_files
}

@test "the kernel reads and writes upper files by itself, and a lower one only of a read-only mount" {
  told python3 "$HERE/overlay-serving.py" "$OVERLAY" --dir "$T" passed_through read_only
}

@test "a second core is kept awake while one client asks, and only then" {
  told python3 "$HERE/overlay-serving.py" "$OVERLAY" --dir "$T" awake
}

@test "SIGUSR1 prints what was done; a broken layer is told of by name and lived through" {
  need mkfs.ext4
  told python3 "$HERE/overlay-serving.py" "$OVERLAY" --dir "$T" counted broken_layers
}

@test "signals end a mount, a busy one with its last file; a plain unmount is no error" {
  told python3 "$HERE/overlay-serving.py" "$OVERLAY" --dir "$T" ends
}

@test "exit status 0 means mounted, also where the caller closed standard descriptors" {
  mkdir "$T"/{lower,upper,work,merged}
  echo below >"$T/lower/file"
  local options="lowerdir=$T/lower,upperdir=$T/upper,workdir=$T/work" closed
  for closed in '<&-' '>&-' '2>&-' '<&- >&- 2>&-'; do
    eval "\"\$OVERLAY\" -o \"\$options\" \"\$T/merged\" $closed"
    [[ $(cat "$T/merged/file") == below ]]
    touch "$T/merged/made"
    umount "$T/merged"
  done
}
