# The power goes in the middle of an import, or right behind one: a graph root on a file system that
# forgets what it has not written. No complete record has wrong content afterwards, and the next import
# works. That an import which ended in the last seconds is still there is not asked: records are renamed
# into place without a sync of their folder, as the Go tool's are. (That one's 1.43 and 1.59 have files
# without content in complete layers here.)
load lib/common.bash
setup() {
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
  for point in $(mounts_below "$POINT"); do umount "$point"; done
}

# The cut, and the machine's next start: the run root was in memory.
power_goes() {
  "$HERE/lib/power-cut" "$POINT"
  wait "$1" 2>/dev/null || true
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

cut_imports() { # rounds, mkfs command...
  local rounds=$1 round child
  shift
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
    unmount_disk
  done
}

@test "the power goes in an import on ext4: no complete record has wrong content" {
  need mkfs.ext4
  cut_imports "$(rounds 3 100)" mkfs.ext4 -q
}

@test "the power goes in an import on xfs: no complete record has wrong content" {
  need mkfs.xfs
  cut_imports "$(rounds 2 100)" mkfs.xfs -q
}
