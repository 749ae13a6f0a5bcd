# kill -9 in the middle; the next command of either program works and the half-made layer is gone.
load lib/common.bash
setup() {
  begin
  need_root
}
teardown() { finish; }

killed_import() { # seconds after the import has begun to write
  "$STRATA" --graph "$G" --run "$R" import --quiet --name demo "oci:$STRATA_IMAGES/oci-gzip:latest" &
  local child=$!
  CHILDREN+=("$child")
  local waited=0
  until compgen -G "$G/overlay/tempdirs/temp-dir-*" >/dev/null || ((waited++ > 500)); do sleep 0.01; done
  sleep "$1"
  kill -9 "$child" 2>/dev/null || true
  wait "$child" 2>/dev/null || true
}

@test "kill -9 in an import, then Strata" {
  local round
  for ((round = 0; round < $(rounds 6 60); round++)); do
    killed_import "0.$(printf %03d $((round * 37 % 400)))"
    strata layers >/dev/null
    [[ $(strata layers --json | jq '[.[] | select(.flags.incomplete)] | length') == 0 ]]
    no_orphans
    strata import --quiet --name demo "oci:$STRATA_IMAGES/oci-gzip:latest"
    check_diff_ids
    strata delete-image localhost/demo:latest
    [[ $(strata layers --json) == "[]" ]]
  done
}

@test "kill -9 in an import, then podman" {
  local round
  for ((round = 0; round < $(rounds 4 40); round++)); do
    killed_import "0.$(printf %03d $((round * 53 % 400)))"
    podman images >/dev/null
    podman pull -q "oci:$STRATA_IMAGES/oci-gzip:latest" >/dev/null
    # What had no record yet is no peer's affair: the next start of Strata takes it away.
    strata images >/dev/null
    no_orphans
    podman rmi -fa >/dev/null
    [[ $(strata layers --json) == "[]" ]]
  done
}

# Records of an import are marked incomplete for some milliseconds, one at a time: kills that hit those.
@test "kill -9 between the saves of an import, then Strata or podman" {
  local round hits=0 id records=$G/overlay-layers/layers.json
  for ((round = 0; round < $(rounds 12 300) && hits < $(rounds 2 40); round++)); do
    "$HERE/lib/kill-at-mark" "$records" '"incomplete"' "$STRATA" --graph "$G" --run "$R" \
      import --quiet --name demo "oci:$STRATA_IMAGES/oci-gzip:latest" || true
    if (($(grep -o '"incomplete"' "$records" | wc -l) == 1)); then
      hits=$((hits + 1))
      if ((hits % 2)); then
        podman pull -q "oci:$STRATA_IMAGES/oci-gzip:latest" >/dev/null
        ! grep -q '"incomplete"' "$records"
        podman rmi -fa >/dev/null
      fi
      strata layers >/dev/null
      no_orphans
      strata import --quiet --name demo "oci:$STRATA_IMAGES/oci-gzip:latest"
      check_diff_ids
    fi
    strata delete-image localhost/demo:latest 2>/dev/null || true
    for id in $(layer_ids | tac); do strata delete-layer "$id" 2>/dev/null || true; done
    [[ $(strata layers --json) == "[]" ]]
  done
  echo "$hits of $round kills came between the saves"
  ((hits > 0))
}

# What a killed process may leave besides layers: temporary names, which are no records.
no_orphans() {
  find "$G" -name '.tmp-*' -delete
  check_clean
}

@test "kill -9 of podman in a pull, then Strata" {
  local round child
  for ((round = 0; round < $(rounds 4 40); round++)); do
    (exec podman pull -q "oci:$STRATA_IMAGES/oci-gzip:latest") >/dev/null 2>&1 &
    child=$!
    CHILDREN+=("$child")
    sleep "0.$(printf %03d $((100 + round * 97 % 500)))"
    kill -9 "$child" 2>/dev/null || true
    wait "$child" 2>/dev/null || true
    strata import --quiet --name demo "oci:$STRATA_IMAGES/oci-gzip:latest"
    check_diff_ids
    strata delete-image localhost/demo:latest
  done
}

@test "kill -9 of the mount program: unmount, delete and the next mount work" {
  strata import --quiet --name demo "oci:$STRATA_IMAGES/oci-gzip:latest"
  local c point pid
  c=$(container localhost/demo:latest)
  point=$(strata mount "$c")
  echo kept >"$point/srv/kept"
  sync -f "$point"
  for pid in $(pgrep -f "^$OVERLAY .* $point$"); do kill -9 "$pid"; done
  strata unmount "$c"
  [[ -z $(mounts_below "$point") ]]
  point=$(strata mount "$c")
  [[ $(cat "$point/srv/kept") == kept ]]
  strata delete-container "$c"
  check_clean
}

@test "a mount whose program dies in the middle of a look at it is unmounted all the same" {
  strata import --quiet --name demo "oci:$STRATA_IMAGES/oci-gzip:latest"
  local c point pid round
  c=$(container localhost/demo:latest)
  for ((round = 0; round < 8; round++)); do
    point=$(strata mount "$c")
    pid=$(pgrep -f "^$OVERLAY .* $point$")
    # Stopped it answers nothing, so that its end meets the request of the one who unmounts.
    kill -STOP $pid
    (sleep "0.0$((2 + round))" && kill -9 $pid) &
    strata unmount "$c" >/dev/null
    wait $!
    [[ -z $(mounts_below "$point") ]] || { mounts_below "$point"; return 1; }
  done
  check_clean
}

@test "kill -9 in a commit and in an export leaves the store as it was" {
  strata import --quiet --name demo "oci:$STRATA_IMAGES/oci-gzip:latest"
  local c point round child
  c=$(container localhost/demo:latest)
  point=$(strata mount "$c")
  head -c 50000000 /dev/urandom >"$point/srv/random"
  strata unmount "$c"
  for ((round = 0; round < $(rounds 3 30); round++)); do
    "$STRATA" --graph "$G" --run "$R" commit --quiet "$c" "localhost/killed:$round" &
    child=$!
    CHILDREN+=("$child")
    sleep "0.$(printf %03d $((round * 71 % 300)))"
    kill -9 "$child" 2>/dev/null || true
    wait "$child" 2>/dev/null || true
    strata images >/dev/null
    no_orphans
  done
  strata commit --quiet "$c" localhost/done:latest
  podman_run --rm localhost/done sh -c 'test -s /srv/random'
}
