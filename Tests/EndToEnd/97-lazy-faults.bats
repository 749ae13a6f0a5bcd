# What goes wrong between strata-lazy and its registry, on its disk, and in images that lie: each time the
# read ends in bounded time with the right bytes or EIO, and the daemon lives.
load lib/common.bash
load lib/registry.bash
load lib/lazy.bash
setup() {
  begin_lazy
  start_registry
  start_front
  TREE=$T/tree
  mkdir -p "$TREE/small"
  head -c 4000000 /dev/urandom >"$TREE/big"
  head -c 2500000 /dev/urandom >"$TREE/cold"
  local n
  for n in $(seq 40); do head -c $((n * 300)) /dev/urandom >"$TREE/small/$n"; done
  push_estargz "$REGISTRY/f/demo:1" "$TREE"
  NAME=$FRONT/f/demo:1
  faults
}
teardown() { finish; }

# By the TOC's digest: nothing is completed but what is asked for.
start() { # options
  serve_lazy --no-background-fetch --no-prefetch "$@"
  DIFF=$(layer_path "$NAME" "$TOC")/diff
}
same() { cmp "$DIFF/$1" "$TREE/$1"; }
fails() { # file, most seconds
  local begun=$EPOCHREALTIME
  run -2 timeout 30 cmp "$DIFF/$1" "$TREE/$1"
  [[ $output == *"Input/output error"* ]] || { echo "$output"; return 1; }
  awk -v a="$begun" -v b="$EPOCHREALTIME" -v most="$2" 'BEGIN { exit !(b - a <= most) }'
  alive
}

@test "a registry that stops is waited for as long as a read may last, and cached files need none" {
  start --read-timeout 4
  same small/1
  stop_registry
  fails cold 7
  same small/1
  cmp "$DIFF/big" "$TREE/big" 2>"$T/err" &
  local reader=$!
  sleep 1
  run_registry
  wait "$reader" || { cat "$T/err" "$T/lazy.log"; return 1; }
  same cold
  alive
}

@test "a slow and a stalling registry" {
  start --read-timeout 3
  same small/1
  faults "1 GET blobs/ stall 1" "1 GET blobs/ slow 2000000"
  same big
  faults "* GET blobs/ stall 20"
  fails cold 6
  # It is asked again, and not only after a while.
  faults
  sleep 0.6
  same cold
}

@test "tokens that ran out, 429 with Retry-After, 500, and cut bodies are not seen by readers" {
  faults "* * /v2/ token"
  start
  same small/1
  faults "1 GET blobs/ status 401" "* * /v2/ token"
  same cold
  faults "1 GET blobs/ status 429 1" "2 GET blobs/ status 500" "1 GET blobs/ cut 300000"
  same big
  [[ $(asked "blobs/.* 429") == 1 && $(asked "blobs/.* 500") == 2 ]]
  alive
}

@test "ranges: wrong starts, lengths and totals are refused, and everything in place of a range is used" {
  start
  same small/1
  local kind
  for kind in shift short total; do
    faults "* GET blobs/ $kind"
    fails cold 5
  done
  grep -q "$LAYER.*it sends" "$T/lazy.log"
  faults "* GET blobs/ norange"
  # For half a second the last refusal is repeated.
  sleep 0.6
  same cold
  [[ $(asked "GET .*$LAYER 200 range=bytes=[1-9]") -ge 1 ]]
}

@test "a redirect to another host gets no credentials" {
  redirect_blobs
  start
  same big
  grep -q "GET /v2/f/demo/blobs/$LAYER 206" "$T/cdn/log"
  ! grep -q 'auth=yes' "$T/cdn/log"
  grep -q 'manifests/1 200 .*auth=yes' "$T/front/log"
  # Where the blob lies is remembered.
  [[ $(asked "blobs/$LAYER 307") -le 2 ]]
}

@test "wrong bytes: EIO and one line, never cached, not asked for again, and another mirror is" {
  start
  same small/1
  faults "* GET blobs/ wrong 2000"
  fails cold 5
  one_line "$(grep "wrong bytes" "$T/lazy.log")" "$NAME" "$LAYER" "from $FRONT/f/demo" "chunk "
  ! grep -q "tar header" "$T/lazy.log"
  # Its map holds no mark.
  [[ -z $(find "$T/lazy/partial" -name "$(sha <"$TREE/cold")*.map" -exec tail -c +65 {} + | tr -d '\0') ]]
  : >"$T/front/log"
  fails cold 1
  [[ $(asked blobs/) == 0 ]]
  end_lazy
  cat >"$T/config/registries.conf" <<END
[[registry]]
location = "$FRONT"
[[registry.mirror]]
location = "$FRONT/mirror"
[[registry.mirror]]
location = "$REGISTRY"
END
  skopeo copy -q --preserve-digests --src-tls-verify=false --dest-tls-verify=false \
    "docker://$REGISTRY/f/demo:1" "docker://$REGISTRY/mirror/f/demo:1"
  faults "* GET mirror/f/demo/blobs/$LAYER wrong 2000"
  start
  same cold
  same big
  grep -q "wrong bytes from $FRONT/mirror/f/demo" "$T/lazy.log"
}

@test "a tag that moved on leaves the layers that were looked up, also after a restart without a registry" {
  start
  same small/1
  local old=$DIFF
  head -c 50000 /dev/urandom >"$TREE/small/2"
  mkdir "$T/other"
  cp -r "$TREE/small" "$T/other"
  local toc=$TOC
  push_estargz "$REGISTRY/f/demo:1" "$T/other"
  cmp "$old/cold" "$TREE/cold"
  end_lazy
  serve_lazy --no-background-fetch --no-prefetch
  cmp "$old/big" "$TREE/big"
  cmp "$(layer_path "$NAME" "$TOC")/diff/small/2" "$TREE/small/2"
  [[ $toc != "$TOC" ]]
  end_lazy
  stop_registry
  serve_lazy --no-background-fetch --no-prefetch
  cmp "$old/big" "$TREE/big"
  alive
}

@test "a full disk costs the cache and no read" {
  LAZY_ROOT=$T/disk
  mkdir "$LAZY_ROOT"
  mount -t tmpfs -o size=3m none "$LAZY_ROOT"
  start
  same big
  same cold
  # Nothing at all is left, for an index neither.
  push_estargz "$REGISTRY/f/demo:2" "$TREE/small"
  dd if=/dev/zero of="$LAZY_ROOT/filler" bs=4k 2>/dev/null || true
  DIFF=$(layer_path "$FRONT/f/demo:2" "$TOC")/diff
  TREE=$TREE/small
  same 33
  same 40
  cmp "$(layer_path "$FRONT/f/demo:2" "$LAYER")/blob" "$T/registry/docker/registry/v2/blobs/sha256/${LAYER:7:2}/${LAYER#sha256:}/data"
  rm "$LAZY_ROOT/filler"
  same 20
  alive
}

@test "a hundred readers of one cold file make one request" {
  start
  stat "$DIFF/small/39" >/dev/null
  faults "* GET blobs/ stall 0.5"
  local n readers=()
  for n in $(seq 100); do
    dd if="$DIFF/small/39" bs=64k iflag=direct 2>/dev/null | cmp - "$TREE/small/39" &
    readers+=($!)
  done
  for n in "${readers[@]}"; do wait "$n"; done
  [[ $(asked "blobs/$LAYER") == 1 ]]
}

@test "state that was cut short or has flipped bytes is made anew" {
  start
  same small/1
  # Some chunks of the file, not all.
  head -c 100000 "$DIFF/big" | cmp - <(head -c 100000 "$TREE/big")
  end_lazy
  cp -a "$T/lazy" "$T/saved"
  local how
  for how in cut flip; do
    rm -rf "$T/lazy"
    cp -a "$T/saved" "$T/lazy"
    # The index, slots, counts of uses, remembered layers, chunks under way and their maps.
    python3 - "$how" "$T/lazy" <<'END'
import os, sys
how, root = sys.argv[1:]
spoiled = 0
for folder, _, names in os.walk(root):
    if folder.startswith(os.path.join(root, "files")):
        continue
    for name in names:
        path = os.path.join(folder, name)
        size = os.path.getsize(path)
        if name == "lock" or size < 2:
            continue
        with open(path, "r+b") as file:
            if how == "cut":
                file.truncate(max(0, size - 40))
            else:
                # Of a file's content a byte that has not come yet; of all else in the middle.
                file.seek(size // 2)
                byte = file.read(1)
                file.seek(size // 2)
                file.write(bytes([byte[0] ^ 0x55]))
        spoiled += 1
assert spoiled >= 5, spoiled
END
    start
    same big
    same small/1
    same small/30
    alive
    end_lazy
  done
}

@test "an image that pairs a known blob with a TOC of its own is served nothing of it" {
  mkdir "$T/evil"
  cp -r "$TREE/small" "$T/evil"
  echo evil >"$T/evil/small/1"
  local known=$LAYER size=$SIZE diff_id=$DIFF_ID
  push_estargz "$REGISTRY/e/evil:1" "$T/evil"
  local toc=$TOC layout
  LAYER=$known SIZE=$size DIFF_ID=$diff_id
  layout=$(mktemp -d "$T/layout-XXXXXX")
  mkdir -p "$layout/blobs/sha256"
  cp "$T/registry/docker/registry/v2/blobs/sha256/${known:7:2}/${known#sha256:}/data" \
    "$layout/blobs/sha256/${known#sha256:}"
  push_layout "$REGISTRY/e/mixed:1" "$layout" "$toc"
  start
  run -1 cat "$(layer_path "$FRONT/e/mixed:1" "$known")/diff/small/1"
  run -1 cat "$(layer_path "$FRONT/e/mixed:1" "$toc")/diff/small/1"
  # The image that says the truth is served by the same digest.
  cmp "$(layer_path "$NAME" "$known")/diff/small/1" "$TREE/small/1"
  alive
}

@test "what a recorded run read is fetched ahead at the next start" {
  start
  "$STRATA_BIN/strata-lazy" record begin "$ALS" "$NAME"
  tail -c 1000 "$DIFF/big" | cmp - <(tail -c 1000 "$TREE/big")
  same small/7
  "$STRATA_BIN/strata-lazy" record end "$ALS" "$NAME"
  run -1 "$STRATA_BIN/strata-lazy" record begin "$T" "$NAME"
  one_line "$output" "$T" "$NAME"
  end_lazy
  [[ -s $T/lazy/layers/${TOC#sha256:}/order ]]
  rm -rf "$T/lazy/files" "$T/lazy/partial"
  serve_lazy --no-background-fetch
  : >"$T/front/log"
  stat "$DIFF" >/dev/null
  local _
  for _ in $(seq 40); do (($(asked "blobs/$LAYER") >= 2)) && break; sleep 0.1; done
  sleep 0.3
  faults "* GET blobs/ status 403"
  same small/7
  tail -c 1000 "$DIFF/big" | cmp - <(tail -c 1000 "$TREE/big")
  fails cold 5
}
