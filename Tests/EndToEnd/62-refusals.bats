# What a line must say: the verb, the thing, the place; and what must be left as it was.
load lib/common.bash
setup() {
  begin
  need_root
}
teardown() { finish; }

import_small() { strata import --quiet --name small "$STRATA_IMAGES/small.tar"; }

@test "output to a device, a pipe or a link never takes their place" {
  import_small
  local layer target
  layer=$(strata layers --json | jq -r '.[0].id')
  mknod "$T/full" c 1 7
  ln -s full "$T/link"
  mkfifo "$T/fifo"
  for target in "$T/full" "$T/link" /dev/full; do
    refused "$target" "no space left on device" -- strata diff -u -f "$target" "$layer"
    refused "$target" "no space left on device" -- strata get-image-data -f "$target" small manifest
    refused "$target" -- strata export --quiet small "oci-archive:$target"
    refused "$target" -- strata export --quiet small "docker-archive:$target"
    refused "$target" -- strata export --quiet small "oci:$target"
  done
  refused fifo -- strata export --quiet small "docker-archive:$T/fifo"
  [[ $(stat -c '%F %t:%T' "$T/full") == "character special file 1:7" && -L $T/link && -p $T/fifo ]]
  [[ $(stat -c '%F %t:%T' /dev/full) == "character special file 1:7" ]]
  cat "$T/fifo" >"$T/through" &
  strata diff -u -f "$T/fifo" "$layer"
  wait $!
  [[ "sha256:$(sha <"$T/through")" == "$(strata layers --json | jq -r '.[0]["diff-digest"]')" ]]
}

@test "a file that could not be finished is removed, and nothing else" {
  import_small
  mkdir "$T/disk"
  mount -t tmpfs -o size=1m none "$T/disk"
  refused "$T/disk/out" "no space left on device" -- strata diff -u -f "$T/disk/out" "$(strata layers --json | jq -r '.[0].id')"
  [[ -z $(ls -A "$T/disk") ]]
}

@test "a read-only graph root: the verb, the root and what to do" {
  import_small
  strata shutdown 2>/dev/null || true
  unmount_below "$G"
  mount --bind "$G" "$G"
  mount -o remount,bind,ro "$G"
  local verb
  for verb in delete-image delete mount unmount; do
    refused "strata: $verb small: " "$G" "read-only file system" "make it writable" -- strata "$verb" small
  done
  refused "strata: shutdown: " "$G" "read-only file system" -- strata shutdown
  ! grep -q -- --force "$T/refused.err"
  refused "strata: create: " "$G" "make it writable" -- strata create small
}

@test "the archive, the target of a link and the full disk are named" {
  "$HERE/lib/bad-layer" hardlink "$T/bad.tar"
  refused "$T/bad.tar" "link passwd to" "/etc/passwd, which is not in this layer" -- strata import-layer -f "$T/bad.tar"
  strata import-layer <"$T/bad.tar" 2>"$T/err" && return 1
  one_line "$(cat "$T/err")" "standard input: link passwd"
  strata import - </dev/null 2>"$T/err" && return 1
  one_line "$(cat "$T/err")" "standard input: empty"
  mkdir "$T/disk"
  mount -t tmpfs -o size=20m none "$T/disk"
  "$HERE/lib/bad-layer" large "$T/bad.tar"
  G=$T/disk/root
  refused "graph root $T/disk/root" "no space left on device" -- strata import-layer -f "$T/bad.tar"
}

# A copy of the layout in which a part is named by its SHA-512, with a byte changed on demand.
layout_sha512() { # manifest, config or layer, [changed]
  rm -rf "$T/sha512"
  python3 - "$STRATA_IMAGES/oci-gzip" "$T/sha512" "$@" <<'END'
import hashlib, json, os, shutil, sys
source, target, part = sys.argv[1:4]
blobs = source + "/blobs/sha256/"
index = json.load(open(source + "/index.json"))
manifest = json.load(open(blobs + index["manifests"][0]["digest"][7:]))
for name in ("sha256", "sha512"):
    os.makedirs(f"{target}/blobs/{name}")
def put(data, kind):
    name = "sha512" if kind == part else "sha256"
    value = hashlib.new(name, data).hexdigest()
    if kind == part and len(sys.argv) > 4:
        data = data[:-1] + bytes([data[-1] ^ 1])
    open(f"{target}/blobs/{name}/{value}", "wb").write(data)
    return {"digest": f"{name}:{value}", "size": len(data)}
def blob(descriptor):
    return open(blobs + descriptor["digest"][7:], "rb").read()
for layer in manifest["layers"]:
    layer.update(put(blob(layer), "layer"))
manifest["config"].update(put(blob(manifest["config"]), "config"))
index["manifests"][0].update(put(json.dumps(manifest).encode(), "manifest"))
json.dump(index, open(target + "/index.json", "w"))
shutil.copy(source + "/oci-layout", target)
END
}

@test "SHA-512: recorded as the peers record it, and 1.43 reads the root" {
  layout_sha512 manifest
  strata import --quiet --name long "oci:$T/sha512"
  [[ $(jq -r '.[0].digest' "$G/overlay-images/images.json") == sha256:* ]]
  ! grep -q sha512 "$G/overlay-images/images.json"
  peer images | grep localhost/long
  layout_sha512 layer
  strata import --quiet --name longer "oci:$T/sha512"
  peer images | grep localhost/longer
  layout_sha512 config
  refused "config" "SHA-256 alone" -- strata import --quiet "oci:$T/sha512"
  refused "unsupported digest algorithm" -- strata create-image --digest "sha512:$(printf %0128d 0)"
  peer images >/dev/null
  local part
  for part in manifest layer; do
    layout_sha512 "$part" changed
    strata delete-image long 2>/dev/null || true
    strata delete-image longer 2>/dev/null || true
    refused sha512 -- strata import --quiet "oci:$T/sha512"
    [[ -z $(grep -oE 'sha512:[0-9a-f]+' "$T/refused.err" | sort | uniq -d) ]]
  done
  check_clean
}

@test "few descriptors are enough" {
  (
    ulimit -n 24
    strata import --quiet --name demo "oci:$STRATA_IMAGES/oci-gzip:latest"
  )
  check_diff_ids
  (
    ulimit -n 24
    strata delete-image demo
  )
  check_clean
}

@test "a device number that Linux has not, and a name that is none" {
  python3 - "$T/bad.tar" <<'END'
import sys, tarfile
tar = tarfile.open(sys.argv[1], "w")
entry = tarfile.TarInfo("dev/odd")
entry.type, entry.devmajor, entry.devminor = tarfile.CHRTYPE, 2097151, 3
tar.addfile(entry)
tar.close()
END
  refused "dev/odd" "2097151:3" -- strata import --quiet "$T/bad.tar"
  check_clean
  mkdir "$T/docker"
  tar x -C "$T/docker" -f "$STRATA_IMAGES/docker.tar"
  jq -c '.[0].RepoTags = ["UPPER/Case:x", "localhost/good:1"]' "$T/docker/manifest.json" >"$T/json"
  mv "$T/json" "$T/docker/manifest.json"
  tar c -C "$T/docker" -f "$T/docker.tar" .
  strata import --quiet "docker-archive:$T/docker.tar" 2>"$T/err" >/dev/null
  one_line "$(cat "$T/err")" "$T/docker.tar" "UPPER/Case:x"
  [[ $(strata images --json | jq -c '.[0].names') == '["localhost/good:1"]' ]]
  strata import --quiet --name given "docker-archive:$T/docker.tar" 2>"$T/err" >/dev/null
  [[ ! -s $T/err ]]
}

@test "a layer in use is deleted with --force alone" {
  strata import --quiet --name small "$STRATA_IMAGES/small.tar"
  local base top c
  base=$(strata layers --json | jq -r '.[0].id')
  refused "used by image" --force -- strata rm "$base"
  c=$(container small)
  top=$(strata container "$c" --json | jq -r '.[0].layer // .layer')
  refused --force -- strata delete "$top"
  refused "layer has children" --force -- strata delete "$base"
  [[ $(strata layers --json | jq length) == 2 ]]
  # One that nothing uses goes, and by the peer's name any.
  strata rm "$(strata create-layer | head -n 1)"
  (exec -a containers-storage "$STRATA" --graph "$G" --run "$R" delete "$top")
  strata rm --force "$base"
  [[ $(strata layers --json) == '[]' ]]
  refused "no layer, image or container is called" -- strata rm "$base"
}
