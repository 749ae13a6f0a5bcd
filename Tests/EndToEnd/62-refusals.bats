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

@test "a file with --file stays as it was until the new one is whole" {
  import_small
  local layer child delay
  layer=$(strata layers --json | jq -r '.[0].id')
  echo precious >"$T/out"
  chmod 600 "$T/out"
  refused nosuch -- strata diff -u -f "$T/out" nosuch
  [[ $(cat "$T/out") == precious ]]
  mv "$G/overlay/$layer/diff/srv/small" "$T/small"
  refused "layer $layer" "strata check" -- strata diff -u -f "$T/out" "$layer"
  refused "layer $layer" "strata check" -- strata export --quiet small "oci:$T/layout"
  [[ $(cat "$T/out") == precious && ! -e $T/layout ]]
  mv "$T/small" "$G/overlay/$layer/diff/srv/small"
  dd if=/dev/urandom of="$T/random" bs=1M count=60 status=none
  tar cf "$T/big.tar" -C "$T" random
  strata import-layer --name big -f "$T/big.tar"
  cp "$T/out" "$T/old"
  for delay in 0.02 0.05 0.1 0.15 0.2; do
    "$STRATA" --graph "$G" --run "$R" diff -c -f "$T/out" big &
    child=$!
    sleep "$delay"
    kill -9 "$child" 2>/dev/null || true
    wait "$child" 2>/dev/null || true
    cmp -s "$T/out" "$T/old" || gzip -t "$T/out"
  done
  strata diff -u -f "$T/out" "$layer"
  [[ "sha256:$(sha <"$T/out")" == "$(strata layers --json | jq -r '.[0]["diff-digest"]')" ]]
  [[ $(stat -c %a "$T/out") == 600 ]]
  strata get-image-data -f "$T/new" small manifest
  [[ $(stat -c %a "$T/new") == 644 ]]
  [[ -z $(find "$T" -maxdepth 1 -name '.strata-*') ]]
}

@test "records whose id leads elsewhere are refused, and nothing is removed" {
  import_small
  local kind id file verb
  mkdir -p "$T/victim" "$G/victim"
  touch "$T/victim/kept" "$G/victim/kept"
  for kind in layers images containers; do
    file=$G/overlay-$kind/$kind.json
    [[ ! -e $file ]] || cp "$file" "$T/saved"
    for id in ../../../victim ../../victim . .. a/b "" "$(printf 'n%.0s' {1..256})" 'a\u0000b'; do
      printf '[{"id":"%s","layer":"","image":"","flags":{"incomplete":true}}]' "$id" >"$file"
      # Not every verb asks all records; none may take a folder away.
      for verb in images layers "delete-layer x" "delete-container x" "prune --all" containers; do
        # shellcheck disable=SC2086
        strata $verb >/dev/null 2>"$T/err" || one_line "$(cat "$T/err")"
        [[ -e $T/victim/kept && -e $G/victim/kept && -d $G/overlay/l && -d $G/overlay-$kind ]]
      done
      refused "$file" "is no plain file name" "strata check --repair" -- strata "$kind"
    done
    if [[ -e $T/saved ]]; then mv "$T/saved" "$file"; else rm "$file"; fi
  done
  strata images | grep -q localhost/small
  for id in l staging tempdirs; do
    refused "$id" "cannot be the ID" -- strata create-layer --id "$id"
    [[ -d $G/overlay/l && ! -e $G/overlay/$id/diff ]]
  done
  rm -r "$G/victim"
  check_clean
}

@test "what an archive, a blob, a name or a root must be" {
  import_small
  mkdir "$T/folder"
  refused "$T/folder is a folder" -- strata import --quiet "oci-archive:$T/folder"
  local kind blob
  for kind in "mkdir" "mkfifo" "ln -s /dev/zero"; do
    rm -rf "$T/layout"
    cp -r "$STRATA_IMAGES/oci-gzip" "$T/layout"
    blob=$(find "$T/layout/blobs/sha256" -type f -size +1M | head -n 1)
    rm "$blob"
    $kind "$blob"
    refused "$blob is no plain file" -- strata import --quiet "oci:$T/layout:latest"
  done
  refused "no container is called nosuch" "strata containers" -- strata commit --quiet nosuch x
  refused "no container is called small" "strata containers" -- strata commit --quiet small x
  touch "$T/file"
  refused "$T/file is no folder" -- "$STRATA" --graph "$T/file" --run "$R" images
  for kind in 'a,b' 'a:b' 'a\b'; do
    G=$T/$kind/root
    import_small
    refused "$G" "a comma, a colon or a backslash" -- strata mount "$(container small)"
    # finish() does not find a mount whose name mountinfo escapes.
    umount "$G/overlay" 2>/dev/null || true
  done
}

@test "a commit in a read-only root, and records that are no JSON" {
  import_small
  container small >/dev/null
  local id
  id=$(strata containers --json | jq -r '.[0].id')
  cp "$G/overlay-images/images.json" "$T/saved"
  echo '[{' >"$G/overlay-images/images.json"
  refused "images.json" "strata check --repair" -- strata images
  cp "$T/saved" "$G/overlay-images/images.json"
  strata shutdown 2>/dev/null || true
  unmount_below "$G"
  mount --bind "$G" "$G"
  mount -o remount,bind,ro "$G"
  refused "strata: commit" "$G" "make it writable" -- strata commit --quiet "$id" x
}

@test "owners and attributes that cannot be set are named with their member" {
  python3 - "$T" <<'END'
import sys, tarfile
for name, owner in (("owner", (1234, 99)), ("xattr", (0, 0))):
    with tarfile.open(f"{sys.argv[1]}/{name}.tar", "w", format=tarfile.PAX_FORMAT) as tar:
        info = tarfile.TarInfo("a")
        info.uid, info.gid = owner
        if name == "xattr":
            info.pax_headers = {"SCHILY.xattr.trusted.mine": "x"}
        tar.addfile(info)
END
  refused "chown a to 1234:99: operation not permitted" -- setpriv --bounding-set -chown --inh-caps -chown \
    "$STRATA" --graph "$G" --run "$R" import-layer -f "$T/owner.tar"
  refused "set the attribute trusted.mine of a: operation not permitted" -- \
    setpriv --bounding-set -sys_admin --inh-caps -sys_admin \
    "$STRATA" --graph "$G" --run "$R" import-layer -f "$T/xattr.tar"
  check_clean
}
