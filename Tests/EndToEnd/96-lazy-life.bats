# The daemon of lazy layers lives on: workers that die or are replaced, an end in order, a mount that is
# not for others.
load lib/common.bash
load lib/registry.bash
load lib/lazy.bash

# One registry with one image for all tests: its name is that of this file's run.
setup_file() {
  ((EUID == 0)) || return 0
  T=$(mktemp -d "${TMPDIR:-/tmp}/st-XXXXXX")
  CHILDREN=()
  own_configuration
  start_registry
  "$STRATA" --graph "$T/made" --run "$T/made-run" import --quiet --name demo "oci:$STRATA_IMAGES/oci-gzip:latest"
  "$STRATA" --graph "$T/made" --run "$T/made-run" export --quiet --compression zstd:chunked demo "oci:$T/layout:latest"
  skopeo copy -q --preserve-digests --dest-tls-verify=false "oci:$T/layout:latest" "docker://$REGISTRY/life:1"
  export FILE_FOLDER=$T PORT REGISTRY REGISTRY_PID
}
teardown_file() {
  [[ -n ${FILE_FOLDER:-} ]] || return 0
  stop_registry
  rm -rf "$FILE_FOLDER"
}
setup() { begin_lazy; }
teardown() { finish; }

# A mount over the front, with the image pulled under NAME.
lazy_image() { # options of strata-lazy
  start_front
  serve_lazy --no-background-fetch "$@"
  one_configuration
  NAME=$FRONT/life:1
  podman pull -q --tls-verify=false "$NAME"
}

# Reads every file of a tree and prints one digest.
read_all='find / -xdev -type f -print0 | sort -z | xargs -0 sha256sum | grep -vE "/(etc/(hosts|hostname|resolv.conf)|run/)" | sha256sum'

# A command's name and how many seconds it took.
took() { # name, command
  local begun=$EPOCHREALTIME
  "${@:2}" >/dev/null
  awk -v name="$1" -v a="$begun" -v b="$EPOCHREALTIME" 'BEGIN { print name, b - a }'
}

users() { cut -d' ' -f1 "$T/lazy/uses" | paste -sd' '; }

@test "a container that reads sees nothing of a worker that is killed" {
  lazy_image
  [[ $(users) == "1 1 1" ]]
  # A read waits for the registry when its worker dies, and again.
  faults '1 GET /blobs/ stall 2'
  local c point
  c=$(container "$NAME")
  point=$(strata mount "$c")
  cat "$point/srv/replaced" >"$T/read" &
  local reader=$!
  sleep 0.3
  kill_worker
  kill_worker
  wait "$reader"
  [[ $(cat "$T/read") == "the new text" ]]
  strata unmount "$c"
  strata delete-container "$c"
  # Every file of the image, most of them cold, while workers die.
  podman_run --rm "$NAME" sh -c "$read_all" >"$T/first" 2>"$T/errors" &
  reader=$!
  sleep 0.5
  kill -0 "$reader"
  kill_worker
  wait "$reader"
  podman_run --rm "$NAME" sh -c "$read_all" >"$T/second"
  diff "$T/first" "$T/second"
  [[ ! -s $T/errors ]]
  kill -0 "$LAZY"
  [[ $(unanswered) == 0 ]]
  # No reference was lost, none counted twice.
  [[ $(users) == "1 1 1" ]]
  podman rmi "$NAME"
  [[ -z $(users) ]]
}

@test "after the fifth death in a minute the mount is gone, and podman is not held up" {
  lazy_image
  local _
  for _ in 1 2 3 4 5; do kill_worker; done
  run -1 wait "$LAZY"
  wait_until "the fifth time in a minute"
  ! mountpoint -q "$ALS"
  timeout 10 podman images >/dev/null
}

@test "holder and worker are killed: once they are started again podman goes on at once" {
  lazy_image
  podman_run -d --name stays "$NAME" sleep 100
  # What each command takes while all is well: another image for the one that is removed.
  local pid other=$FRONT/life:2
  skopeo copy -q --src-tls-verify=false --dest-tls-verify=false "docker://$REGISTRY/life:1" "docker://$REGISTRY/life:2"
  lives() { # name of the image, of a container that runs
    took images podman images
    took run podman_run --rm "$1" cat /srv/replaced
    took stop podman stop -t 0 "$2"
    took start podman start "$2"
    took exec podman exec "$2" cat /srv/replaced
    took rm podman rm -f -t 0 "$2"
    took rmi podman rmi "$1"
  }
  lives "$NAME" stays >"$T/before"
  podman pull -q --tls-verify=false "$other"
  podman_run -d --name stays "$other" sleep 100
  pid=$(worker)
  kill -9 "$LAZY"
  wait "$LAZY" || true
  # The worker ends with its holder.
  for _ in $(seq 50); do kill -0 "$pid" 2>/dev/null || break; sleep 0.02; done
  ! kill -0 "$pid" 2>/dev/null
  run ! ls "$ALS"
  [[ $output == *"not connected"* ]]
  serve_lazy --no-background-fetch
  lives "$other" stays >"$T/after"
  paste "$T/before" "$T/after" | tee /dev/stderr | awk '$4 > $2 + 1 { exit 1 }'
  [[ -z $(users) ]]
  # A second one on a mount that is served is refused.
  run -1 "$STRATA_BIN/strata-lazy" --root "$T/other" "$ALS"
  [[ $output == *"is served by another strata-lazy" ]]
}

@test "SIGHUP replaces the worker by the program that is on the disk" {
  mkdir "$T/bin"
  cp "$STRATA_BIN/strata-lazy" "$T/bin/strata-lazy"
  LAZY_PROGRAM=$T/bin/strata-lazy
  lazy_image
  local c point first second
  c=$(container "$NAME")
  point=$(strata mount "$c")
  first=$(worker)
  faults '1 GET /blobs/ stall 1'
  cat "$point/srv/replaced" >"$T/read" &
  local reader=$!
  sleep 0.3
  cp "$STRATA_BIN/strata-lazy" "$T/bin/new"
  mv "$T/bin/new" "$T/bin/strata-lazy"
  kill -HUP "$LAZY"
  wait_until "serves $ALS on"
  second=$(worker)
  [[ $second != "$first" && $(readlink "/proc/$second/exe") == "$T/bin/strata-lazy" ]]
  wait "$reader"
  [[ $(cat "$T/read") == "the new text" ]]
  # A program that does not fit: the holder's own goes on.
  printf '#!/bin/sh\nexit 78\n' >"$T/bin/new"
  chmod 755 "$T/bin/new"
  mv "$T/bin/new" "$T/bin/strata-lazy"
  kill -HUP "$LAZY"
  wait_until "is of another version"
  [[ -n $(cat "$point/etc/debian_version") ]]
  strata unmount "$c"
  # Nobody died.
  ! grep -q "died of" "$T/lazy.log"
}

@test "SIGTERM takes the mount away and serves those who have it" {
  lazy_image
  local c point
  c=$(container "$NAME")
  point=$(strata mount "$c")
  kill "$LAZY"
  for _ in $(seq 40); do mountpoint -q "$ALS" || break; sleep 0.05; done
  ! mountpoint -q "$ALS"
  [[ $(cat "$point/srv/replaced") == "the new text" ]]
  kill -9 "$(worker)"
  [[ -n $(cat "$point/etc/debian_version") ]]
  strata unmount "$c"
  wait "$LAZY"
  grep -q "is unmounted after a signal" "$T/lazy.log"
  # Who does not go in time is named, and left.
  serve_lazy --no-background-fetch --stop-timeout 1
  point=$(strata mount "$c")
  kill "$LAZY"
  wait "$LAZY"
  wait_until "${point%/} is still mounted"
  run ! cat "$point/usr/bin/env"
}

@test "another user may not walk the mount, but read through a container's" {
  lazy_image
  local c point below
  c=$(container "$NAME")
  point=$(strata mount "$c")
  cat "$point/srv/replaced"
  below=$(readlink "$G/overlay/$(top_of "$NAME")/diff")
  cat "$below/srv/replaced"
  local nobody=(setpriv --reuid 65534 --regid 65534 --clear-groups)
  run ! "${nobody[@]}" cat "$below/srv/replaced"
  [[ $output == *"Permission denied"* ]]
  run ! "${nobody[@]}" ls "$ALS"
  run ! "${nobody[@]}" ls "$below"
  strata unmount "$c"
}
