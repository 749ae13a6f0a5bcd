# The daemon of lazy layers as a service: its configuration file, what it tells of itself, its end.
load lib/common.bash
load lib/registry.bash
load lib/lazy.bash
setup() { begin_lazy; }
teardown() { finish; }

lazy() { "$STRATA_BIN/strata-lazy" "$@"; }

@test "status and metrics tell what was fetched, cached and verified, from whom, and what failed" {
  start_registry
  start_front
  mkdir "$T/tree"
  head -c 300000 /dev/urandom >"$T/tree/one"
  head -c 4000000 /dev/urandom >"$T/tree/two"
  push_estargz "$REGISTRY/s/demo:1" "$T/tree"
  cat >"$T/config.toml" <<END
root = "$T/lazy"
no_background_fetch = true
noprefetch = true
max_concurrency = 2
[blob]
fetching_timeout_sec = 3
END
  serve_lazy --config "$T/config.toml"
  local path name=$FRONT/s/demo:1
  path=$(layer_path "$name" "$TOC")
  cmp "$path/diff/one" "$T/tree/one"
  # A use is counted by refusing it.
  run -1 touch "$path/use"
  lazy status --config "$T/config.toml" --json >"$T/status"
  jq -e --arg name "$name" --arg toc "$TOC" --arg blob "$LAYER" --arg from "$FRONT/s/demo" '.images[]
    | select(.reference == $name).layers[] | .digest == $toc and .blobDigest == $blob and .state == "open"
      and .uses == 1 and .payloadBytes == 4300000 and .cachedBytes >= 300000 and .cachedBytes < 4300000 and .fetchedBytes > 300000
      and .mirror == $from and .lastError == "" and (.isVerified | not)' "$T/status"
  lazy status --root "$T/lazy" >"$T/text"
  grep -F "$name" "$T/text"
  grep -E "^${TOC:0:19} +open +1 .* [0-9]+ % .*chunks +$FRONT/s/demo$" "$T/text"
  # A failure is told.
  faults "* GET blobs/ wrong 2000"
  run ! tail -c 1000 "$path/diff/two"
  lazy status --root "$T/lazy" | grep "wrong bytes from $FRONT/s/demo"
  # What needs no program of ours; the socket is its user's alone.
  local socket=$T/lazy/status.sock
  [[ $(stat -c '%a %u' "$socket") == "600 0" ]]
  curl -sf --unix-socket "$socket" http://localhost/metrics >"$T/metrics"
  grep -E "^strata_lazy_layer_wrong_chunks_total\{image=\"$name\",layer=\"$LAYER\"\} [1-9]" "$T/metrics"
  grep -E '^strata_lazy_requests_total\{operation="lookup"\} [1-9]' "$T/metrics"
  lazy status --root "$T/lazy" --metrics | grep -x '# TYPE strata_lazy_cache_held_bytes gauge'
  run -22 curl -sf --unix-socket "$socket" http://localhost/other
  run ! setpriv --reuid 65534 --regid 65534 --clear-groups curl -s --unix-socket "$socket" http://localhost/status
  # A client that says nothing keeps nobody from the next answer.
  python3 -c 'import socket, sys, time
s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); time.sleep(4)' "$socket" 3>&- &
  CHILDREN+=($!)
  lazy status --root "$T/lazy" >/dev/null
  # The next worker answers as well.
  kill_worker
  lazy status --root "$T/lazy" | grep "number 2;"
  kill "$LAZY"
  wait "$LAZY"
  ! mountpoint -q "$ALS"
  run -1 lazy status --root "$T/lazy"
  one_line "$output" "no strata-lazy serves" "$T/lazy"
}

@test "unknown keys are warned of with their line, and wrong values are one line" {
  mkdir -p "$T/layout/blobs"
  cp -r "$STRATA_IMAGES/oci-gzip/." "$T/layout"
  cat >"$T/config.toml" <<END
root = "$T/lazy"
mount_point = "$T/als"
oci_layout = "$T/layout"
colour = "red"
disable_verification = true
[cache]
size = "20G"
shape = 1
[directory_cache]
direct = true
END
  serve_lazy --config "$T/config.toml"
  wait_until "config.toml:4: unknown key colour"
  wait_until "config.toml:5: disable_verification: no effect: content is always verified"
  wait_until "config.toml:8: unknown key cache.shape"
  wait_until "config.toml:9: directory_cache: of stargz-store"
  # A file that was spoiled meanwhile keeps no worker from starting.
  sed -i 's/"20G"/"much"/' "$T/config.toml"
  kill_worker
  wait_until "serves $ALS on"
  kill -HUP "$LAZY"
  wait_until "nothing is changed: $T/config.toml:7: cache.size has to be a number of bytes"
  ! grep -q "failed" "$T/lazy.log"
  end_lazy
  run -1 lazy --config "$T/config.toml"
  one_line "$output" "$T/config.toml:7:" cache.size
  echo 'noprefetch = 3' >"$T/config.toml"
  run -1 lazy --config "$T/config.toml" "$T/als"
  one_line "$output" "$T/config.toml:1:" "noprefetch has to be true or false"
  echo 'noprefetch =' >"$T/config.toml"
  run -1 lazy --config "$T/config.toml" "$T/als"
  one_line "$output" "$T/config.toml:1:"
  run -1 lazy --config "$T/none" "$T/als"
  one_line "$output" "$T/none" "no such file or directory"
}

@test "the service manager is told when the mount can be used and when it ends" {
  mkdir -p "$T/als"
  python3 - "$T/notify" >"$T/told" 3>&- <<'END' &
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
for _ in range(2):
    print(s.recv(100).decode(), flush=True)
END
  local told=$!
  CHILDREN+=("$told")
  for _ in $(seq 100); do [[ -S $T/notify ]] && break; sleep 0.05; done
  NOTIFY_SOCKET=$T/notify serve_lazy --oci-layout "$STRATA_IMAGES/oci-gzip"
  wait_until "is mounted"
  end_lazy
  wait "$told"
  [[ $(cat "$T/told") == $'READY=1\nSTOPPING=1' ]]
}
