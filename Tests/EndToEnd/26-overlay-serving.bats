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
  run -0 python3 "$HERE/overlay-serving.py" "$OVERLAY" --dir "$T" given
}

@test "files read ahead of their opens read right, whatever is changed meanwhile" {
  run -0 python3 "$HERE/overlay-serving.py" "$OVERLAY" --dir "$T" read_ahead read_ahead_and_changed
}

@test "copying a large file up holds nobody up, is done once, and ends with its caller" {
  run -0 python3 "$HERE/overlay-serving.py" "$OVERLAY" --dir "$T" large_copy_up killed_copy_up \
    changes_of_large_files
}

@test "the kernel reads and writes upper files by itself, and never a lower one" {
  run -0 python3 "$HERE/overlay-serving.py" "$OVERLAY" --dir "$T" passed_through
}

@test "signals end a mount, a busy one with its last file; a plain unmount is no error" {
  run -0 python3 "$HERE/overlay-serving.py" "$OVERLAY" --dir "$T" ends
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
