# Export in forms that can be read file by file: skopeo, GNU tar and podman's partial pull take them.
load lib/common.bash
setup() {
  begin
  need_root
  strata import --quiet --name demo "oci:$STRATA_IMAGES/oci-gzip:latest"
}
teardown() { finish; }

layers_of() { # an OCI layout's layer blobs, lowest first
  skopeo inspect --raw "oci:$1" | jq -r '.layers[].digest' | sed "s#sha256:#${1%:*}/blobs/sha256/#"
}
annotation() { # reference, name: one line for each layer
  skopeo inspect --raw "oci:$1" | jq -r ".layers[].annotations[\"$2\"]"
}
registry() { # a registry on 127.0.0.1; sets HOST
  need docker-registry
  local port
  for port in $(shuf -i 20000-30000 -n 20); do
    cat >"$T/registry.yml" <<END
version: 0.1
storage: {filesystem: {rootdirectory: $T/registry}}
http: {addr: "127.0.0.1:$port"}
END
    docker-registry serve "$T/registry.yml" >"$T/registry.log" 2>&1 &
    CHILDREN+=($!)
    HOST=127.0.0.1:$port
    for _ in $(seq 50); do
      (: <>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && return 0
      kill -0 "${CHILDREN[-1]}" 2>/dev/null || break
      sleep 0.1
    done
  done
  return 1
}
partial_pull() { # by podman as it is, into a store of its own; prints the tree of the top layer
  cat >"$T/storage.conf" <<END
[storage]
driver = "overlay"
graphroot = "$T/pulled"
runroot = "$T/pulled-run"
[storage.options]
pull_options = {enable_partial_images = "true", use_hard_links = "false", ostree_repos = ""}
END
  CONTAINERS_STORAGE_CONF=$T/storage.conf command podman --log-level debug pull --tls-verify=false \
    "$1" >"$T/pull.log" 2>&1
  [[ $(grep -c 'Retrieved partial blob' "$T/pull.log") == $(diff_ids | wc -l) ]]
}
# Whether a TOC says of every entry what the tar says: type, mode, owners, size, link.
same_rows() { # TOC, tar
  python3 - "$1" "$2" <<'END'
import json, sys, tarfile
kinds = {"0": "reg", "1": "hardlink", "2": "symlink", "3": "char", "4": "block", "5": "dir", "6": "fifo"}
rows = [
    (e["type"], e["name"].strip("/"), e.get("mode", 0) & 0o7777, e.get("uid", 0), e.get("gid", 0),
     e.get("size", 0), e.get("linkName", "").lstrip("/") if e["type"] == "hardlink" else e.get("linkName", ""))
    for e in json.load(open(sys.argv[1]))["entries"] if e["type"] != "chunk"]
entries = [
    (kinds[m.type.decode()], m.name.strip("/"), m.mode & 0o7777, m.uid, m.gid,
     m.size if m.isreg() else 0, m.linkname)
    for m in tarfile.open(sys.argv[2]) if m.name != "stargz.index.json"]
if rows != entries:
    sys.exit("\n".join(f"{a} is not {b}" for a, b in zip(rows, entries) if a != b)[:2000] or "length")
END
}

# What the layers hold, without what this podman leaves out of a partial pull: fifos, owners, the mode
# of the root.
same_files() { # blobs, lowest first
  local blob folder layer=""
  for blob in "$@"; do
    layer=$(jq -r --arg parent "$layer" '.[] | select((.parent // "") == $parent) | .id' \
      "$T/pulled/overlay-layers/layers.json")
    folder=$T/by-tar/$layer
    mkdir -p "$folder"
    if [[ $(od -An -tx1 -N2 "$blob") == " 1f 8b" ]]; then gzip -dc "$blob"; else zstd -dc "$blob"; fi |
      tar x -C "$folder"
    rm -f "$folder/stargz.index.json"
    find "$folder" -type p -delete
    cmp <(files_of "$folder") <(files_of "$T/pulled/overlay/$layer/diff")
  done
}
files_of() {
  (
    cd "$1"
    find . -mindepth 1 ! -name '.wh.*' ! -type c \
      \( -type d -printf '%P %y %m\n' -o -printf '%P %y %m %n %l\n' \) | sort
    find . -type f ! -name '.wh.*' -print0 | sort -z | xargs -0 sha256sum
  )
}

@test "zstd:chunked: the same tars, config and id, and podman fetches it file by file" {
  strata export --quiet --compression zstd:chunked localhost/demo:latest "oci:$T/out:v1"
  diff <(skopeo inspect --raw --config "oci:$T/out:v1") \
    <(skopeo inspect --raw --config "oci:$STRATA_IMAGES/oci-gzip:latest")
  local blob
  diff <(for blob in $(layers_of "$T/out:v1"); do zstd -dc "$blob" | sha; done) <(diff_ids)
  skopeo copy -q "oci:$T/out:v1" "dir:$T/dir"
  [[ $(annotation "$T/out:v1" io.containers.estargz.uncompressed-size) == \
    $(for blob in $(layers_of "$T/out:v1"); do zstd -dc "$blob" | wc -c; done) ]]
  paste <(layers_of "$T/out:v1") \
    <(annotation "$T/out:v1" io.github.containers.zstd-chunked.manifest-position | tr : ' ') |
    while read -r blob offset length _; do
      zstd -dc "$blob" >"$T/tar"
      tail -c "+$((offset + 1))" "$blob" | head -c "$length" | zstd -dc >"$T/toc"
      same_rows "$T/toc" "$T/tar"
    done
  registry
  skopeo copy -q --dest-tls-verify=false "oci:$T/out:v1" "docker://$HOST/t/demo:v1"
  partial_pull "$HOST/t/demo:v1"
  # shellcheck disable=SC2046
  same_files $(layers_of "$T/out:v1")
  strata import --quiet --name again "oci:$T/out:v1"
  check_diff_ids
  check_clean
}

@test "eStargz: other diff IDs, in a config that says so, and podman fetches it file by file" {
  strata export --quiet --compression estargz localhost/demo:latest "oci:$T/out:v1"
  local blob
  diff <(for blob in $(layers_of "$T/out:v1"); do gzip -dc "$blob" | sha | sed s/^/sha256:/; done) \
    <(skopeo inspect --config "oci:$T/out:v1" | jq -r '.rootfs.diff_ids[]')
  diff <(skopeo inspect --config "oci:$T/out:v1" | jq 'del(.rootfs)') \
    <(skopeo inspect --config "oci:$STRATA_IMAGES/oci-gzip:latest" | jq 'del(.rootfs)')
  # The TOC's digest is that of the tar's last entry.
  diff <(for blob in $(layers_of "$T/out:v1"); do
    gzip -dc "$blob" | tar xO stargz.index.json | sha | sed s/^/sha256:/
  done) <(annotation "$T/out:v1" containerd.io/snapshot/stargz/toc.digest)
  for blob in $(layers_of "$T/out:v1"); do
    gzip -dc "$blob" >"$T/tar"
    tar xOf "$T/tar" stargz.index.json >"$T/toc"
    same_rows "$T/toc" "$T/tar"
  done
  registry
  skopeo copy -q --dest-tls-verify=false "oci:$T/out:v1" "docker://$HOST/t/demo:v1"
  partial_pull "$HOST/t/demo:v1"
  # shellcheck disable=SC2046
  same_files $(layers_of "$T/out:v1")
  strata import --quiet --name again "oci:$T/out:v1"
  check_clean
}

@test "a docker-archive has no lazy form" {
  run strata export --quiet --compression estargz localhost/demo:latest "docker-archive:$T/out.tar"
  [[ $status != 0 && $output == *"a docker-archive holds plain tars"* ]]
  [[ ! -e $T/out.tar ]]
}
