# Import from every source that the issue names, and what is in the graph root afterwards.
load lib/common.bash
setup() { begin; }
teardown() { finish; }

imported() { # source form
  run -0 strata import --quiet --name demo "$1"
  strata images --json | jq -e '.[0].names == ["localhost/demo:latest"]'
  [[ $(strata layers --json | jq -r '.[].id' | sort) == $(layer_ids | sort) ]]
  check_diff_ids
  check_clean
  # What was in the tars is what a mount shows.
  local c point
  c=$(container localhost/demo:latest)
  point=$(strata mount "$c")
  show_tree "$point" | diff - "$STRATA_IMAGES/expected.tsv"
  strata unmount "$c"
  strata delete-container "$c"
  check_clean
}

@test "import an OCI layout with plain layers" { need_root; imported "oci:$STRATA_IMAGES/oci-raw:latest"; }
@test "import an OCI layout with gzip layers" { need_root; imported "oci:$STRATA_IMAGES/oci-gzip:latest"; }
@test "import an OCI layout with gzip layers of many members" { need_root; imported "oci:$STRATA_IMAGES/oci-members"; }
@test "import an OCI layout with zstd layers" { need_root; imported "oci:$STRATA_IMAGES/oci-zstd:latest"; }
@test "import an OCI layout with xz layers" { need_root; imported "oci:$STRATA_IMAGES/oci-xz:latest"; }
@test "import an OCI layout with bzip2 layers" { need_root; imported "oci:$STRATA_IMAGES/oci-bzip2:latest"; }
@test "import an OCI layout in a tar" { need_root; imported "oci-archive:$STRATA_IMAGES/oci.tar"; }
@test "import a docker-archive" { need_root; imported "docker-archive:$STRATA_IMAGES/docker.tar"; }
@test "the kind of a source is found out from a bare path" {
  need_root
  imported "$STRATA_IMAGES/oci-gzip"
}

@test "records and files are podman's, member by member" {
  need_root
  strata import --quiet --name demo "oci:$STRATA_IMAGES/oci-gzip:latest"
  local mine=$G
  G=$T/theirs R=$T/theirs-run podman pull -q "oci:$STRATA_IMAGES/oci-gzip:latest" >/dev/null
  local theirs=$T/theirs
  # Everything but the times of making, the member that podman 4.3 leaves out, and the one data item that is
  # Strata's own: the signs of a layer's compressor.
  [[ $(find "$mine/overlay-layers" -mindepth 2 -printf '%f\n' | sort -u) == strata.signs ]]
  local records='map(del(.created) | if ."big-data-names" == ["strata.signs"] then del(."big-data-names") else . end)
    | sort_by(.id)'
  diff <(jq -S "$records" "$mine/overlay-layers/layers.json") \
    <(jq -S "$records" "$theirs/overlay-layers/layers.json")
  records='map(del(.created, .names, ."names-history", .metadata)) | sort_by(.id)'
  diff <(jq -S "$records" "$mine/overlay-images/images.json") \
    <(jq -S "$records" "$theirs/overlay-images/images.json")
  local id
  for id in $(layer_ids); do
    diff <(tar_split "$mine" "$id") <(tar_split "$theirs" "$id")
    diff <(show_tree "$mine/overlay/$id/diff") <(show_tree "$theirs/overlay/$id/diff")
  done
  id=$(jq -r '.[0].id' "$mine/overlay-images/images.json")
  diff -r "$mine/overlay-images/$id" "$theirs/overlay-images/$id"
  diff <(cd "$mine" && find overlay overlay-images overlay-layers overlay-containers -maxdepth 1 ! -path 'overlay/l/*' \
    ! -regex 'overlay-layers/[0-9a-f]*' -printf '%p %M %U:%G\n' | sort) \
    <(cd "$theirs" && find overlay overlay-images overlay-layers overlay-containers -maxdepth 1 ! -path 'overlay/l/*' -printf '%p %M %U:%G\n' | sort)
  umount "$theirs/overlay" || true
}

# A tar-split file as a reader takes it: entries in order, and runs of raw bytes joined, since Go cuts
# a long run where its buffer happens to end.
tar_split() { # graph root, layer
  zcat "$1/overlay-layers/$2.tar-split.gz" | jq -c 'if .type == 2 then .payload else del(.position) end' |
    python3 -c '
import base64, hashlib, json, sys
run = b""
def flush():
    global run
    if run: print(len(run), hashlib.sha256(run).hexdigest())
    run = b""
for line in sys.stdin:
    value = json.loads(line)
    if isinstance(value, str): run += base64.b64decode(value)
    else: flush(); print(json.dumps(value, sort_keys=True))
flush()'
}

@test "one of two images of a layout is chosen by its tag" {
  need_root
  strata import --quiet --name small "oci:$STRATA_IMAGES/oci-two:small"
  [[ $(strata layers --json | jq length) == 1 ]]
  strata import --quiet --name whole "oci:$STRATA_IMAGES/oci-two:whole"
  [[ $(strata layers --json | jq length) == 4 ]]
  refused oci-two -- strata import --quiet "oci:$STRATA_IMAGES/oci-two"
  refused nothere -- strata import --quiet "oci:$STRATA_IMAGES/oci-two:nothere"
  check_clean
}

@test "a plain layer tar becomes an image of one layer" {
  need_root
  strata import --quiet --name one "$STRATA_IMAGES/small.tar"
  local id
  id=$(strata layers --json | jq -r '.[0].id')
  [[ $id == $(sha <"$STRATA_IMAGES/small.tar") ]]
  [[ $(strata diff -u "$id" | sha) == "$id" ]]
  podman_run --rm localhost/one /bin/busybox cat /srv/small | grep -x small
  check_clean
}

@test "import-layer makes a bare layer" {
  need_root
  local id
  id=$(strata import-layer --file "$STRATA_IMAGES/small.tar" | head -n 1)
  [[ $(strata diff -u "$id" | cmp - "$STRATA_IMAGES/small.tar") == "" ]]
  gzip -c "$STRATA_IMAGES/small.tar" | strata import-layer --name second "$id"
  strata layers --json | jq -e --arg p "$id" 'any(.[]; .parent == $p and .names == ["second"])'
  check_clean
}

@test "several names, and a name taken over from another image" {
  need_root
  strata import --quiet --name two --name example.org/a/b:1 "oci:$STRATA_IMAGES/oci-gzip:latest"
  strata images --json | jq -e '.[0].names | sort == ["example.org/a/b:1", "localhost/two:latest"]'
  strata import --quiet --name two "$STRATA_IMAGES/small.tar"
  strata images --json | jq -e '[.[] | select(.names | index("localhost/two:latest"))] | length == 1'
  podman images --format '{{.Repository}}:{{.Tag}}' | grep -x localhost/two:latest
}

@test "what is there already is not opened again" {
  need_root
  cp -r "$STRATA_IMAGES/oci-gzip" "$T/layout"
  strata import --quiet --name first "oci:$T/layout:latest"
  # The blobs of the layers go: the config's diff IDs alone must do.
  jq -r '.layers[].digest' "$T/layout/blobs/sha256/$(jq -r '.manifests[0].digest' "$T/layout/index.json" | cut -d: -f2)" |
    while read -r digest; do : >"$T/layout/blobs/sha256/${digest#sha256:}"; done
  strata import --quiet --name second "oci:$T/layout:latest"
  strata images --json | jq -e 'length == 1 and (.[0].names | length == 2)'
}

@test "plain lines without a terminal, nothing with --quiet" {
  need_root
  run -0 --separate-stderr strata import --name demo "oci:$STRATA_IMAGES/oci-gzip:latest"
  [[ $output$stderr != *$'\r'* && $output$stderr != *$'\e'* ]]
  [[ $(grep -c '^layer ' <<<"$stderr") == 3 ]]
  run -0 --separate-stderr strata import --quiet --name again "oci:$STRATA_IMAGES/oci-zstd:latest"
  [[ -z $stderr ]]
}

@test "a bar on a terminal" {
  need_root
  need script
  script -qec "'$STRATA' --graph '$G' --run '$R' import --name demo oci:$STRATA_IMAGES/oci-gzip:latest" \
    "$T/typescript" >/dev/null
  grep -q $'\r' "$T/typescript"
  strata images --json | jq -e 'length == 1'
}

@test "a bar never has more bytes than its layer" {
  python3 - "$STRATA" --graph "$G" --run "$R" import --name demo "oci:$STRATA_IMAGES/oci-gzip:latest" <<'END'
import os, pty, re, sys
shown = b""
def read(fd):
    global shown
    data = os.read(fd, 65536)
    shown += data
    return data
assert os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:], read)) == 0
units = {"B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
bars = re.findall(rb"%  ([0-9.]+) ?(\w+) of ([0-9.]+) ?(\w+)", shown)
assert bars, shown
for done, unit, size, of in bars:
    assert float(done) * units[unit.decode()] <= float(size) * units[of.decode()] * 1.01, (done, unit, size, of)
END
}
