# What goes wrong at registries and on the way to them; a front before a real registry does it.
load lib/common.bash
load lib/registry.bash
setup() {
  begin
  need_root
  own_configuration
  start_registry
  start_front
  skopeo copy -q --dest-tls-verify=false "oci:$STRATA_IMAGES/oci-gzip:latest" \
    "docker://$REGISTRY/a/demo:1"
  # The largest layer, and where it is asked for.
  LAYER=$(jq -r '.layers | max_by(.size).digest' < <(skopeo inspect --raw --tls-verify=false "docker://$REGISTRY/a/demo:1"))
  SIZE=$(jq -r '.layers | max_by(.size).size' < <(skopeo inspect --raw --tls-verify=false "docker://$REGISTRY/a/demo:1"))
}
teardown() { finish; }

whole() { # the image is there, and nothing else is left
  check_diff_ids
  check_clean
  [[ -z $(ls "$T/state/blobs") ]] || { ls "$T/state/blobs"; return 1; }
}

@test "cut bodies go on where they ended" {
  faults "1 GET blobs/$LAYER cut 1000000" "1 GET blobs/$LAYER cut 500000" "1 GET blobs/$LAYER cut 0"
  pull "$FRONT/a/demo:1" >/dev/null
  whole
  # What had come when the connection ended may not all have been taken.
  [[ $(asked "GET .*$LAYER 206 range=bytes=[1-9][0-9]+-") == 3 ]]
}

@test "a pull that was cut goes on with the next pull" {
  faults "1 GET blobs/$LAYER cut 1000000" "* GET blobs/$LAYER status 403"
  refused "access denied" -- pull "$FRONT/a/demo:1"
  local kept
  kept=$(stat -c %s "$T/state/blobs/${LAYER#sha256:}.part")
  ((kept > 0))
  faults
  pull "$FRONT/a/demo:1" >/dev/null
  whole
  [[ $(asked "GET .*$LAYER 206 range=bytes=$kept-") == 1 ]]
}

@test "a part that was damaged in between is fetched anew" {
  mkdir -p -m 700 "$T/state/blobs"
  head -c 300000 /dev/urandom >"$T/state/blobs/${LAYER#sha256:}.part"
  faults
  pull "$FRONT/a/demo:1" >/dev/null 2>"$T/warning"
  one_line "$(cat "$T/warning")" "$LAYER" "once more"
  whole
}

@test "wrong bytes are not taken, and the next mirror is asked" {
  faults "* GET blobs/$LAYER wrong 200000"
  run pull "$FRONT/a/demo:1"
  ((status == 1))
  [[ $output == *"$LAYER"* ]]
  check_clean
  [[ $(strata images --json) == "[]" ]]
  cat >"$T/config/registries.conf" <<END
[[registry]]
location = "$REGISTRY"
[[registry.mirror]]
location = "$FRONT"
END
  pull "$REGISTRY/a/demo:1" >/dev/null 2>&1
  whole
}

@test "errors that pass are waited for: 429 with Retry-After, 500, a closed connection" {
  faults "1 GET manifests/1 status 429 1" "2 GET blobs/ status 500" "1 GET blobs/ cut 0" \
    "1 GET blobs/$LAYER status 503"
  start=$EPOCHREALTIME
  pull "$FRONT/a/demo:1" >/dev/null
  whole
  awk -v a="$start" -v b="$EPOCHREALTIME" 'BEGIN { exit !(b - a >= 1) }'
  [[ $(asked "manifests/1 429") == 1 ]]
}

@test "errors that stay are told in one line after few attempts" {
  faults "* GET manifests/1 status 500"
  refused "a/demo" "the registry failed (500)" "spoiled on order" -- pull "$FRONT/a/demo:1"
  [[ $(asked "manifests/1 500") == 6 ]]
  faults "* GET blobs/ status 403"
  refused "a/demo" "access denied (403)" -- pull "$FRONT/a/demo:1"
  check_clean
}

@test "a token that has run out is renewed in the middle" {
  faults "* * /v2/ token"
  pull "$FRONT/a/demo:1" >/dev/null
  whole
  [[ $(asked "GET /token") == 1 ]]
  strata delete-image "$FRONT/a/demo:1"
  faults "1 GET blobs/$LAYER status 401" "* * /v2/ token"
  pull "$FRONT/a/demo:1" >/dev/null
  whole
}

@test "ranges: a wrong start, a wrong length, a wrong total, and a registry that ignores them" {
  local kind
  for kind in shift short total; do
    faults "1 GET blobs/$LAYER cut 1000000" "* GET blobs/$LAYER $kind"
    refused "$LAYER" "it sends" -- pull "$FRONT/a/demo:1"
    check_clean
  done
  # The part of before is there: everything comes again, and what is not needed is passed over.
  faults "* GET blobs/$LAYER norange"
  pull "$FRONT/a/demo:1" >/dev/null
  whole
  [[ $(asked "GET .*$LAYER 200 range=bytes=[1-9][0-9]+-") == 1 ]]
}

@test "a redirect to another host gets no credentials" {
  redirect_blobs
  pull "$FRONT/a/demo:1" >/dev/null
  whole
  [[ $(grep -c 'GET /v2/a/demo/blobs/' "$T/cdn/log") == 4 ]]
  ! grep -q 'auth=yes' "$T/cdn/log"
  grep -q 'manifests/1 200 .*auth=yes' "$T/front/log"
}

@test "a registry that stops in the middle and comes again is waited for" {
  faults "1 GET blobs/$LAYER cut 1000000" "3 GET blobs/$LAYER status 502"
  pull "$FRONT/a/demo:1" >/dev/null
  whole
  # One that does not come again ends the pull.
  strata delete-image "$FRONT/a/demo:1"
  faults "* GET blobs/$LAYER stall 2"
  pull "$FRONT/a/demo:1" >/dev/null 2>"$T/err" &
  local child=$!
  sleep 1
  stop_registry
  local status=0
  wait "$child" || status=$?
  ((status == 1))
  one_line "$(cat "$T/err")" "pull"
  check_clean
}

@test "a signal ends a pull at once and leaves nothing in the store" {
  faults "* GET blobs/$LAYER stall 10"
  "$STRATA" --graph "$G" --run "$R" pull --quiet --state-dir "$T/state" "$FRONT/a/demo:1" 2>"$T/err" &
  local child=$!
  sleep 1.5
  kill -TERM "$child"
  local status=0 start=$SECONDS
  wait "$child" || status=$?
  ((status == 143))
  ((SECONDS - start < 5))
  check_clean
  # Layers that were complete may have been made and taken back; the image is not there.
  [[ $(strata images --json) == "[]" ]]
}

@test "push: cut and refused pieces are sent again from where the registry has them" {
  strata import --quiet --name demo "oci:$STRATA_IMAGES/oci-gzip:latest"
  faults "1 POST uploads/ status 500" "1 PUT uploads/ status 503" "1 PUT manifests/ status 500"
  push demo "$FRONT/b/demo:1" >"$T/digest"
  [[ $(skopeo inspect --tls-verify=false "docker://$REGISTRY/b/demo:1" --format '{{.Digest}}') == $(cat "$T/digest") ]]
  faults "* PUT manifests/ status 403"
  refused "b/demo" "access denied (403)" -- push demo "$FRONT/b/demo:2"
}
