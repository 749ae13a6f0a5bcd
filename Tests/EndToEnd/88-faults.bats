# What goes wrong under a store: records that are cut, a disk that fails, a clock that jumps.
# One clear line each time, nothing lost, nothing half-written.
load lib/common.bash
setup() {
  begin
  need_root
}
teardown() { finish; }

# Every command that needs the file refuses, names it and the place in it, and changes no byte.
refuses_cut_file() { # file, places, command...
  local file=$1 places=$2 size place round
  shift 2
  cp "$file" "$T/whole"
  size=$(stat -c %s "$file")
  for ((round = 0; round < places; round++)); do
    # From one byte to all but one: an empty file holds no records, which is no damage.
    place=$((1 + round * (size - 2) / (places - 1)))
    head -c "$place" "$T/whole" >"$file"
    cp "$file" "$T/cut"
    refused "$file" offset -- "$STRATA" --graph "$G" --run "$R" "$@"
    cmp "$file" "$T/cut" || { echo "$file was written, cut at $place of $size"; return 1; }
  done
  cp "$T/whole" "$file"
}

@test "records cut at each of a hundred places: every command stops, and no byte of them changes" {
  strata import --quiet --name demo "oci:$STRATA_IMAGES/oci-gzip:latest"
  strata create --name work localhost/demo >/dev/null
  strata mount work >/dev/null
  local places before
  places=$(rounds 34 100)
  before=$(strata layers --json; strata images --json; strata containers --json)
  refuses_cut_file "$G/overlay-layers/layers.json" "$places" layers
  refuses_cut_file "$G/overlay-layers/layers.json" 9 import-layer --file "$STRATA_IMAGES/small.tar"
  refuses_cut_file "$G/overlay-images/images.json" "$places" images
  refuses_cut_file "$G/overlay-images/images.json" 9 add-names --name other localhost/demo
  refuses_cut_file "$G/overlay-containers/containers.json" "$places" containers
  refuses_cut_file "$G/overlay-containers/containers.json" 9 delete-image localhost/demo
  refuses_cut_file "$R/overlay-layers/mountpoints.json" 9 unmount work
  [[ $(strata layers --json; strata images --json; strata containers --json) == "$before" ]]
  strata unmount work >/dev/null
  check_diff_ids
  check_clean
}

# The device of a file system gives EIO once there is no room below it, and the file system turns
# read-only: in the middle of an import, and for other sizes in its last sync.
@test "a disk that fails in the middle of an import and turns read-only" {
  need mkfs.ext4
  local size round
  mkdir "$T/below" "$T/disk"
  for ((round = 0; round < $(rounds 5 40); round++)); do
    # Between what the file system itself takes and what the image does.
    size=$((6000 + round * 14000 / $(rounds 5 40)))
    mount -t tmpfs -o size=400m none "$T/below"
    truncate -s 300M "$T/below/disk.img"
    mkfs.ext4 -q -E lazy_itable_init=1,nodiscard "$T/below/disk.img"
    mount -o loop,errors=remount-ro "$T/below/disk.img" "$T/disk"
    G=$T/disk/root R=$T/run-$round
    strata import-layer --name before --file "$STRATA_IMAGES/small.tar" >/dev/null
    sync -f "$T/disk"
    mount -o "remount,size=${size}k" "$T/below" ||
      mount -o "remount,size=$(($(du -k "$T/below/disk.img" | cut -f1) + 64))k" "$T/below"
    refused "$G" -- strata import --quiet --name demo "oci:$STRATA_IMAGES/oci-gzip:latest"

    # The disk is replaced by one that works.
    unmount_below "$T/disk"
    mount -o remount,size=400m "$T/below"
    e2fsck -fy "$T/below/disk.img" >/dev/null || (($? < 4))
    mount -o loop "$T/below/disk.img" "$T/disk"
    strata layer before >/dev/null
    [[ $(strata layers --json | jq length) == 1 ]]
    check_clean
    strata import --quiet --name demo "oci:$STRATA_IMAGES/oci-gzip:latest"
    check_diff_ids
    unmount_below "$T/disk"
    umount "$T/below"
  done
}

at() { # offset of the clock, command of strata...
  local offset=$1
  shift
  faketime -f "$offset" "$STRATA" --graph "$G" --run "$R" "$@"
}

@test "clocks that jump: what another process is writing is not taken for its leftovers" {
  need faketime
  mkfifo "$T/slow"
  strata import-layer --name slow --file "$T/slow" >/dev/null &
  local child=$!
  CHILDREN+=("$child")
  exec 7>"$T/slow"
  head -c 4096 "$STRATA_IMAGES/small.tar" >&7
  local offset
  for offset in +20y -20y; do
    at "$offset" layers >/dev/null
    at "$offset" gc >/dev/null
    at "$offset" prune >/dev/null
    at "$offset" check --max 1h >/dev/null
  done
  tail -c +4097 "$STRATA_IMAGES/small.tar" >&7
  exec 7>&-
  wait "$child"
  strata layer slow >/dev/null
  [[ $(strata diff -u slow | sha) == $(sha <"$STRATA_IMAGES/small.tar") ]]
  check_clean
}

@test "clocks that jump: the same image from three times at once, and each sees what the others did" {
  need faketime
  local offset child children=()
  declare -A name=([+0]=now [+20y]=late [-20y]=early)
  for offset in "${!name[@]}"; do
    at "$offset" import --quiet --name "${name[$offset]}" "oci:$STRATA_IMAGES/oci-gzip:latest" &
    children+=($!)
  done
  CHILDREN+=("${children[@]}")
  for child in "${children[@]}"; do wait "$child"; done
  check_diff_ids
  for offset in "${!name[@]}"; do
    at "$offset" add-names --name "again-${name[$offset]}" localhost/now
    at "$offset" images --json | jq -e --arg name "localhost/again-${name[$offset]}:latest" \
      '.[0].names | index($name)' >/dev/null
  done
  [[ $(strata images --json | jq '.[0].names | length') == 6 ]]
  [[ $(peer images --json | jq '.[0].names | length') == 6 ]]
  check_clean
}
