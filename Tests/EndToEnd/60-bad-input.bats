# Broken and hostile input: one clear line, a status that is not 0, nothing left, and podman goes on.
load lib/common.bash
setup() {
  begin
  need_root
}
teardown() { finish; }

layout_copy() { cp -r "$STRATA_IMAGES/oci-gzip" "$T/layout"; }
blob_of() { # the number of a layer -> its file in the copy
  local manifest
  manifest=$(jq -r '.manifests[0].digest' "$T/layout/index.json")
  echo "$T/layout/blobs/sha256/$(jq -r ".layers[$1].digest" "$T/layout/blobs/sha256/${manifest#sha256:}" | cut -d: -f2)"
}
# The store takes no notice: empty again, and podman works in it at once.
nothing_left() {
  check_clean
  [[ $(strata layers --json) == "[]" && $(strata images --json) == "[]" ]]
  [[ -z $(podman images -q) ]]
  strata import --quiet --name after "$STRATA_IMAGES/small.tar"
  [[ $(podman_run --rm localhost/after /bin/busybox cat /srv/small) == small ]]
  check_clean
}

@test "a layer that is cut off" {
  layout_copy
  truncate -s -1000 "$(blob_of 1)"
  refused "$(basename "$(blob_of 1)" | cut -c1-12)" -- strata import --quiet "oci:$T/layout:latest"
  nothing_left
}

@test "a layer whose bytes are wrong" {
  layout_copy
  printf 'strata' | dd of="$(blob_of 1)" bs=1 seek=100000 conv=notrunc status=none
  refused "$(basename "$(blob_of 1)" | cut -c1-12)" -- strata import --quiet "oci:$T/layout:latest"
  nothing_left
}

@test "a layer that is another one" {
  layout_copy
  gzip -c "$STRATA_IMAGES/small.tar" >"$(blob_of 2)"
  refused -- strata import --quiet "oci:$T/layout:latest"
  nothing_left
}

@test "a diff ID in the config that is not the layer's" {
  # The blob is what its descriptor says; only the config lies.
  python3 - "$STRATA_IMAGES/oci-gzip" "$T/lying" <<'END'
import hashlib, json, os, shutil, sys
source, target = sys.argv[1:]
shutil.copytree(source, target)
blobs = target + "/blobs/sha256/"
index = json.load(open(target + "/index.json"))
manifest = json.load(open(blobs + index["manifests"][0]["digest"][7:]))
config = json.load(open(blobs + manifest["config"]["digest"][7:]))
config["rootfs"]["diff_ids"][2] = "sha256:" + "1" * 64
def put(value):
    data = json.dumps(value).encode()
    name = hashlib.sha256(data).hexdigest()
    open(blobs + name, "wb").write(data)
    return {"digest": "sha256:" + name, "size": len(data)}
manifest["config"].update(put(config))
index["manifests"][0].update(put(manifest))
json.dump(index, open(target + "/index.json", "w"))
END
  refused "$(diff_ids | tail -n 1 | cut -c1-12)" -- strata import --quiet "oci:$T/lying:latest"
  nothing_left
}

@test "a manifest that is missing, and one that is no JSON" {
  layout_copy
  local manifest
  manifest=$T/layout/blobs/sha256/$(jq -r '.manifests[0].digest' "$T/layout/index.json" | cut -d: -f2)
  echo junk >"$manifest"
  refused -- strata import --quiet "oci:$T/layout:latest"
  rm "$manifest"
  refused "$(basename "$manifest" | cut -c1-12)" -- strata import --quiet "oci:$T/layout:latest"
  nothing_left
}

@test "archives that are cut off, and files that are no archives" {
  head -c 3000000 "$STRATA_IMAGES/docker.tar" >"$T/cut.tar"
  refused "$T/cut.tar" -- strata import --quiet "docker-archive:$T/cut.tar"
  head -c 3000000 "$STRATA_IMAGES/oci.tar" >"$T/cut-oci.tar"
  refused "$T/cut-oci.tar" -- strata import --quiet "oci-archive:$T/cut-oci.tar"
  head -c 700000 "$STRATA_IMAGES/small.tar" >"$T/cut-small.tar"
  refused "$T/cut-small.tar" "unexpected EOF" -- strata import --quiet "$T/cut-small.tar"
  head -c 5000 /dev/urandom >"$T/junk"
  refused "$T/junk" -- strata import --quiet "$T/junk"
  refused "$T/nothere" -- strata import --quiet "oci:$T/nothere"
  nothing_left
}

@test "junk for a bare layer, in every compression" {
  head -c 5000 /dev/urandom >"$T/junk"
  local tool
  for tool in cat gzip "xz -1" zstd bzip2; do
    $tool <"$T/junk" >"$T/packed"
    refused -- strata import-layer --file "$T/packed"
    grep -qE 'unexpected EOF|invalid tar header' "$T/refused.err"
  done
  nothing_left
}

hostile() { # kind: taken rooted in the layer, as the peers do, or refused; never outside
  mkdir "$T/outside"
  "$HERE/lib/bad-layer" "$1" "$T/bad.tar"
  touch "$T/mark"
  strata import --quiet --name bad "$T/bad.tar" 2>"$T/err" || one_line "$(cat "$T/err")"
  [[ -z $(ls -A "$T/outside") ]]
  [[ -z $(find / /tmp "$T" "$G" "$G/overlay" -maxdepth 1 -name 'strata-escaped*') ]]
  check_clean
}

@test "names with .. stay inside the layer" {
  hostile dotdot
  [[ -f $G/overlay/$(strata layers --json | jq -r '.[0].id')/diff/strata-escaped-1 ]]
}
@test "absolute names stay inside the layer" {
  hostile absolute
  [[ -f $G/overlay/$(strata layers --json | jq -r '.[0].id')/diff/strata-escaped-3 ]]
}
@test "a symlink that leads outside leads nowhere while a layer is unpacked" { hostile symlink; }

@test "a hard link to outside is refused" {
  local links
  links=$(stat -c %h /etc/passwd)
  "$HERE/lib/bad-layer" hardlink "$T/bad.tar"
  refused passwd -- strata import --quiet "$T/bad.tar"
  [[ $(stat -c %h /etc/passwd) == "$links" ]]
  nothing_left
}

@test "a name and a path that are too long are refused" {
  "$HERE/lib/bad-layer" longname "$T/bad.tar"
  refused "file name too long" -- strata import --quiet "$T/bad.tar"
  "$HERE/lib/bad-layer" longpath "$T/bad.tar"
  refused "file name too long" -- strata import --quiet "$T/bad.tar"
  nothing_left
}

@test "a device node without the right to make one" {
  "$HERE/lib/bad-layer" device "$T/bad.tar"
  # Root without CAP_MKNOD, as in a container.
  refused device -- setpriv --bounding-set -mknod --inh-caps -mknod "$STRATA" --graph "$G" --run "$R" import --quiet "$T/bad.tar"
  nothing_left
}

@test "a layer with a name twice, and an unknown type of entry" {
  "$HERE/lib/bad-layer" twice "$T/bad.tar"
  refused "duplicates of file paths not supported" -- strata import --quiet "$T/bad.tar"
  "$HERE/lib/bad-layer" typeless "$T/bad.tar"
  refused odd -- strata import --quiet "$T/bad.tar"
  nothing_left
}

@test "a full disk" {
  mkdir "$T/disk"
  mount -t tmpfs -o size=20m none "$T/disk"
  G=$T/disk/root
  "$HERE/lib/bad-layer" large "$T/bad.tar"
  refused "graph root $G" "no space left on device" "free some space" -- strata import --quiet "$T/bad.tar"
  # Where the record itself could not be rewritten, the next command removes the layer.
  strata layers >/dev/null
  nothing_left
}

@test "a disk that is full for every number of blocks on the way" {
  mkdir "$T/disk"
  local size round
  for ((round = 0; round < $(rounds 6 60); round++)); do
    size=$((64 + round * 131))
    mount -t tmpfs -o "size=${size}k" none "$T/disk"
    G=$T/disk/root R=$T/run-$size
    if strata import --quiet --name demo "oci:$STRATA_IMAGES/oci-gzip:latest" 2>"$T/err"; then
      echo "size $size is enough"
      return 1
    fi
    one_line "$(cat "$T/err")"
    mount -o remount,size=200m "$T/disk"
    strata layers >/dev/null
    check_clean
    [[ $(strata layers --json) == "[]" ]]
    unmount_below "$T"
  done
}

@test "a graph root of another driver" {
  /usr/bin/containers-storage --graph "$G" --run "$R" --storage-driver vfs layers
  find "$G" -printf '%p\n' | sort >"$T/before"
  refused vfs "$G" -- "$STRATA" --graph "$G" --run "$R" import --quiet "$STRATA_IMAGES/small.tar"
  find "$G" -printf '%p\n' | sort | diff "$T/before" -
}

@test "a graph root that cannot be written" {
  strata import --quiet --name demo "oci:$STRATA_IMAGES/oci-gzip:latest"
  strata shutdown 2>/dev/null || true
  unmount_below "$G"
  mount --bind "$G" "$G"
  mount -o remount,bind,ro "$G"
  refused "$G" "read-only file system" -- strata import --quiet "$STRATA_IMAGES/small.tar"
  refused "$G" -- strata delete-image localhost/demo:latest
  unmount_below "$G"
  [[ $(strata images --json | jq length) == 1 ]]
  check_diff_ids
  check_clean
}

@test "a graph root that somebody holds locked: waits, and then works" {
  strata import --quiet --name demo "oci:$STRATA_IMAGES/oci-gzip:latest"
  python3 -c '
import fcntl, sys, time
file = open(sys.argv[1], "r+")
fcntl.lockf(file, fcntl.LOCK_EX)
open(sys.argv[2], "w").close()
time.sleep(3)' "$G/overlay-layers/layers.lock" "$T/locked" &
  CHILDREN+=($!)
  while [[ ! -e $T/locked ]]; do sleep 0.05; done
  local started=$EPOCHREALTIME
  strata import --quiet --name small "$STRATA_IMAGES/small.tar"
  awk -v a="$started" -v b="$EPOCHREALTIME" 'BEGIN { exit !(b - a > 1) }'
  check_clean
}

@test "unknown names, verbs and options" {
  strata import --quiet --name demo "$STRATA_IMAGES/small.tar"
  refused nothere -- strata mount nothere
  refused nothere -- strata delete-image nothere
  refused nothere -- strata diff nothere
  refused nothere -- strata commit nothere localhost/x
  refused nothere -- strata export nothere "oci:$T/out"
  refused nosuchverb -- strata nosuchverb
  refused nosuch -- strata images --nosuch
  refused "UPPER" -- strata import --quiet --name UPPER/Case "$STRATA_IMAGES/small.tar"
  [[ ! -e $T/out ]]
  check_clean
}

@test "a file in the place of the layer's root is refused" {
  local name
  for name in / .. a/../..; do
    python3 - "$T/root.tar" "$name" <<'END'
import io, sys, tarfile
with tarfile.open(sys.argv[1], "w") as tar:
    info = tarfile.TarInfo(sys.argv[2])
    info.size = 5
    tar.addfile(info, io.BytesIO(b"data\n"))
END
    # Python takes the first slashes off.
    [[ $name != / ]] || printf / | dd of="$T/root.tar" conv=notrunc status=none
    [[ $name != / ]] || python3 - "$T/root.tar" <<'END'
import sys
with open(sys.argv[1], "r+b") as file:
    block = bytearray(file.read(512))
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    file.seek(0)
    file.write(block)
END
    refused "root.tar" "the layer's root" -- strata import-layer -f "$T/root.tar"
  done
  nothing_left
}
