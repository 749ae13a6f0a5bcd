# Shared by every file of end-to-end tests. Each test owns a folder, a graph root and a run root;
# its end unmounts what it mounted, ends what it started, and looks for what was left behind.
# shellcheck shell=bash

bats_require_minimum_version 1.5.0

HERE=$(cd "$BATS_TEST_DIRNAME" && pwd)
STRATA_BIN=${STRATA_BIN:-$HERE/../../build/bin}
STRATA_IMAGES=${STRATA_IMAGES:-$HERE/../../build/cache/image}
STRATA=$STRATA_BIN/strata
OVERLAY=$STRATA_BIN/strata-overlay
# Rounds of what is tried again and again; `scripts/test --long` asks for more.
rounds() { if [[ ${STRATA_LONG:-0} == 1 ]]; then echo "$2"; else echo "$1"; fi; }

# In a store: a test that is skipped on a machine that has everything is a failure (scripts/test).
need() { command -v "$1" >/dev/null || skip "needs $1 (scripts/setup installs it)"; }
need_root() { ((EUID == 0)) || skip "needs root"; }
need_fuse() { [[ -r /dev/fuse && -w /dev/fuse ]] || skip "needs /dev/fuse"; }

# Called by each file's setup().
begin() {
  need_fuse
  # Short: a mount's option string holds many of these paths.
  T=$(mktemp -d "${TMPDIR:-/tmp}/st-XXXXXX")
  chmod 755 "$T"
  G=$T/root R=$T/run
  CHILDREN=()
}

# Called by each file's teardown().
finish() {
  local child
  for child in "${CHILDREN[@]}"; do
    kill -9 "$child" 2>/dev/null || true
    wait "$child" 2>/dev/null || true
  done
  [[ -n ${T:-} ]] || return 0
  unmount_below "$T"
  if [[ ${STRATA_KEEP_SCRATCH:-0} == 1 ]]; then echo "# kept: $T" >&3; return 0; fi
  rm -rf "$T"
}

mounts_below() { # deepest first
  awk -v top="$1/" 'index($5 "/", top) == 1 { print $5 }' /proc/self/mountinfo | sort -r
}

unmount_below() {
  local point
  for _ in 1 2 3 4; do
    for point in $(mounts_below "$1"); do
      umount -l "$point" 2>/dev/null || fusermount3 -uz "$point" 2>/dev/null || true
    done
  done
  return 0
}

# The programs, all pointed at this test's roots.
strata() { "$STRATA" --graph "$G" --run "$R" "$@"; }
peer() { # the Go tool with our mount program
  /usr/bin/containers-storage --graph "$G" --run "$R" --storage-driver overlay \
    --storage-opt "overlay.mount_program=$OVERLAY" "$@"
}
podman() {
  command podman --root "$G" --runroot "$R" --storage-driver overlay \
    --storage-opt "overlay.mount_program=$OVERLAY" --tmpdir "${U:-$T}/libpod" \
    --runtime runc --cgroup-manager=cgroupfs --events-backend=file "$@"
}
podman_run() {
  podman run --network=none --ulimit nofile=1024:1024 --ulimit nproc=1000:1000 "$@"
}
buildah() {
  command buildah --root "$G" --runroot "$R" --storage-driver overlay \
    --storage-opt "overlay.mount_program=$OVERLAY" "$@"
}
skopeo() { command skopeo --tmpdir "$T" --insecure-policy "$@"; }
store_reference() { # for skopeo: an image of this test's store
  echo "containers-storage:[overlay@$G+$R:overlay.mount_program=$OVERLAY]$1"
}

# A container of an image; prints its id.
container() { strata create-container "$1" | head -n 1; }
show_tree() { "$HERE/lib/show-tree" "$1"; }
diff_ids() { cat "$STRATA_IMAGES/diff-ids"; }
layer_ids() { # as podman names them: storage-format 1.10
  local parent="" diff_id
  for diff_id in $(diff_ids); do
    if [[ -z $parent ]]; then parent=$diff_id; else
      parent=$(printf '%s+%s' "$parent" "$diff_id" | sha256sum | cut -d' ' -f1)
    fi
    echo "$parent"
  done
}
top_layer() { layer_ids | tail -n 1; }
sha() { sha256sum | cut -d' ' -f1; }

# The digest of every layer that `strata diff -u` gives back is the diff ID that it came with.
check_diff_ids() {
  local layer
  paste <(layer_ids) <(diff_ids) | while read -r layer diff_id; do
    [[ $(strata diff -u "$layer" | sha) == "$diff_id" ]] || {
      echo "layer $layer is not given back as $diff_id"
      return 1
    }
  done
}

# Nothing in the roots but what belongs to records: no mount, no half-made layer, no stray folder.
check_clean() {
  local left
  left=$({ mounts_below "$G"; mounts_below "$R"; } | grep -vxF "$G/overlay" | grep -vxF "$G" || true)
  [[ -z $left ]] || { echo "still mounted: $left"; return 1; }
  local records="" directories="" name
  if [[ -s $G/overlay-layers/layers.json ]]; then
    records=$(jq -r '.[].id' "$G/overlay-layers/layers.json" | sort)
    if jq -e '.[] | select(.flags.incomplete == true)' "$G/overlay-layers/layers.json"; then
      echo "an incomplete layer is left"
      return 1
    fi
  fi
  if [[ -d $G/overlay ]]; then
    for name in "$G"/overlay/*; do
      name=${name##*/}
      [[ $name == l || $name == '*' ]] && continue
      directories+=$name$'\n'
    done
    directories=$(sort <<<"${directories%$'\n'}")
  fi
  [[ $records == "$directories" ]] || {
    echo "layers.json: $records"
    echo "folders: $directories"
    return 1
  }
  left=$(find "$G/overlay-layers" -name '*.tar-split.gz' 2>/dev/null | while read -r name; do
    name=${name##*/}
    grep -qx "${name%.tar-split.gz}" <<<"$records" || echo "$name"
  done)
  [[ -z $left ]] || { echo "tar-split of no layer: $left"; return 1; }
  left=$(find "$G" "$R" -name '.tmp-*' 2>/dev/null)
  [[ -z $left ]] || { echo "temporary files: $left"; return 1; }
  left=$(find "$G"/*/tempdirs "$G"/*-layers/tmp "$R"/*-locks -mindepth 1 2>/dev/null || true)
  [[ -z $left && ! -e $G/overlay/tempdirs ]] || { echo "staged: $left"; return 1; }
  local links
  links=$(find "$G/overlay/l" -type l 2>/dev/null | wc -l)
  [[ $links == $(grep -c . <<<"$records") ]] || { echo "$links links for: $records"; return 1; }
}

# One line, not empty, that names what it must.
one_line() { # text, then what it must hold
  local text=$1
  shift
  [[ -n $text && $(wc -l <<<"$text") == 1 ]] || { echo "not one line: $text"; return 1; }
  local word
  for word in "$@"; do
    grep -qF -- "$word" <<<"$text" || { echo "without '$word': $text"; return 1; }
  done
}

# Runs a command that must fail, with one line on standard error and nothing left behind.
# A program that tells of everything that it tries: of a success nothing is shown, of a failure its end.
told() {
  "$@" >"$T/told" 2>&1 || { tail -n 40 "$T/told"; return 1; }
}

refused() { # words the line must hold, --, command
  local words=()
  while [[ $1 != -- ]]; do words+=("$1"); shift; done
  shift
  local errors=$T/refused.err status=0
  "$@" >"$T/refused.out" 2>"$errors" </dev/null || status=$?
  ((status != 0)) || { echo "was not refused: $*"; return 1; }
  ((status < 126)) || { echo "died with $status: $*"; cat "$errors"; return 1; }
  one_line "$(cat "$errors")" "${words[@]}"
}

# podman and Strata by one storage.conf, which names the additional layer store $ALS.
one_configuration() {
  cat >"$T/storage.conf" <<END
[storage]
driver = "overlay"
graphroot = "$G"
runroot = "$R"
[storage.options]
additionallayerstores = ["$ALS:ref"]
[storage.options.overlay]
mount_program = "$OVERLAY"
END
  export CONTAINERS_STORAGE_CONF=$T/storage.conf
  podman() {
    command podman --tmpdir "$T/libpod" --runtime runc --cgroup-manager=cgroupfs \
      --events-backend=file "$@"
  }
  strata() { "$STRATA" "$@"; }
}
