# No lock of the store is held while bytes stream: what others do beside a slow import and a slow export.
load lib/common.bash
load lib/registry.bash
setup() {
  begin
  need_root
}
teardown() { finish; }

# A layer that comes through a pipe as slowly as is wanted; ends with `finish_import`.
begin_slow_import() {
  mkfifo "$T/pipe"
  "$STRATA" --graph "$G" --run "$R" import-layer --name slow <"$T/pipe" >"$T/slow.out" 2>"$T/slow.err" &
  IMPORT=$!
  CHILDREN+=("$IMPORT")
  exec 8>"$T/pipe"
  head -c 2000000 "$STRATA_IMAGES/layers/1.tar" >&8
  until [[ -n $(find "$G/overlay/tempdirs" -path '*-addition/*' -print -quit 2>/dev/null) ]]; do sleep 0.02; done
}
finish_import() {
  tail -c +2000001 "$STRATA_IMAGES/layers/1.tar" >&8
  exec 8>&-
  rm "$T/pipe"
  wait "$IMPORT" || { cat "$T/slow.err"; return 1; }
  [[ $(strata diff -u slow | sha) == $(diff_ids | head -n 1) ]]
}

# The layer's tar, of which nobody takes more than the first bytes until `finish_export`.
begin_slow_export() { # layer
  mkfifo "$T/out"
  "$STRATA" --graph "$G" --run "$R" diff -u "$1" >"$T/out" 2>"$T/slow.err" 8>&- &
  EXPORT=$!
  CHILDREN+=("$EXPORT")
  exec 9<"$T/out"
  head -c 65536 <&9 >"$T/exported"
}
finish_export() {
  cat <&9 >>"$T/exported"
  exec 9<&-
  rm "$T/out"
  wait "$EXPORT" || { cat "$T/slow.err"; return 1; }
}

# The least time in ms of some rounds of what a user does meanwhile.
commands_time() {
  local round least=999999 start took c
  for ((round = 0; round < 4; round++)); do
    start=${EPOCHREALTIME/./}
    strata layers >/dev/null
    c=$(container localhost/demo:latest)
    strata mount "$c" >/dev/null
    strata unmount "$c" >/dev/null
    strata delete-container "$c"
    strata import-layer --name little --file "$T/little.tar" >/dev/null
    strata delete-layer little
    took=$(((${EPOCHREALTIME/./} - start) / 1000))
    ((took < least)) && least=$took
  done
  echo "$least"
}

@test "commands beside a slow import and a slow export take at most twice their lone time" {
  strata import --quiet --name demo "oci:$STRATA_IMAGES/oci-gzip:latest"
  tar cf "$T/little.tar" -C "$HERE" 70-crash.bats
  local alone beside
  alone=$(commands_time)
  begin_slow_import
  begin_slow_export "$(top_layer)"
  beside=$(commands_time)
  kill -0 "$IMPORT" && kill -0 "$EXPORT"
  echo "alone $alone ms, beside both $beside ms"
  # What the machine does besides is no wait for a lock.
  ((beside <= 2 * alone + 50))
  finish_export
  [[ $(sha <"$T/exported") == $(diff_ids | tail -n 1) ]]
  finish_import
  strata delete-layer slow
  check_clean
}

@test "podman 4.3's commands all through a staged import" {
  strata import --quiet --name demo "oci:$STRATA_IMAGES/oci-gzip:latest"
  begin_slow_import
  podman images -q | grep -q .
  podman ps -a
  podman info >/dev/null
  podman_run --rm localhost/demo cat /srv/replaced
  podman image exists localhost/demo
  podman pull -q "docker-archive:$STRATA_IMAGES/docker.tar" >/dev/null
  podman create --network=none --name kept localhost/demo true >/dev/null
  podman commit -q kept localhost/kept >/dev/null
  podman rm kept >/dev/null
  podman rmi localhost/kept >/dev/null
  podman system prune -f >/dev/null
  [[ -d $G/overlay/tempdirs ]]
  finish_import
  # While content streams through and is written.
  "$STRATA" --graph "$G" --run "$R" import-layer --name again --file "$STRATA_IMAGES/layers/2.tar" >/dev/null &
  IMPORT=$!
  CHILDREN+=("$IMPORT")
  while kill -0 "$IMPORT" 2>/dev/null; do
    podman images -q >/dev/null
    podman ps -q
  done
  wait "$IMPORT"
  [[ $(strata diff -u again | sha) == $(diff_ids | sed -n 2p) ]]
  podman_run --rm localhost/demo cat /srv/replaced
  strata delete-layer again
  strata delete-layer slow
  check_clean
}

@test "a layer that is deleted while it is streamed comes whole, and its files go then" {
  strata import --quiet --name demo "oci:$STRATA_IMAGES/oci-gzip:latest"
  local layer
  layer=$(layer_ids | sed -n 2p)
  begin_slow_export "$layer"
  timeout 60 "$STRATA" --graph "$G" --run "$R" delete-image localhost/demo:latest
  [[ $(strata layers --json) == "[]" ]]
  podman images
  strata images # would take away what a dead process has left
  finish_export
  [[ $(sha <"$T/exported") == $(diff_ids | sed -n 2p) ]]
  strata images
  check_clean
}

@test "two imports of one image at once read its layers once" {
  local most=0 count child
  strata layers >/dev/null
  strata import --quiet --name a "oci:$STRATA_IMAGES/oci-gzip:latest" & local first=$!
  strata import --quiet --name b "oci:$STRATA_IMAGES/oci-gzip:latest" & local second=$!
  CHILDREN+=("$first" "$second")
  while kill -0 "$first" 2>/dev/null || kill -0 "$second" 2>/dev/null; do
    count=$(compgen -G "$G/overlay/tempdirs/temp-dir-*" | wc -l || true)
    ((count > most)) && most=$count
    sleep 0.01
  done
  for child in "$first" "$second"; do wait "$child"; done
  echo "at most $most staging folders"
  ((most == 1))
  strata layers --json | jq -e 'length == 3'
  check_clean
}

@test "two pulls of one image at once ask for each layer once" {
  own_configuration
  start_registry
  start_front
  skopeo copy -q --dest-tls-verify=false "oci:$STRATA_IMAGES/oci-gzip:latest" \
    "docker://$REGISTRY/a/demo:1"
  faults
  local child digest
  pull "$FRONT/a/demo:1" >/dev/null & local first=$!
  pull "$FRONT/a/demo:1" >/dev/null & local second=$!
  CHILDREN+=("$first" "$second")
  for child in "$first" "$second"; do wait "$child"; done
  for digest in $(skopeo inspect --raw --tls-verify=false "docker://$REGISTRY/a/demo:1" | jq -r '.layers[].digest'); do
    [[ $(asked "GET .*blobs/$digest 200") == 1 ]]
  done
  check_diff_ids
  check_clean
}

@test "an import that stands still keeps another of the same image waiting, but not for long" {
  strata layers >/dev/null
  "$STRATA" --graph "$G" --run "$R" import --quiet --name a "oci:$STRATA_IMAGES/oci-gzip:latest" &
  local first=$!
  CHILDREN+=("$first")
  until compgen -G "$G/overlay/tempdirs/temp-dir-*/*-addition" >/dev/null; do sleep 0.005; done
  kill -STOP "$first"
  local started=$EPOCHREALTIME
  strata --lock-timeout 2 import --quiet --name b "oci:$STRATA_IMAGES/oci-gzip:latest" 2>"$T/err"
  grep -q "overlay-locks" "$T/err"
  awk -v a="$started" -v b="$EPOCHREALTIME" 'BEGIN { exit !(b - a > 1 && b - a < 15) }'
  kill -CONT "$first"
  wait "$first"
  strata layers --json | jq -e 'length == 3'
  strata images --json | jq -e '.[0].names | length == 2'
  check_clean
}

# A command is stopped while it writes content aside; what others do then must not wait for it.
stopped_beside() { # words of the command, standard input
  "$@" >"$T/slow.out" 2>"$T/slow.err" &
  IMPORT=$!
  CHILDREN+=("$IMPORT")
  until [[ -n $(find "$G" -path '*/tempdirs/temp-dir-*/*-addition/*' -print -quit 2>/dev/null) ]]; do
    kill -0 "$IMPORT" || { cat "$T/slow.err"; return 1; }
  done
  kill -STOP "$IMPORT"
}

@test "a tar that is applied to an empty layer is written outside the lock, over others' content inside" {
  local layer="" other
  seq 400000 >"$T/numbers"
  mkdir "$T/tree" && for name in {1..300}; do ln "$T/numbers" "$T/tree/$name"; done
  tar --hard-dereference -cf "$T/tree.tar" -C "$T/tree" .
  layer=$(strata create-layer --name given | head -n 1)
  stopped_beside "$STRATA" --graph "$G" --run "$R" applydiff --file "$T/tree.tar" given
  other=$(strata --lock-timeout 2 create-layer --name other | head -n 1)
  strata --lock-timeout 2 delete-layer other
  kill -CONT "$IMPORT"
  wait "$IMPORT" || { cat "$T/slow.err"; return 1; }
  [[ $(strata diff -u given | sha) == $(sha <"$T/tree.tar") ]]
  [[ $(stat -c %a "$G/overlay/$layer/diff") == 555 && $(ls "$G/overlay/$layer/diff" | wc -l) == 300 ]]
  # Once more: over what is there, and what it lacks stays.
  mkdir "$T/more" && echo more >"$T/more/more" && tar -cf "$T/more.tar" -C "$T/more" more
  strata applydiff --file "$T/more.tar" given
  [[ $(ls "$G/overlay/$layer/diff" | wc -l) == 301 ]]
  # A layer that is mounted gets what its mount shows at once.
  layer=$(strata create-layer --name shown | head -n 1)
  other=$(strata mount shown)
  strata applydiff --file "$T/more.tar" shown
  [[ $(<"$other/more") == more ]]
  strata unmount shown
  # Somebody writes to the layer meanwhile: nothing of his is lost.
  layer=$(strata create-layer --name both | head -n 1)
  stopped_beside "$STRATA" --graph "$G" --run "$R" applydiff --file "$T/tree.tar" both
  strata --lock-timeout 2 applydiff --file "$T/more.tar" both
  kill -CONT "$IMPORT"
  wait "$IMPORT" || { cat "$T/slow.err"; return 1; }
  [[ $(ls "$G/overlay/$layer/diff" | wc -l) == 301 ]]
  check_clean
}

@test "the vfs driver copies an image for a container and for a layer outside the lock" {
  local verb
  seq 400000 >"$T/numbers"
  mkdir "$T/tree" && for name in {1..300}; do ln "$T/numbers" "$T/tree/$name"; done
  tar --hard-dereference -cf "$T/tree.tar" -C "$T/tree" .
  strata -s vfs import-layer --name base --file "$T/tree.tar" >/dev/null
  strata -s vfs create-image --name demo base >/dev/null
  for verb in "create-container demo" "create-layer base"; do
    # shellcheck disable=SC2086
    stopped_beside "$STRATA" --graph "$G" --run "$R" -s vfs $verb
    strata -s vfs --lock-timeout 2 create-layer --name other >/dev/null
    strata -s vfs --lock-timeout 2 delete-layer other
    kill -CONT "$IMPORT"
    wait "$IMPORT" || { cat "$T/slow.err"; return 1; }
  done
  strata -s vfs layers --json | jq -e 'length == 3'
  for verb in "$G"/vfs/dir/*; do diff -r "$T/tree" "$verb"; done
  strata -s vfs check
}

@test "SIGINT at any time of an import leaves nothing" {
  strata layers >/dev/null
  local round child status
  for ((round = 0; round < $(rounds 5 50); round++)); do
    env --default-signal=INT "$STRATA" --graph "$G" --run "$R" import --quiet --name demo \
      "oci:$STRATA_IMAGES/oci-gzip:latest" 2>"$T/err" &
    child=$!
    CHILDREN+=("$child")
    until compgen -G "$G/overlay/tempdirs/temp-dir-*" >/dev/null; do sleep 0.005; done
    sleep "0.$(printf %03d $((round * 83 % 500)))"
    kill -INT "$child" 2>/dev/null || true
    status=0
    wait "$child" || status=$?
    if ((status)); then
      ((status == 130)) || { cat "$T/err"; return 1; }
      [[ $(strata layers --json) == "[]" ]]
    else
      strata delete-image demo
    fi
    check_clean
  done
}
