# strata-lazy: images start on layers that stay at the registry, and are exported as they came.
load lib/common.bash
load lib/registry.bash
load lib/lazy.bash
setup() { begin_lazy; }
teardown() { finish; }

@test "podman runs an image of lazy layers, and they are exported as they came" {
  start_registry
  serve_lazy
  one_configuration
  # Made in a store of its own.
  "$STRATA" --graph "$T/made" --run "$T/made-run" import --quiet --name demo "oci:$STRATA_IMAGES/oci-gzip:latest"
  local form name c
  for form in zstd:chunked estargz; do
    name=$REGISTRY/a/${form%:*}:1
    "$STRATA" --graph "$T/made" --run "$T/made-run" export --quiet --compression "$form" demo "oci:$T/$form-layout:latest" ||
      return 1
    skopeo copy -q --preserve-digests --dest-tls-verify=false "oci:$T/$form-layout:latest" "docker://$name"
    podman pull -q --tls-verify=false "$name"
    [[ -L $G/overlay/$(top_of "$name")/diff ]]
    [[ -z $(find "$G/overlay" -path '*/diff/*' -type f) ]]
    [[ $(podman_run --rm "$name" cat /srv/replaced) == "the new text" ]]
    c=$(container "$name")
    show_tree "$(strata mount "$c")" | diff - "$STRATA_IMAGES/expected.tsv"
    strata unmount "$c"
    strata export --quiet "$name" "oci:$T/$form-out:latest"
    diff <(digests "oci:$T/$form-out:latest") <(digests "oci:$T/$form-layout:latest")
    strata delete-container "$c"
    podman rmi "$name"
    [[ $(strata layers --json) == '[]' ]]
  done
  kill "$LAZY"
  wait "$LAZY"
  ! mountpoint -q "$ALS"
}

@test "plain layers are pulled as ever, and unknown ones are no error" {
  start_registry
  serve_lazy
  one_configuration
  skopeo copy -q --dest-tls-verify=false "oci:$STRATA_IMAGES/oci-gzip:latest" "docker://$REGISTRY/b/plain:1"
  podman pull -q --tls-verify=false "$REGISTRY/b/plain:1"
  [[ -d $G/overlay/$(top_layer)/diff && ! -L $G/overlay/$(top_layer)/diff ]]
  check_diff_ids
  run -1 stat "$ALS/$(printf '%s' "$REGISTRY/b/none:1" | base64 -w0)/sha256:$(printf x | sha256sum | cut -d' ' -f1)/diff"
  run -1 stat "$ALS/not!base64"
  [[ $output == *"Invalid argument"* ]]
}

@test "a daemon that was killed starts again on its mount and goes on with its cache" {
  start_registry
  serve_lazy
  one_configuration
  "$STRATA" --graph "$T/made" --run "$T/made-run" import --quiet --name demo "oci:$STRATA_IMAGES/oci-gzip:latest"
  "$STRATA" --graph "$T/made" --run "$T/made-run" export --quiet --compression zstd:chunked demo "oci:$T/layout:latest"
  skopeo copy -q --preserve-digests --dest-tls-verify=false "oci:$T/layout:latest" "docker://$REGISTRY/c/demo:1"
  podman pull -q --tls-verify=false "$REGISTRY/c/demo:1"
  # A second daemon on one state directory is refused.
  run -1 "$STRATA_BIN/strata-lazy" --root "$T/lazy" "$T"
  [[ $output == *"another strata-lazy uses it"* ]]
  kill -9 "$LAZY"
  wait "$LAZY" || true
  serve_lazy
  [[ $(podman_run --rm "$REGISTRY/c/demo:1" cat /srv/replaced) == "the new text" ]]
  podman rmi "$REGISTRY/c/demo:1"
}

@test "what a user gets wrong on the daemon's command line is one line" {
  local lazy=$STRATA_BIN/strata-lazy
  "$lazy" --help | grep -q MOUNTPOINT
  run -1 "$lazy"
  [[ $output == "strata-lazy: no mount point given: see strata-lazy --help" ]]
  run -1 "$lazy" --root "$T/lazy" "$T/none"
  [[ $output == *"$T/none: no such file or directory" ]]
  run -1 "$lazy" --colour "$T"
  [[ $output == *"unknown option --colour"* ]]
  run -1 "$lazy" --root "$T/lazy" --oci-layout "$T/none" "$T"
  [[ $output == *"lies below the mount point"* ]]
  mkdir "$T/als"
  run -1 "$lazy" --root "$T/lazy" --oci-layout "$T/none" "$T/als"
  [[ $output == *"$T/none"*"no such file or directory"* ]]
  ! mountpoint -q "$T/als"
}
