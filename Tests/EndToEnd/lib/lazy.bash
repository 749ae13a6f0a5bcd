# The daemon of lazy layers in a test, and images made for it.
# shellcheck shell=bash

# Called by each file's setup().
begin_lazy() {
  begin
  need_root
  need podman
  need python3
  need curl
  own_configuration
}

serve_lazy() { # options of strata-lazy
  ALS=$T/als
  mkdir -p "$ALS"
  "${LAZY_PROGRAM:-$STRATA_BIN/strata-lazy}" --root "${LAZY_ROOT:-$T/lazy}" "$@" "$ALS" 2>>"$T/lazy.log" 3>&- &
  LAZY=$!
  CHILDREN+=("$LAZY")
  local _
  for _ in $(seq 100); do mountpoint -q "$ALS" && return 0; sleep 0.05; done
  cat "$T/lazy.log"
  return 1
}

# Ends the daemon as a user would.
end_lazy() {
  kill "$LAZY"
  wait "$LAZY" || true
}

# The process that serves the mount now.
worker() { pgrep -P "$LAZY"; }

# Kills the worker and waits until the holder knows.
kill_worker() {
  local pid
  until pid=$(worker); do sleep 0.05; done
  kill -9 "$pid"
  wait_until "worker $pid died of signal 9"
}

# How many requests stand in the holder's memory without an answer.
unanswered() {
  python3 - "$LAZY" <<'END'
import glob, os, sys
for link in glob.glob(f"/proc/{sys.argv[1]}/fd/*"):
    if os.readlink(link).startswith("/memfd:strata-lazy "):
        with open(link, "rb") as memory:
            slots = (memory.seek(16384 + 8192 * n) and memory.read(4) for n in range(4096))
            print(sum(any(length) for length in slots))
END
}

wait_until() { # text in the daemon's log
  local _
  for _ in $(seq 100); do grep -qF -- "$1" "$T/lazy.log" && return 0; sleep 0.05; done
  echo "the log does not say: $1"
  cat "$T/lazy.log"
  return 1
}

# The top layer of an image, whatever its diff IDs are.
top_of() { jq -r --arg name "$1" '.[] | select(.names | index($name)).layer' "$G/overlay-images/images.json"; }
digests() { skopeo inspect --raw "$1" | jq -r '.layers[].digest'; }

# An image of one eStargz layer from a folder, at the registry: name, folder, bytes of a chunk.
# Sets TOC, LAYER, DIFF_ID, SIZE.
push_estargz() {
  local name=$1 tree=$2 chunk=${3:-1048576} layout
  layout=$(mktemp -d "$T/layout-XXXXXX")
  mkdir -p "$layout/blobs/sha256"
  tar --sort=name -C "$tree" -cf "$layout/tar" .
  read -r LAYER SIZE TOC DIFF_ID < <(
    python3 "$HERE/lib/make-estargz.py" "$layout/tar" "$layout/blob" "$chunk")
  mv "$layout/blob" "$layout/blobs/sha256/${LAYER#sha256:}"
  rm "$layout/tar"
  push_layout "$name" "$layout" "$TOC"
}

# The same with another claim of the TOC's digest.
push_layout() { # name, layout with the layer's blob, digest of the TOC
  local name=$1 layout=$2 toc=$3 config manifest
  printf '{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":["%s"]}}' \
    "$DIFF_ID" >"$layout/config"
  config=$(sha <"$layout/config")
  printf '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:%s","size":%d},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":"%s","size":%d,"annotations":{"containerd.io/snapshot/stargz/toc.digest":"%s"}}]}' \
    "$config" "$(stat -c %s "$layout/config")" "$LAYER" "$SIZE" "$toc" >"$layout/manifest"
  manifest=$(sha <"$layout/manifest")
  printf '{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:%s","size":%d,"annotations":{"org.opencontainers.image.ref.name":"latest"}}]}' \
    "$manifest" "$(stat -c %s "$layout/manifest")" >"$layout/index.json"
  mv "$layout/config" "$layout/blobs/sha256/$config"
  mv "$layout/manifest" "$layout/blobs/sha256/$manifest"
  echo '{"imageLayoutVersion":"1.0.0"}' >"$layout/oci-layout"
  skopeo copy -q --preserve-digests --dest-tls-verify=false "oci:$layout:latest" "docker://$name"
}

# Where the store shows a layer: reference, digest.
layer_path() { echo "$ALS/$(printf '%s' "$1" | base64 -w0)/$2"; }

alive() { kill -0 "$LAZY" && mountpoint -q "$ALS" && ls "$ALS" >/dev/null; }
