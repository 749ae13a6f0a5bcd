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
  [[ ! -e $T/escaped ]]
}

@test "prune takes what nobody uses, and nothing young" {
  strata import-layer --name spare --file "$STRATA_IMAGES/small.tar"
  [[ -z $(strata prune) ]]
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
