# Strata, podman and Debian's containers-storage on one graph root: by turns, and at once.
load lib/common.bash
setup() {
  begin
  need_root
}
teardown() { finish; }

@test "by turns, each going on where the other stopped" {
  strata import --quiet --name demo "oci:$STRATA_IMAGES/oci-gzip:latest"
  local a b point
  a=$(peer create-container localhost/demo:latest | head -n 1)
  point=$(strata mount "$a")
  echo one >"$point/srv/one"
  [[ $(peer mount "$a") == "$point" ]]
  strata unmount "$a"
  [[ $(cat "$point/srv/one") == one ]]
  peer unmount "$a" >/dev/null
  [[ -z $(mounts_below "$point") ]]
  b=$(container localhost/demo:latest)
  point=$(peer mount "$b")
  echo two >"$point/srv/two"
  strata changes --json "$b" | jq -e 'any(.[]; .Path == "/srv/two")'
  strata unmount "$b"
  [[ -z $(mounts_below "$point") ]]
  # Layers that one makes on those of the other.
  local layer
  layer=$(peer create-layer --name theirs "$(top_layer)" | head -n 1)
  strata import-layer --name ours --file "$STRATA_IMAGES/small.tar" "$layer"
  point=$(peer mount "$(strata layers --json | jq -r '.[] | select(.names == ["ours"]).id')")
  [[ $(cat "$point/etc/hostname") == small ]]
  strata unmount ours
  strata add-names --name both "$layer"
  peer get-names "$layer" | grep -x both
  peer delete "$a" "$b"
  peer delete-layer "$(strata layers --json | jq -r '.[] | select(.names == ["ours"]).id')"
  strata delete-layer "$layer"
  peer check >/dev/null 2>&1 || true
  peer delete-image localhost/demo:latest
  [[ $(strata layers --json) == "[]" ]]
  check_clean
}

@test "a shutdown of either one does not break the other" {
  strata import --quiet --name demo "oci:$STRATA_IMAGES/oci-gzip:latest"
  local c point
  c=$(container localhost/demo:latest)
  point=$(strata mount "$c")
  peer shutdown 2>/dev/null || true # refused: a layer is mounted
  [[ $(cat "$point/srv/replaced") == "the new text" ]]
  strata unmount "$c"
  peer shutdown
  [[ -z $(mounts_below "$G") ]]
  point=$(strata mount "$c")
  podman images -q >/dev/null
  [[ $(cat "$point/srv/replaced") == "the new text" ]]
  strata unmount "$c"
  strata shutdown
  [[ -z $(mounts_below "$G") ]]
  podman_run --rm localhost/demo cat /srv/replaced
  check_clean
}

@test "all three at once: no write is lost, nothing is left" {
  strata import --quiet --name demo "oci:$STRATA_IMAGES/oci-gzip:latest"
  local count child
  count=$(rounds 6 60)
  (
    for ((i = 0; i < count; i++)); do
      c=$(container localhost/demo:latest)
      point=$(strata mount "$c")
      echo "$i" >"$point/srv/$i"
      strata unmount "$c"
      strata delete-container "$c"
    done
  ) 2>"$T/ours.err" & local ours=$!
  (
    for ((i = 0; i < count; i++)); do
      c=$(peer create-container localhost/demo:latest | head -n 1)
      point=$(peer mount "$c")
      echo "$i" >"$point/srv/$i"
      peer unmount "$c" >/dev/null
      peer delete-container "$c"
    done
  ) 2>"$T/theirs.err" & local theirs=$!
  (
    for ((i = 0; i < count; i++)); do
      podman_run --rm localhost/demo sh -c "echo $i >/srv/$i && cat /srv/$i" >/dev/null
    done
  ) 2>"$T/podman.err" & local podmans=$!
  (
    for ((i = 0; i < count; i++)); do
      strata import --quiet --name "small-$i" "$STRATA_IMAGES/small.tar"
      strata delete-image "localhost/small-$i:latest"
      strata import-layer --name "kept-$i" --file "$STRATA_IMAGES/small.tar" >/dev/null
    done
  ) 2>"$T/imports.err" & local imports=$!
  CHILDREN+=("$ours" "$theirs" "$podmans" "$imports")
  for child in $ours $theirs $podmans $imports; do
    wait "$child" || { tail -n 5 "$T"/*.err; return 1; }
  done
  [[ $(strata layers --json | jq '[.[] | select(.names // [] | any(startswith("kept-")))] | length') == "$count" ]]
  [[ $(strata containers --json) == "[]" ]]
  check_diff_ids
  check_clean
}

@test "the same image by Strata and podman at once" {
  local round a b
  for ((round = 0; round < $(rounds 4 40); round++)); do
    strata import --quiet --name mine "oci:$STRATA_IMAGES/oci-gzip:latest" 2>"$T/a.err" & a=$!
    podman pull -q "oci:$STRATA_IMAGES/oci-zstd:latest" >/dev/null 2>"$T/b.err" & b=$!
    CHILDREN+=("$a" "$b")
    wait "$a" || { cat "$T/a.err"; return 1; }
    wait "$b" || { cat "$T/b.err"; return 1; }
    strata images --json | jq -e 'length == 1 and (.[0].names | length) == 2'
    strata layers --json | jq -e 'length == 3'
    check_diff_ids
    podman rmi -fa >/dev/null
    check_clean
  done
}
