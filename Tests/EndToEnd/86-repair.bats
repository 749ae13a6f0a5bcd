# Check, repair and garbage collection: each kind of damage is found, named and mended, and stops
# nothing else.
load lib/common.bash
setup() {
  begin
  need_root
  strata import --quiet --name demo "oci:$STRATA_IMAGES/oci-gzip:latest"
}
teardown() { finish; }

@test "an undamaged store has nothing to say, and nothing to collect" {
  container demo
  [[ -z $(strata check) ]]
  [[ -z $(strata check --quick --max 0) ]]
  [[ $(strata gc --dry-run) == "nothing to remove" ]]
  # Says what was found, if anything.
  diff <(strata check --json | jq -c .) \
    <(echo '{"Layers":{},"ROLayers":{},"Images":{},"ROImages":{},"Containers":{}}')
}

@test "a changed file, a file too many and a missing item are found, and repair removes the image" {
  local top image
  top=$(top_layer)
  image=$(strata image --json demo | jq -r '.[0].id')
  echo more >"$G/overlay/$top/diff/too-many"
  run -1 strata check
  [[ $output == *"layer $top: +/too-many, layer content modified"* && $output == *"image $image:"* ]]
  rm "$G/overlay/$top/diff/too-many"
  [[ -z $(strata check) ]]
  local file
  file=$(find "$G/overlay/$top/diff" -type f -size +0 | head -n 1)
  echo other >>"$file"
  run -1 strata check --quick
  [[ $output == *"layer $top: "* ]]
  strata check --repair
  [[ -z $(strata images --quiet) && -z $(strata check) ]]
  check_clean
}

@test "a layer's directory that is gone stops no other image" {
  strata import-layer --name other --file "$STRATA_IMAGES/small.tar"
  local other bottom
  other=$(strata layers --json | jq -r '.[] | select(.names == ["other"]).id')
  strata create-image --name second "$other"
  bottom=$(layer_ids | head -n 1)
  rm -rf "$G/overlay/$bottom"
  strata images
  point=$(strata mount --ro second)
  [[ $(cat "$point/etc/hostname") == small ]]
  strata unmount second
  run -1 strata mount "$(container demo)"
  run -1 strata check
  [[ $output == *"layer $bottom"* && $output != *"$other"* ]]
  # A container goes only if it is said.
  run -1 strata check --repair
  strata check --repair --force
  [[ -z $(strata check) && $(strata images --quiet | wc -l) == 1 ]]
}

seen() { # program, mount options...: what it shows in a mount
  local program=$1
  shift
  point=$("$program" mount "$@" 2>"$T/err") && show_tree "$point" && "$program" unmount "${@: -1}" >/dev/null
}

@test "what a layer stands on is what its record says, whatever the short links say" {
  local container top bottom link foreign before
  container=$(container demo)
  top=$(top_layer) bottom=$(layer_ids | head -n 1)
  strata import-layer --name other --file "$STRATA_IMAGES/small.tar" >/dev/null
  foreign=$(strata layers --json | jq -r '.[] | select(.names == ["other"]).id')
  strata create-image --name second "$foreign" >/dev/null
  before=$(seen strata --ro demo)
  link=$(<"$G/overlay/$bottom/link")
  local damage
  for damage in "rm $G/overlay/$top/lower" "truncate -s 0 $G/overlay/$top/lower" \
    "truncate -s 0 $G/overlay/$bottom/link" "cp $G/overlay/$foreign/link $G/overlay/$bottom/link" \
    "echo -n l/$(<"$G/overlay/$foreign/link") >$G/overlay/$top/lower" \
    "ln -sfn ../$foreign/diff $G/overlay/l/$link"; do
    eval "$damage"
    run -1 strata check --quick
    [[ $output == *"layer $top: "*"the records to"* || $output == *"layer $bottom: "*"lead to layer"* || $output == *"layer $bottom: "*"missing or empty"* ]] || {
      echo "$damage: $output"
      return 1
    }
    # A mount shows what the records say, and tells of it.
    [[ $(seen strata --ro demo) == "$before" ]] || {
      echo "$damage: the mount shows something else"
      return 1
    }
    eval "$damage"
    strata check --repair 2>"$T/err"
    grep -q "mended by the records" "$T/err"
    [[ -z $(strata check) && $(strata images --quiet | wc -l) == 2 ]]
    # The peer, too.
    [[ $(seen peer "$container") == "$before" ]]
  done
  [[ $(strata gc --dry-run) == "nothing to remove" ]]
}

@test "parents in a ring are found, end every walk and are removed" {
  local bottom top verb
  bottom=$(layer_ids | head -n 1) top=$(top_layer)
  jq -c --arg bottom "$bottom" --arg top "$top" \
    'map(if .id == $bottom then .parent = $top else . end)' "$G/overlay-layers/layers.json" >"$T/ring"
  cat "$T/ring" >"$G/overlay-layers/layers.json"
  run -1 strata check --quick
  [[ $output == *"layer $top: the parents of layer $top form a ring"* ]]
  for verb in "export demo oci-archive:$T/out" "mount --ro demo" "commit $(container demo) made"; do
    # shellcheck disable=SC2086
    run -1 timeout 10 "$STRATA" --graph "$G" --run "$R" $verb
    [[ $output == *"form a ring"* ]] || { echo "$verb: $output"; return 1; }
  done
  timeout 20 "$STRATA" --graph "$G" --run "$R" check --repair --force
  [[ -z $(strata check) && -z $(strata layers --quiet)$(strata images --quiet) ]]
  [[ $(strata containers --json) == "[]" ]]
}

@test "a container whose own layer is damaged is found, and goes only with --force" {
  local container layer
  container=$(container demo)
  layer=$(strata container --json "$container" | jq -r '.[0].layer')
  rm -r "$G/overlay/$layer/diff"
  run -1 strata check
  [[ $output == *"container $container:"* ]]
  run -1 strata check --repair
  strata container "$container" >/dev/null
  strata check --repair --force
  [[ -z $(strata check) && $(strata containers --json) == "[]" && $(strata images --quiet | wc -l) == 1 ]]
}

@test "an empty file of records lets nothing be collected" {
  local kind
  for kind in layers images containers; do
    [[ $kind != containers ]] || echo data | strata set-container-data "$(container demo)" key
    cp "$G/overlay-$kind/$kind.json" "$T/saved"
    : >"$G/overlay-$kind/$kind.json"
    run -1 strata gc
    [[ $output == *"$G/overlay-$kind/$kind.json: the file is empty"* ]]
    run -0 strata du
    cat "$T/saved" >"$G/overlay-$kind/$kind.json"
    [[ -z $(strata check) && $(strata gc --dry-run) == "nothing to remove" ]]
  done
  : >"$G/overlay-layers/layers.json"
  run -1 strata check --repair
  [[ $output == *"moved aside to $G/overlay-layers/layers.json.damaged-"* ]]
  [[ -d $G/overlay/$(top_layer) ]]
}

@test "one record with an id that is no file name: a repair takes that one out" {
  local file=$G/overlay-layers/layers.json
  jq -c '. + [{"id": "../x", "created": "2026-01-01T00:00:00Z"}]' "$file" >"$T/odd"
  cat "$T/odd" >"$file"
  run -1 strata layers
  [[ $output == *"$file"*'"../x" of the record at offset '* ]]
  run -1 strata check --repair
  [[ $output == *"moved aside to $file.damaged-"* ]]
  [[ -z $(strata check) && $(strata layers --json | jq length) == $(diff_ids | wc -w) ]]
  cmp "$T/odd" "$file".damaged-*
}

@test "a transient store's containers hold what they use against everybody" {
  local container layer point verb
  container=$(strata --transient-store create-container demo | head -n 1)
  layer=$(strata --transient-store container --json "$container" | jq -r '.[0].layer')
  point=$(strata --transient-store mount "$container")
  echo kept >"$point/kept"
  [[ $(strata gc --dry-run) == "nothing to remove" ]]
  strata gc
  strata prune --min-age 0s
  [[ -z $(strata check --max 0s) ]]
  strata check --repair --force --max 0s
  for verb in "delete-image demo" "delete-layer $(top_layer)"; do
    # shellcheck disable=SC2086
    run -1 strata $verb
  done
  [[ $(<"$point/kept") == kept && -d $G/overlay/$layer/diff ]]
  strata --transient-store unmount "$container"
  strata --transient-store delete-container "$container"
  strata delete-image demo
  check_clean
}

@test "what no record names is collected, and nothing else" {
  local stray=$(printf 'e%.0s' {1..64}) foreign=$G/overlay-images/notes
  strata create-storage-layer >/dev/null
  mkdir -p "$G/overlay-images/$stray" "$G/overlay-containers/$stray" "$foreign" "$G/overlay/tempdirs/temp-dir-1"
  touch "$G/overlay-layers/$stray.tar-split.gz" "$G/overlay-layers/.tmp-layers.json1" \
    "$G/overlay/tempdirs/lock-1"
  ln -s "../$stray/diff" "$G/overlay/l/AAAAAAAAAAAAAAAAAAAAAAAAAA"
  run strata gc --dry-run
  [[ ${lines[-1]} == "7 to remove"* ]]
  [[ -d $G/overlay-images/$stray ]]
  [[ $(strata gc | tail -n 1) == "7 removed"* ]]
  [[ $(strata gc) == "nothing to remove" && -d $foreign && ! -e $G/overlay/tempdirs ]]
  check_clean
  [[ -z $(strata check) ]]
}

@test "a staging directory whose maker lives is left alone" {
  mkdir -p "$G/overlay/tempdirs/temp-dir-2"
  : >"$G/overlay/tempdirs/lock-2"
  python3 -c 'import fcntl, struct, sys, time
f = open(sys.argv[1], "r+")
fcntl.lockf(f, fcntl.LOCK_EX)
print("locked", flush=True)
time.sleep(60)' "$G/overlay/tempdirs/lock-2" >"$T/held" 3>&- &
  CHILDREN+=($!)
  until [[ -s $T/held ]]; do sleep 0.05; done
  strata gc
  [[ -d $G/overlay/tempdirs/temp-dir-2 ]]
}

@test "a file of records that does not parse is never written, and moved aside by a repair alone" {
  local file=$G/overlay-layers/layers.json before
  printf '[{"id":"' >"$file"
  before=$(sha <"$file")
  run -1 strata layers
  [[ $output == *"$file"* ]]
  run -1 strata create-layer
  run -1 strata check
  run -1 strata gc
  [[ $(sha <"$file") == "$before" ]]
  run -1 strata check --repair
  [[ $output == *"moved aside to $file.damaged-"* && $output == *"image layer is missing"* ]]
  [[ $(sha <"$file".damaged-*) == "$before" ]]
  strata layers
  strata images | grep demo
}

@test "doctor: nothing to say about a good store, and what to do about a bad one" {
  strata import --quiet --name demo "oci:$STRATA_IMAGES/oci-gzip:latest"
  local before
  before=$(find "$G" "$R" | sort)
  strata doctor >"$T/out"
  ! grep -E '^(warning|problem)' "$T/out"
  grep -E '^ok +trial mount ' "$T/out"
  # Nothing of the trial stays.
  [[ $(find "$G" "$R" | sort) == "$before" ]]
  check_clean

  refused "1 problem" -- strata --storage-opt overlay.mount_program=/bin/false doctor
  grep -E '^problem +trial mount .*/bin/false' "$T/refused.out"
  [[ $(strata doctor --json | jq -r '.[] | select(.subject == "trial mount").state') == ok ]]

  rm -rf "$G/overlay/$(top_layer)"
  mkdir "$G/overlay/$(printf '%064d' 7)"
  refused "problem" -- strata doctor
  grep -E "^problem +(layer|image) " "$T/refused.out"
  grep -E "^warning +garbage .*strata gc" "$T/refused.out"

  echo '[{"id": ' >"$G/overlay-containers/containers.json"
  refused "problem" -- strata doctor
  grep -E "^problem +records .*containers.json.*offset" "$T/refused.out"
  cat >"$T/storage.conf" <<END
[storage]
driver = "overlay"
graphroot = "$G"
runroot = "$R"
colour = "blue"
END
  CONTAINERS_STORAGE_CONF=$T/storage.conf "$STRATA" doctor 2>/dev/null >"$T/out" || true
  grep -E "^warning +configuration .*storage.conf:5: .*colour" "$T/out"
}

@test "copy: files into and out of a layer, and nothing out of its root" {
  local box
  box=$(container demo)
  echo text >"$T/file"
  strata copy --chown 7:8 "$T/file" "$box:/srv/copied"
  [[ $(cat "$G"/overlay/*/diff/srv/copied) == text ]]
  strata copy "$box:/srv" "$T/out"
  [[ $(cat "$T/out/copied") == text && $(stat -c %u:%g "$T/out/copied") == 7:8 ]]
  point=$(strata mount "$box")
  ln -s "$T" "$point/leads-out"
  strata unmount "$box"
  run -1 strata copy "$T/file" "$box:/leads-out/escaped"
  refused "copy to /srv" "is a directory" -- strata copy "$T/file" "$box:/srv"
  [[ ! -e $T/escaped ]]
}

@test "prune takes what nobody uses, and nothing young" {
  strata import-layer --name spare --file "$STRATA_IMAGES/small.tar"
  [[ $(strata prune) == "nothing to remove" ]]
  [[ $(strata prune --dry-run --min-age 0) == layer* ]]
  strata prune --min-age 0
  [[ $(strata layers -q | wc -l) == $(layer_ids | wc -l) ]]
  strata du | grep -E '^image +localhost/demo'
}

@test "completions and manual pages know every verb" {
  strata completions bash >"$T/bash"
  bash -n "$T/bash"
  for verb in import check gc prune copy; do
    grep -q "$verb" "$T/bash"
    strata completions fish | grep -q -- "-a $verb "
    strata completions zsh | grep -q "$verb:"
    strata man "$verb" | head -n 1 | grep -q '^.TH STRATA-'
  done
  run -1 strata completions tcsh
}

@test "an image that is imported again is whole again" {
  local container top image before
  container=$(container demo)
  image=$(strata image --json demo | jq -r '.[0].id')
  before=$(seen strata --ro demo)
  for top in $(layer_ids); do
    rm -r "$G/overlay/$top"
    rm -f "$G/overlay-layers/$top.tar-split.gz"
    : >"$G/overlay-images/$image/manifest"
    strata import --quiet --name demo "oci:$STRATA_IMAGES/oci-gzip:latest"
    [[ -z $(strata check) && $(seen strata --ro demo) == "$before" ]]
    check_diff_ids
  done
  rm -r "$G/overlay/$top/diff"
  strata import --quiet --name demo "oci:$STRATA_IMAGES/oci-gzip:latest"
  [[ -z $(strata check) && $(seen strata "$container") == "$before" ]]
  strata delete-container "$container"
  strata delete-image demo
  check_clean
}

@test "mounts whose file is cut are found again by a repair" {
  local box file=$R/overlay-layers/mountpoints.json before
  box=$(container demo)
  strata mount "$box" >/dev/null
  truncate -s 20 "$file"
  before=$(sha <"$file")
  refused "$file" "check --repair" -- strata unmount "$box"
  run -1 strata layers
  # Not one that counts on what it says is touched by anything else.
  run -1 strata shutdown
  [[ $(sha <"$file") == "$before" ]]
  strata check --quick --repair 2>"$T/err"
  one_line "$(cat "$T/err")" "moved aside to $file.damaged-" "1 mounts found"
  [[ $(sha <"$file".damaged-*) == "$before" ]]
  [[ $(strata mounted "$box") == "$box mounted" ]]
  [[ $(peer mounted "$box") == "$box mounted" ]]
  strata unmount "$box"
  [[ $(<"$file") == "[]" ]]
  strata delete-container "$box"
  check_clean
}

@test "what podman 5 leaves of partial pulls is found, but not what a living one has" {
  local staging=$G/overlay/staging
  mkdir -p "$staging"/{left,old,held}/dir
  head -c 5000 /dev/zero >"$staging/left/dir/file"
  : >"$staging/left/staging.lock"
  : >"$staging/held/staging.lock"
  python3 -c 'import fcntl, sys, time
f = open(sys.argv[1], "r+")
fcntl.lockf(f, fcntl.LOCK_EX)
print("locked", flush=True)
time.sleep(60)' "$staging/held/staging.lock" >"$T/held" 3>&- &
  CHILDREN+=($!)
  until [[ -s $T/held ]]; do sleep 0.05; done
  strata du --json | jq -e --arg p "$staging/left" '.[] | select(.name == $p) | .kind == "garbage" and .size == 5000'
  strata doctor | grep -E "^warning +garbage +2 things"
  [[ -e $staging/old/dir && ! -e $staging/old/staging.lock ]]
  run strata gc
  [[ ${lines[-1]} == "2 removed"* ]]
  [[ -d $staging/held && ! -e $staging/left && ! -e $staging/old ]]
  mkdir -p "$staging/left"
  strata wipe --force
  [[ -d $staging/held && ! -e $staging/left ]]
  kill -9 "${CHILDREN[-1]}"
  wait "${CHILDREN[-1]}" || true
  strata gc | grep "$staging/held"
}

@test "completions offer files where a word is one" {
  strata completions bash >"$T/bash"
  (
    cd "$T"
    touch here
    # shellcheck disable=SC1091
    source ./bash
    complete_words() {
      COMP_WORDS=(strata "$@") COMP_CWORD=$#
      COMPREPLY=()
      _strata
      echo "${COMPREPLY[*]}"
    }
    [[ $(complete_words import he) == here && $(complete_words diff -f he) == here ]]
    [[ -z $(complete_words images he) && -z $(complete_words check -f he) ]]
    [[ $(complete_words completions z) == zsh && $(complete_words prune --dry) == --dry-run ]]
    [[ $(complete_words --graph /x rep) == "" && $(complete_words --graph /x impor) == import\ import-layer ]]
    [[ $(complete_words --lock-timeout 5 --debug rm) == rmi\ rm && $(complete_words --graph he) == here ]]
    [[ $(complete_words --graph = /x impor) == import\ import-layer && $(complete_words -s v) == vfs ]]
    [[ $(complete_words dedup --hash-method s) == size\ sha256 && $(complete_words export --compression es) == estargz ]]
    [[ $(complete_words pull --state-dir he) == here && -z $(complete_words import -C) && -z $(complete_words inspect --json:) ]]
  )
  # The other shells by themselves.
  strata completions fish >"$T/fish"
  strata completions zsh >"$T/zsh"
  offers() { fish --no-config -c "source $T/fish; complete -C \"strata $1\"" | cut -f1 | tr '\n' ' '; }
  [[ $(offers '--graph /x impor') == 'import import-layer ' && $(offers 'rmi --te') == '--test ' ]]
  [[ $(offers '--storage-driver v') == 'vfs ' && $(offers 'dedup --hash-method c') == 'crc ' ]]
  [[ -z $(offers 'import -C') ]]
  zsh -f -c "autoload -Uz compinit && compinit -u -d $T/dump && source $T/zsh && [[ \$_comps[strata] == _strata ]]"
  for verb in $(sed -n "s/^ *words='\(import .*\|.* import .*\)'$/\1/p" "$T/bash"); do
    strata "$verb" --help | grep -q Examples || { echo "no example: $verb"; return 1; }
  done
}

@test "du counts what is on the disk: copies, mapped copies, holes; of a read-only root too" {
  local size image
  use() { strata "$@" du --json | jq --arg n "$name" 'map(select(.name == $n))[0].size'; }
  head -c 4000000 /dev/urandom >"$T/random"
  mkdir "$T/tree" && truncate -s 100M "$T/tree/holes" && cp "$T/random" "$T/tree"
  tar -S --format=posix -cf "$T/tree.tar" -C "$T/tree" .
  image=$(strata create-image --name used "$(strata import-layer -f "$T/tree.tar" | head -n 1)" | head -n 1)
  name=used
  size=$(use)
  ((size > 4000000 && size < 5000000))
  export _CONTAINERS_OVERLAY_DISABLE_IDMAP=yes
  strata create-container --uidmap 0:200000:65536 --gidmap 0:200000:65536 "$image" >/dev/null
  ((size = $(use)))
  ((size > 8000000 && size < 10000000))
  mkdir "$T/looked-at"
  mount --bind "$G" "$T/looked-at"
  mount -o remount,ro,bind "$T/looked-at"
  [[ $("$STRATA" --graph "$T/looked-at" --run "$R" du --json | jq -r 'map(select(.name == "used"))[0].size') == "$size" ]]
  umount "$T/looked-at"
  # Each container of the vfs driver has a copy of the image.
  G=$T/whole
  strata -s vfs create-image --name used "$(strata -s vfs import-layer -f "$T/tree.tar" | head -n 1)" >/dev/null
  strata -s vfs create-container --name copy used >/dev/null
  name=copy
  size=$(use -s vfs)
  ((size > 4000000 && size < 5000000))
}
