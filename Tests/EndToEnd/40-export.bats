# Commit and export; what comes out is read by skopeo, umoci and podman and compared with the source.
load lib/common.bash
setup() {
  begin
  need_root
  strata import --quiet --name demo "oci:$STRATA_IMAGES/oci-gzip:latest"
}
teardown() { finish; }

same_image() { # an image reference for skopeo: same diff IDs, same config byte for byte
  [[ $(skopeo inspect --config "$1" | jq -r '.rootfs.diff_ids[]') == $(diff_ids | sed s/^/sha256:/) ]]
  diff <(skopeo inspect --raw --config "$1") \
    <(skopeo inspect --raw --config "oci:$STRATA_IMAGES/oci-gzip:latest")
}

@test "export to an OCI layout: skopeo and umoci accept it" {
  need umoci
  strata export --quiet localhost/demo:latest "oci:$T/out:v1"
  same_image "oci:$T/out:v1"
  skopeo copy -q "oci:$T/out:v1" "dir:$T/dir"
  umoci unpack --image "$T/out:v1" "$T/bundle"
  show_tree "$T/bundle/rootfs" | diff - "$STRATA_IMAGES/expected.tsv"
  # A second image in the same layout, and the first is still there.
  strata import --quiet --name small "$STRATA_IMAGES/small.tar"
  strata export --quiet localhost/small:latest "oci:$T/out:v2"
  same_image "oci:$T/out:v1"
  skopeo inspect "oci:$T/out:v2" >/dev/null
  check_clean
}

@test "export to an oci-archive: skopeo and podman accept it" {
  strata export --quiet localhost/demo:latest "oci-archive:$T/out.tar"
  same_image "oci-archive:$T/out.tar"
  skopeo copy -q "oci-archive:$T/out.tar" "dir:$T/dir"
  G=$T/other R=$T/other-run podman load -q -i "$T/out.tar"
  check_clean
}

@test "export to a docker-archive: skopeo and podman accept it" {
  strata export --quiet localhost/demo:latest "docker-archive:$T/out.tar"
  same_image "docker-archive:$T/out.tar"
  skopeo copy -q "docker-archive:$T/out.tar" "dir:$T/dir"
  [[ $(G=$T/other R=$T/other-run podman load -q -i "$T/out.tar") == *localhost/demo:latest* ]]
  check_clean
}

@test "export, delete, import again: nothing has changed" {
  strata export --quiet localhost/demo:latest "oci:$T/out:latest"
  strata delete-image localhost/demo:latest
  [[ $(strata layers --json) == "[]" ]]
  strata import --quiet --name demo "oci:$T/out:latest"
  check_diff_ids
  [[ $(strata images --json | jq -r '.[0].id') == $(skopeo inspect --raw --config "oci:$STRATA_IMAGES/oci-gzip:latest" | sha) ]]
}

@test "commit makes an image that podman runs and skopeo accepts" {
  local c point
  c=$(container localhost/demo:latest)
  point=$(strata mount "$c")
  echo kept >"$point/srv/kept"
  rm "$point/srv/empty"
  rm -r "$point/srv/opaque"
  show_tree "$point" >"$T/before"
  strata commit --quiet "$c" localhost/committed:v2
  strata unmount "$c"
  strata delete-container "$c"
  strata images --json | jq -e 'any(.[]; .names | index("localhost/committed:v2"))'
  podman_run --rm localhost/committed:v2 sh -c 'cat /srv/kept && test ! -e /srv/empty && test ! -e /srv/opaque' | grep -x kept
  c=$(container localhost/committed:v2)
  point=$(strata mount "$c")
  show_tree "$point" | diff "$T/before" -
  strata delete-container "$c"
  strata export --quiet localhost/committed:v2 "oci:$T/out:latest"
  skopeo copy -q "oci:$T/out:latest" "dir:$T/dir"
  # The config is the old one with a layer more; members that Strata does not know are still there.
  skopeo inspect --raw --config "oci:$T/out:latest" >"$T/config"
  jq -e '."x.unknown".kept == [1, 2.5, null] and .config.Labels.strata == "demo"' "$T/config"
  jq -e '(.rootfs.diff_ids | length) == 4 and ([.history[] | select(.empty_layer | not)] | length) == 4' "$T/config"
  local last
  last=$(jq -r '.rootfs.diff_ids[3]' "$T/config")
  [[ sha256:$(strata diff -u "$(strata images --json | jq -r '.[] | select(.names[0] == "localhost/committed:v2").layer')" | sha) == "$last" ]]
  check_clean
}

@test "skopeo reads the store that Strata wrote" {
  need skopeo
  skopeo copy -q "$(store_reference localhost/demo:latest)" "oci:$T/copied:latest"
  [[ $(skopeo inspect --config "oci:$T/copied:latest" | jq -r '.rootfs.diff_ids[]') == $(diff_ids | sed s/^/sha256:/) ]]
  skopeo copy -q "oci:$STRATA_IMAGES/oci-two:small" "$(store_reference localhost/stored:latest)"
  [[ $(strata diff -u "$(sha <"$STRATA_IMAGES/small.tar")" | sha) == $(sha <"$STRATA_IMAGES/small.tar") ]]
}

@test "an export that cannot be written leaves nothing" {
  mount -t tmpfs -o size=2m none "$(mkdir "$T/small" && echo "$T/small")"
  refused "$T/small" -- strata export --quiet localhost/demo:latest "oci-archive:$T/small/out.tar"
  [[ -z $(ls -A "$T/small") ]]
  refused "$T/small" -- strata export --quiet localhost/demo:latest "oci:$T/small/out"
  [[ -z $(ls -A "$T/small") ]]
  check_clean
}

@test "a tag that skopeo would not read is refused" {
  local tag
  for tag in v1 1.0--rc a/b:c@d my_image v+1; do
    strata export --quiet demo "oci:$T/layout:$tag"
    skopeo inspect --raw "oci:$T/layout:$tag" >/dev/null
  done
  for tag in 'v!' -v v- a..b a/ /a 'a b' a---b; do
    ! command skopeo inspect --raw "oci:$T/layout:$tag" 2>/dev/null
    refused "oci:$T/other:$tag" "no tag" -- strata export --quiet demo "oci:$T/other:$tag"
    refused "no tag" -- strata export --quiet demo "oci-archive:$T/other.tar:$tag"
  done
  [[ ! -e $T/other && ! -e $T/other.tar ]]
  refused "no destination" -- strata export demo oci:
}

@test "an archive has the name that was asked for, and none where an id was" {
  local id kind
  strata add-names --name localhost/other:v1 --name example.org/third/name:v2 demo
  id=$(strata images --json | jq -r '.[0].id')
  tags() { tar xOf "$T/out.tar" manifest.json | jq -c '.[0].RepoTags'; }
  strata export --quiet example.org/third/name:v2 "docker-archive:$T/out.tar"
  [[ $(tags) == '["example.org/third/name:v2"]' ]]
  # Short names stand for the whole ones.
  strata export --quiet demo "docker-archive:$T/out.tar"
  [[ $(tags) == '["localhost/demo:latest"]' ]]
  strata export --quiet name:v2 "docker-archive:$T/out.tar"
  [[ $(tags) == '["example.org/third/name:v2"]' ]]
  for kind in "$id" "${id:0:12}"; do
    strata export --quiet "$kind" "docker-archive:$T/out.tar"
    [[ $(tags) == '[]' ]]
  done
  strata export --quiet demo "docker-archive:$T/out.tar:said:v3"
  [[ $(tags) == '["localhost/said:v3"]' ]]
  reference() { tar xOf "$T/oci.tar" index.json | jq -c '.manifests[0].annotations["org.opencontainers.image.ref.name"]'; }
  strata export --quiet other:v1 "oci-archive:$T/oci.tar"
  [[ $(reference) == '"localhost/other:v1"' ]]
  strata export --quiet "$id" "oci-archive:$T/oci.tar"
  [[ $(reference) == null ]]
}

@test "what a killed export has begun is taken up by the next, and two may begin one folder" {
  local round child
  for round in 1 2 3 4 5 6; do
    "$STRATA" --graph "$G" --run "$R" export --quiet demo "oci:$T/begun" &
    child=$!
    sleep "0.0$((round * 7 % 10))"
    kill -9 "$child" 2>/dev/null || true
    wait "$child" 2>/dev/null || true
  done
  strata export --quiet demo "oci:$T/begun:v1"
  same_image "oci:$T/begun:v1"
  # As versions before left it.
  mkdir -p "$T/old/blobs/sha256"
  strata export --quiet demo "oci:$T/old:v1"
  mkdir "$T/mark"
  echo '{"imageLayoutVersion":"1.0.0"}' >"$T/mark/oci-layout"
  strata export --quiet demo "oci:$T/mark:v1"
  same_image "oci:$T/mark:v1"
  mkdir "$T/foreign"
  touch "$T/foreign/file"
  refused "$T/foreign" "no OCI image layout" -- strata export --quiet demo "oci:$T/foreign"
  [[ $(ls -A "$T/foreign") == file ]]
  strata export --quiet demo "oci:$T/both:v1" &
  child=$!
  strata export --quiet demo "oci:$T/both:v2"
  wait "$child"
  same_image "oci:$T/both:v1"
  same_image "oci:$T/both:v2"
}

@test "a file that a socket has replaced is not there again after a commit" {
  local c point
  c=$(container demo)
  point=$(strata mount "$c")
  rm "$point/srv/replaced"
  # A short name: a socket's path has 107 bytes at most.
  (cd "$point/srv" && python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("replaced"); socket.socket(socket.AF_UNIX).bind("only")')
  strata unmount "$c"
  strata commit --quiet "$c" sockets
  strata delete-container "$c"
  point=$(strata mount --ro sockets)
  [[ -d $point/srv && ! -e $point/srv/replaced && ! -e $point/srv/only ]]
  strata unmount sockets
  check_clean
}
