# Layers whose content is in an additional layer store: a plain directory, one behind FUSE, one whose
# server has died, and one whose server takes requests and never answers.
load lib/common.bash
load lib/ordinary-user.bash

setup() {
  begin
  need_root
  ALS=$T/als REFERENCE=127.0.0.1:5000/b/demo:1 PLAIN=$T/plain
}
teardown() {
  [[ -z ${U:-} ]] || end_pause
  finish
}

freeze() { # the demo image as an additional layer store
  python3 "$HERE/lib/frozen-als.py" "$STRATA_IMAGES/oci-gzip" "$REFERENCE" "${1:-$ALS}" "${@:2}" \
    >"$T/frozen"
}
keys() { cut -d' ' -f1 "$T/frozen"; }
place() { # of a layer's key
  echo "${2:-$ALS}/$(printf %s "$REFERENCE" | base64 -w0)/$1"
}
als() { strata --storage-opt "overlay.mount_program=$OVERLAY" \
  --storage-opt "overlay.additionallayerstore=$ALS:ref" "$@"; }

# Makes all layers of the demo image of the store, under the ids that image-copy code gives them, and
# the image on top.
plant() {
  local key id parent=""
  paste -d' ' <(keys) <(layer_ids) >"$T/pairs"
  while read -r key id; do
    als import-layer --from-als "$key" --reference "$REFERENCE" --id "$id" --readonly ${parent:+"$parent"} \
      </dev/null >/dev/null
    parent=$id
  done <"$T/pairs"
  als import --quiet --name demo "oci:$STRATA_IMAGES/oci-gzip:latest" >/dev/null
}

# Puts a server in front of the plain directory, to be stopped or killed.
serve() {
  mkdir -p "$ALS"
  "$OVERLAY" -f -o "lowerdir=$PLAIN" "$ALS" 8>&- 9>&- &
  SERVER=$!
  CHILDREN+=("$SERVER")
  local _
  for _ in $(seq 100); do mountpoint -q "$ALS" && return 0; sleep 0.05; done
  return 1
}

end_server() {
  kill -9 "$SERVER"
  wait "$SERVER" 2>/dev/null || true
}

# A store whose server is alive and answers nobody.
silence() {
  mkdir -p "$ALS"
  exec 7< <(exec python3 "$HERE/lib/silent-fuse.py" "$ALS" 8>&- 9>&-)
  CHILDREN+=("$!")
  local line
  read -r -u 7 line
  [[ $line == ready ]]
}

# Runs a command and fails if it takes longer than so many seconds.
within() {
  local seconds=$1 status=0
  shift
  timeout -s KILL "$seconds" "$@" || status=$?
  ((status != 137)) || echo "took longer than $seconds s: $*"
  return "$status"
}
within_als() { # seconds, then words for strata
  within "$1" "$STRATA" --graph "$G" --run "$R" --als-timeout 1 \
    --storage-opt "overlay.mount_program=$OVERLAY" \
    --storage-opt "overlay.additionallayerstore=$ALS:ref" "${@:2}"
}

@test "layers of a plain directory are made, mounted, diffed, exported and deleted" {
  freeze
  plant
  [[ $(strata layers --json | jq -r '.[].id' | sort) == $(layer_ids | sort) ]]
  # No file of any layer is here.
  [[ -z $(find "$G/overlay" -path '*/diff/*') ]]
  [[ $(readlink "$G/overlay/$(top_layer)/diff") == $(place "$(keys | tail -n 1)")/diff ]]
  [[ $(<"$G/overlay/$(top_layer)/additionallayer") == $(place "$(keys | tail -n 1)") ]]
  check_diff_ids
  # As it came, and as asked for.
  [[ sha256:$(strata diff "$(top_layer)" | sha) == $(keys | tail -n 1) ]]
  [[ $(strata diff -c "$(top_layer)" | gzip -dc | sha) == $(diff_ids | tail -n 1) ]]
  local c point
  c=$(als create-container demo | head -n 1)
  point=$(als mount "$c")
  show_tree "$point" | diff - "$STRATA_IMAGES/expected.tsv"
  echo made >"$point/srv/made"
  rm "$point/srv/empty"
  als changes "$c" | grep -F srv/made
  als diff -u "$c" | tar t | grep -x srv/.wh.empty
  als unmount "$c"
  als commit --quiet "$c" committed
  als export --quiet committed "oci:$T/out:latest"
  [[ $(skopeo inspect --config "oci:$T/out:latest" | jq -r '.rootfs.diff_ids[]' | head -n 3) == $(diff_ids | sed s/^/sha256:/) ]]
  # A lazy layer is exported as the blob it came as, if no other form is asked for.
  als export --quiet demo "oci:$T/raw:latest"
  [[ $(skopeo inspect --raw "oci:$T/raw:latest" | jq -r '.layers[].digest') == $(keys) ]]
  als export --quiet --compression zstd demo "oci:$T/zstd:latest"
  skopeo inspect --raw "oci:$T/zstd:latest" | jq -e '[.layers[].mediaType | endswith("zstd")] | all'
  als export --quiet demo "docker-archive:$T/out.tar"
  [[ $(skopeo inspect --config "docker-archive:$T/out.tar" | jq -r '.rootfs.diff_ids[]') == $(diff_ids | sed s/^/sha256:/) ]]
  als inspect "$(top_layer)" | jq -e '.[0]."additional-layer"'
  als tree | grep -F '(lazy)'
  als du --json | jq -e '.[] | select(.name == "localhost/demo:latest").own < 100000'
  als check
  als gc | grep -x 'nothing to remove'
  als dedup
  als delete-container "$c"
  als delete-image committed
  als delete-image demo
  [[ $(als layers --json) == '[]' ]]
  check_clean
  # The store has all that it had.
  freeze "$T/again"
  diff <(cd "$ALS" && find . -printf '%p %y %s\n' | sort) \
    <(cd "$T/again" && find . -printf '%p %y %s\n' | sort)
}

@test "a layer that the store does not offer, or offers wrongly, is refused in one line" {
  freeze
  local key unknown
  key=$(keys | head -n 1)
  unknown=sha256:$(printf x | sha)
  refused "no additional layer store has layer $unknown" -- \
    als import-layer --from-als "$unknown" --reference "$REFERENCE"
  refused "no additional layer store" -- als import-layer --from-als "$key"
  refused "there is no additional layer store" -- strata import-layer --from-als "$key"
  refused "reports unexpected TOCDigest" -- als import-layer --toc "$key" --reference "$REFERENCE"
  local other
  other=$(keys | tail -n 1)
  mv "$(place "$key")/info" "$T/info"
  cp "$(place "$other")/info" "$(place "$key")/info"
  refused "reports unexpected digest" -- als import-layer --from-als "$key" --reference "$REFERENCE"
  [[ $(strata layers --json) == '[]' ]]
  check_clean
  local option
  for option in 'als:x:is not absolute.  Can not be relative' \
    '/als#y:x:contains unknown option "y"' '/als#ref#ref:x:contains "ref" option twice'; do
    refused "${option##*:x:}" -- strata \
      --storage-opt "overlay.additionallayerstore=$(tr '#' : <<<"${option%%:x:*}")" layers
  done
}

@test "several stores are asked in order, by blob or TOC digest, with and without a name" {
  freeze "$T/toc" --by-toc
  local toc
  toc=$(keys | head -n 1)
  REFERENCE=- freeze "$T/bare"
  local key
  key=$(keys | head -n 1)
  both() {
    strata --storage-opt "overlay.mount_program=$OVERLAY" --storage-opt \
      "overlay.additionallayerstore=$T/missing:ref,$T/toc:ref,$T/bare" "$@"
  }
  # The first store is not there, which no command minds that asks it for nothing.
  [[ $(both layers 2>&1 >/dev/null) == "" ]]
  both info | grep -F "$T/missing" | grep -F "can't stat additionallayerstore dir"
  both import-layer --from-als "$key" --name blob
  both import-layer --toc "$toc" --reference "$REFERENCE" --name toc
  strata layer toc --json | jq -e --arg toc "$toc" '.[0] | ."toc-digest" == $toc and ."diff-size" == null'
  [[ $(strata diff -u toc | sha) == $(diff_ids | head -n 1) ]]
  [[ $(strata diff -u blob | sha) == $(diff_ids | head -n 1) ]]
  both delete-layer blob toc
  check_clean
}

@test "a layer whose blob is damaged or gone" {
  freeze
  plant
  local blob
  blob=$(place "$(keys | tail -n 1)")/blob
  cp "$blob" "$T/blob"
  printf x >>"$blob"
  refused "content has digest" -- als diff -f "$T/diff" "$(top_layer)"
  run -1 als check
  [[ $output == *"layer $(top_layer):"*"image "* ]]
  [[ $(strata images --json | jq length) == 1 ]]
  rm "$blob"
  als diff -u -f "$T/diff" "$(top_layer)" 2>"$T/err"
  one_line "$(cat "$T/err")" "has no blob of it"
  # What the tar of the files makes is the same tree.
  mkdir "$T/one"
  tar -xf "$T/diff" -C "$T/one"
  [[ -e $T/one/srv/replaced ]]
}

@test "podman and Strata use each other's layers of one additional layer store" {
  need podman
  need docker-registry
  local port=$((20000 + RANDOM % 10000))
  REFERENCE=127.0.0.1:$port/b/demo:1
  freeze
  printf 'version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: %s\nhttp:\n  addr: 127.0.0.1:%s\n' \
    "$T/registry" "$port" >"$T/registry.yml"
  docker-registry serve "$T/registry.yml" >"$T/registry.log" 2>&1 8>&- 9>&- &
  CHILDREN+=("$!")
  local _
  for _ in $(seq 100); do (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null && break; sleep 0.1; done
  skopeo copy -q --dest-tls-verify=false "oci:$STRATA_IMAGES/oci-gzip:latest" "docker://$REFERENCE"
  one_configuration
  als() { strata "$@"; }
  podman pull -q --tls-verify=false "$REFERENCE"
  [[ -L $G/overlay/$(top_layer)/diff ]]
  check_diff_ids
  [[ sha256:$(strata diff "$(top_layer)" | sha) == $(keys | tail -n 1) ]]
  local c
  c=$(container "$REFERENCE")
  show_tree "$(strata mount "$c")" | diff - "$STRATA_IMAGES/expected.tsv"
  strata unmount "$c"
  strata export --quiet "$REFERENCE" "oci:$T/out:latest"
  [[ $(skopeo inspect --config "oci:$T/out:latest" | jq -r '.rootfs.diff_ids[]') == $(diff_ids | sed s/^/sha256:/) ]]
  strata check --max 0
  strata delete-container "$c"
  strata delete-image "$REFERENCE"
  podman images --format json | jq -e '. == []'
  check_clean
  # The other way round.
  plant
  [[ $(podman_run --rm localhost/demo cat /srv/replaced) == "the new text" ]]
  podman_run --rm --uidmap 0:100000:65536 --gidmap 0:100000:65536 localhost/demo \
    ls -lnd /srv | grep -E '^drwx\S+ +[0-9]+ 0 +0 '
  podman save -q -o "$T/saved.tar" localhost/demo
  [[ $(skopeo inspect --config "docker-archive:$T/saved.tar" | jq -r '.rootfs.diff_ids[]') == $(diff_ids | sed s/^/sha256:/) ]]
  podman rmi localhost/demo
  [[ $(strata layers --json) == '[]' ]]
  check_clean
}

@test "containers with ID maps see the right owners of additional layers" {
  freeze
  plant
  local c point
  c=$(als create-container --uidmap 0:100000:65536 --gidmap 0:100000:65536 demo | head -n 1)
  point=$(als mount "$c")
  [[ $(stat -c %u:%g "$point/srv") == 100000:100000 ]]
  touch "$point/srv/made"
  als unmount "$c"
  als delete-container "$c"
  als delete-image demo
  check_clean
}

@test "an ordinary user's layers of an additional layer store" {
  [[ $(cat /proc/sys/user/max_user_namespaces) != 0 ]] || skip "needs user namespaces"
  freeze
  make_home
  # To the user all of it is root's then.
  chown -hR "$USER_NAME:$USER_NAME" "$ALS"
  cp "$T/frozen" "$U/frozen"
  {
    declare -p ALS REFERENCE
    declare -f als plant
    echo 'keys() { cut -d" " -f1 "$U/frozen"; }'
    sed 's/^  //' <<'END'
  plant_here() { (T=$U && plant); }
  plant_here
  check_diff_ids
  c=$(als create-container demo | head -n 1)
  cat >"$U/inside" <<'IN'
  set -e
  strata() { "$STRATA" --graph "$G" --run "$R" --storage-opt "overlay.mount_program=$OVERLAY" "$@"; }
  point=$(strata mount "$1")
  [[ $(cat "$point/srv/replaced") == "the new text" ]]
  [[ ! -e $point/srv/gone && -d $point/srv/opaque ]]
  ls "$point/srv/opaque" >"$U/opaque"
  echo made >"$point/srv/made"
  strata unmount "$1"
IN
  export STRATA OVERLAY G R U
  strata unshare bash "$U/inside" "$c"
  als diff -u "$c" | tar t | grep -x srv/made
  als check
  als delete-container "$c"
  als delete-image demo
END
  } | as_user
  diff "$U/opaque" <(awk -F'\t' '$6 ~ "^srv/opaque/[^/]*$" { sub("srv/opaque/", "", $6); print $6 }' \
    "$STRATA_IMAGES/expected.tsv")
  [[ $(jq length "$G/overlay-layers/layers.json") == 0 ]]
}

@test "a store whose server has died is told of in one line, and nothing is lost" {
  freeze "$PLAIN"
  serve
  plant
  end_server
  run ! ls "$ALS"
  # Who does not need it is not held up and hears nothing.
  [[ $(als layers --json 2>&1 | jq length) == 3 ]]
  als images >/dev/null
  [[ $(als gc 2>&1) == "nothing to remove" ]]
  als check --quick
  als check --max 0 >"$T/out" 2>"$T/err"
  one_line "$(cat "$T/err")" "layers are not checked" "not connected"
  local c
  refused "not connected" -- als create-container demo
  refused "not connected" -- als diff -u -f "$T/diff" "$(top_layer)"
  refused "not connected" -- als export --quiet demo "oci:$T/layout:latest"
  umount -l "$ALS"
  serve
  c=$(als create-container demo | head -n 1)
  # This server takes whiteouts for its own, so the tree is another one.
  [[ $(cat "$(als mount "$c")/srv/replaced") == "the new text" ]]
  als unmount "$c"
  als delete-container "$c"
  end_server
  # A layer goes although its store cannot be told; of a mount that cannot be written the kernel says so
  # by itself.
  als delete-image demo
  check_clean
}

@test "a store whose server never answers costs a bounded wait and one line" {
  freeze "$PLAIN"
  serve
  plant
  end_server
  umount -l "$ALS"
  silence
  within_als 4 images >/dev/null
  [[ $(within_als 4 layers 2>&1 | grep -c warning) == 0 ]]
  within_als 8 check --max 0 2>"$T/err" >/dev/null
  one_line "$(cat "$T/err")" "layers are not checked" "no answer for 1 seconds"
  local command
  for command in "create-container demo" "diff -u -f $T/diff $(top_layer)" \
    "export --quiet demo oci:$T/layout:latest" "mount $(top_layer)" \
    "import-layer --from-als $(keys | head -n 1) --reference $REFERENCE"; do
    # shellcheck disable=SC2086
    run -1 within_als 8 $command
    [[ $output == *"no answer for 1 seconds"* ]]
  done
  within_als 8 delete-image demo 2>"$T/err"
  one_line "$(cat "$T/err")" "$ALS" "no answer for 1 seconds"
  check_clean
}
