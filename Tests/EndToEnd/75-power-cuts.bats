# The power goes in the middle of an import, or right behind one: a graph root on a file system that
# forgets what it has not written. No complete record has wrong content afterwards, and the next import
# works. That an import which ended in the last seconds is still there is not asked: records are renamed
# into place without a sync of their folder, as the Go tool's are. (That one's 1.43 and 1.59 have files
# without content in complete layers here.)
load lib/common.bash
# The driver is the test's to choose.
strata() { "$STRATA" --graph "$G" --run "$R" "${STRATA_OPTIONS[@]}" "$@"; }
setup() {
  STRATA_OPTIONS=()
  begin
  need_root
  POINT=$T/disk
  mkdir "$POINT"
}
teardown() { finish; }

# A fresh graph root on a file system of its own.
fresh_disk() { # mkfs command
  unmount_disk
  rm -f "$T/disk.img"
  truncate -s 400M "$T/disk.img"
  "$@" "$T/disk.img" >/dev/null
  mount -o loop "$T/disk.img" "$POINT"
  G=$POINT/root
}

unmount_disk() { # and what is mounted in it, at once: the image is mounted again
  local point
  for point in $(mounts_below "$POINT"); do
    # The mount program of what was just unmounted may be about to end.
    timeout 5 bash -c 'until umount "$0"; do sleep 0.05; done' "$point" 2>/dev/null || umount "$point"
  done
}

# The cut, and the machine's next start: the run root was in memory.
power_goes() { # [child]
  "$HERE/lib/power-cut" "$POINT"
  if (($#)); then wait "$1" 2>/dev/null || true; fi
  unmount_disk
  mount -o loop "$T/disk.img" "$POINT"
  rm -rf "$R"
}

# Whatever is recorded as complete is whole, by its digests; what is not recorded is gone.
whole() {
  strata layers >/dev/null
  [[ $(strata layers --json | jq '[.[] | select(.flags.incomplete)] | length') == 0 ]]
  local layer diff_id
  paste <(layer_ids) <(diff_ids) | while read -r layer diff_id; do
    strata layer "$layer" >/dev/null 2>&1 || continue
    [[ $(strata diff -u "$layer" | sha) == "$diff_id" ]] || {
      echo "round $1: layer $layer is complete and does not give back $diff_id"
      return 1
    }
  done
  [[ -z $(strata check) ]] || { strata check; return 1; }
}

# What a mount shows but for its times, as one digest.
seen_in() { # container
  local point
  point=$(strata mount "$1")
  tar --sort=name --mtime=@0 -C "$point" -cf - . | sha
  strata unmount "$1" >/dev/null
}

# The log goes to the disk, as it does every few seconds, and what files hold does not.
log_is_written() {
  python3 -c 'import os, sys; os.fsync(os.open(sys.argv[1], os.O_CREAT | os.O_WRONLY))' "$POINT/other"
}

cut_imports() { # rounds, mkfs command...
  local rounds=$1 round child whole
  shift
  fresh_disk "$@"
  strata import --quiet --name demo "oci:$STRATA_IMAGES/oci-gzip:latest"
  whole=$(seen_in "$(container demo)")
  for ((round = 0; round < rounds; round++)); do
    fresh_disk "$@"
    # Before the cut something is on the disk that must outlive it.
    strata import-layer --name before --file "$STRATA_IMAGES/small.tar" >/dev/null
    sync -f "$POINT"
    strata import --quiet --name demo "oci:$STRATA_IMAGES/oci-gzip:latest" >/dev/null 2>&1 &
    child=$!
    CHILDREN+=("$child")
    # From the first moment to some time after the end.
    sleep "$(awk -v round="$round" -v all="$rounds" 'BEGIN { print 0.05 + 1.2 * round / all }')"
    power_goes "$child"
    whole "$round"
    strata layer before >/dev/null
    strata import --quiet --name demo "oci:$STRATA_IMAGES/oci-gzip:latest"
    check_diff_ids
    [[ $(seen_in "$(container demo)") == "$whole" ]]
    unmount_disk
  done
}

# What was made on an image is as it was, once its record has outlived the cut.
cut_creations() { # mkfs command...
  local before container layer
  fresh_disk "$@"
  strata import --quiet --name demo "oci:$STRATA_IMAGES/oci-gzip:latest"
  layer=$(strata create-layer --name above "$(top_layer)" | head -n 1)
  before=$(seen_in "$layer")
  container=$(container demo)
  log_is_written
  power_goes
  strata container "$container" >/dev/null
  [[ -z $(strata check) ]]
  [[ $(seen_in "$container") == "$before" && $(seen_in "$layer") == "$before" ]]
  unmount_disk
}

@test "the power goes in an import on ext4: no complete record has wrong content" {
  need mkfs.ext4
  cut_imports "$(rounds 3 100)" mkfs.ext4 -q
}

@test "the power goes in an import on xfs: no complete record has wrong content" {
  need mkfs.xfs
  cut_imports "$(rounds 2 100)" mkfs.xfs -q
}

@test "the power goes after a layer and a container were made on ext4: they show all of their image" {
  need mkfs.ext4
  cut_creations mkfs.ext4 -q
}

@test "the power goes after a layer and a container were made on xfs: they show all of their image" {
  need mkfs.xfs
  cut_creations mkfs.xfs -q
}

@test "the power goes after a container was made by the vfs driver: its copy of the image is whole" {
  need mkfs.ext4
  STRATA_OPTIONS=(--storage-driver vfs)
  cut_creations mkfs.ext4 -q
}
