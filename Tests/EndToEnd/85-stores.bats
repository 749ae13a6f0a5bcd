# Several stores as one: additional image stores, which are never written, and a separate image store.
load lib/common.bash
setup() {
  begin
  need_root
}
teardown() { finish; }

# The tool's persona on the graph root NAME, with what STORES says.
ours() {
  local root=$1
  shift
  ln -sf "$STRATA" "$T/containers-storage"
  "$T/containers-storage" --graph "$T/$root" --run "$T/run-$root" \
    --storage-opt overlay.mount_program="$OVERLAY" ${STORES:+"$STORES"} "$@"
}

@test "an image of an additional store is copied up when its names change, and hidden then" {
  local layer image before
  layer=$(ours lib create-layer)
  image=$(ours lib create-image -n first -n second "$layer" | head -n 1)
  head -c 3000 /dev/urandom >"$T/item"
  ours lib set-image-data -f "$T/item" "$image" Item
  ours lib shutdown
  before=$(find "$T/lib" -type f -exec sha256sum {} + | sort)
  STORES=--storage-opt=overlay.imagestore=$T/lib
  [[ $(ours own image "$image") == *"Read Only: true"* ]]
  ours own add-names -n third "$image"
  [[ $(ours own get-names "$image" | xargs) == "third first second" ]]
  [[ $(ours own image "$image") != *"Read Only"* ]]
  ours own get-image-data "$image" Item | cmp - "$T/item"
  [[ $(ours own get-image-data-digest "$image" Item) == "sha256:$(sha256sum <"$T/item" | cut -d' ' -f1)" ]]
  ours own remove-names -n second "$image"
  run -1 ours own exists -i second
  # The record there is what it was, and is seen again when the copy is gone.
  ours own delete-image third
  [[ $(ours own get-names "$image" | xargs) == "first second" ]]
  [[ $(find "$T/lib" -type f -exec sha256sum {} + | sort) == "$before" ]]
}

@test "a container on an image of an additional store" {
  local layer image box
  layer=$(ours lib create-layer)
  echo there >"$(ours lib mount "$layer")/file"
  ours lib unmount "$layer"
  image=$(ours lib create-image "$layer")
  ours lib shutdown
  STORES=--storage-opt=overlay.imagestore=$T/lib
  box=$(ours own create-container "$image")
  [[ $(cat "$(ours own mount "$box")/file") == there ]]
  ours own unmount "$box"
  run -1 ours own mount "$layer"
  [[ $output == *"called a write method on a read-only store"* ]]
}

@test "a separate image store: read-only layers and images there, the graph root's are seen too" {
  local old layer image
  old=$(ours own create-image -n old)
  STORES=--image-store=$T/images
  layer=$(ours own create-layer --readonly)
  [[ -d $T/images/overlay/$layer/diff && ! -e $T/own/overlay/$layer ]]
  jq -e ".[0].id == \"$layer\"" "$T/images/overlay-layers/layers.json"
  image=$(ours own create-image "$layer")
  [[ $(ours own images -q | wc -l) == 2 ]]
  box=$(ours own create-container "$image")
  [[ -d $(ours own mount "$box") ]]
  ours own unmount "$box"
  ours own delete-container "$box"
  ours own delete-image old
  ours own delete-image "$image"
  [[ ! -e $T/images/overlay/$layer ]]
  STORES=
  [[ -z $(ours own images -q) ]]
}

@test "containers of no image, and what the driver has without a record" {
  local box layer
  box=$(ours own create-container "")
  [[ $(ours own container -j "$box" | jq -r '.[0].image') == "" ]]
  layer=$(ours own create-storage-layer)
  ours own storage-layers | grep -x "$layer"
  run ours own layers -q
  [[ $output != *"$layer"* ]]
  image=$(ours own create-image)
  [[ $(ours own get-image-dir "$image") == "$T/own/overlay-images/$image/userdata" ]]
  [[ -d $(ours own get-image-run-dir "$image") ]]
}

# Under a name that has subordinate ids, in a mount namespace of its own.
with_subordinates() { # command...
  printf 'containers:200000:4096\n' >"$T/subuid"
  unshare -m bash -c 'mount --bind "$0" /etc/subuid && mount --bind "$0" /etc/subgid && exec "$@"' \
    "$T/subuid" "$STRATA" --graph "$G" --run "$R" "$@"
}

@test "--userns auto: each container has ids of its own, as many as the image needs" {
  mkdir -p "$T/files/etc"
  echo 'user:x:1500:1500::/:/bin/sh
nobody:x:65534:65534::/:/bin/sh' >"$T/files/etc/passwd"
  tar c -C "$T/files" . | strata import --quiet --name ids -
  local a b maps
  a=$(with_subordinates create-container --userns auto ids | head -n 1)
  b=$(with_subordinates create-container --userns auto:size=1024 ids | head -n 1)
  maps='.[0].uidmap[] | "\(.container_id):\(.host_id):\(.size)"'
  [[ $(strata container --json "$a" | jq -r "$maps") == 0:200000:1501 ]]
  [[ $(strata container --json "$b" | jq -r "$maps") == 0:201501:1024 ]]
  point=$(strata mount "$b")
  [[ $(stat -c %u:%g "$point/etc/passwd") == 201501:201501 ]]
  strata unmount "$b"
  # The peer sees them as maps like others.
  [[ $(peer container --json "$a" | jq -r "$maps") == 0:200000:1501 ]]
  # Two at once do not get the same ids.
  with_subordinates create-container --userns auto:size=500 ids >/dev/null &
  with_subordinates create-container --userns auto:size=500 ids >/dev/null
  wait $!
  [[ -z $(strata containers --json | jq -r '.[].uidmap[].host_id' | sort | uniq -d) ]]
  refused "not enough unused IDs" -- with_subordinates create-container --userns auto ids
  refused "auto:size=" -- with_subordinates create-container --userns keep ids
  refused "--userns" -- with_subordinates create-container --userns auto --uidmap 0:1:2 ids
  strata delete-container "$a"
  with_subordinates create-container --userns auto:size=1000 ids >/dev/null
}

@test "a damaged or missing additional store is named once and left out; a check does not go on" {
  local layer image file
  layer=$(ours lib create-layer)
  image=$(ours lib create-image -n lent "$layer" | head -n 1)
  ours lib shutdown
  mv "$T/lib" "$T/whole"
  G=$T/own R=$T/run-own
  own() { strata --storage-opt "overlay.imagestore=$T/lib" "$@"; }
  own create-layer -n mine >/dev/null 2>&1
  left_out() { # what is wrong, then a command that goes on without
    local word=$1
    shift
    "$@" >"$T/out" 2>"$T/err"
    one_line "$(cat "$T/err")" "additional image store $T/lib is left out" "$word"
  }
  for file in layers images; do
    cp -a "$T/whole" "$T/lib"
    truncate -s 20 "$T/lib/overlay-$file/$file.json"
    left_out offset own "$file" -q
    own create-layer >/dev/null
    refused "$T/lib" offset "strata --graph $T/lib check --repair" -- own check
    refused "$T/lib" "config --origins" -- own check --repair
    # The advice is one that works.
    run "$STRATA" --graph "$T/lib" --run "$T/run-lib" check --repair
    [[ -z $(own "$file" -q 2>&1 >/dev/null) ]]
    rm -rf "$T/lib"
  done
  own create-layer >/dev/null
  left_out "no such file" own layers -q
  [[ ! -e $T/lib ]]
  echo text >"$T/lib"
  left_out "not a directory" own images
  refused "$T/lib" "not a directory" -- own check
  rm "$T/lib"
  mv "$T/whole" "$T/lib"
  own image lent >/dev/null
  own check
}

@test "any two layers are compared, as the peer compares them" {
  local driver base left right other pair
  for driver in overlay vfs; do
    G=$T/$driver R=$T/run-$driver
    both() { # program, words
      local program=$1 options=(--storage-driver "$driver")
      shift
      [[ $driver == vfs ]] || options+=(--storage-opt "overlay.mount_program=$OVERLAY")
      "$program" --graph "$G" --run "$R" "${options[@]}" "$@"
    }
    entries() { tar tvf - --numeric-owner | sed -E '/\.wh\./s/ [0-9]{4}-[0-9-]+ [0-9:]+ / /' | sort; }
    ln -sf "$STRATA" "$T/containers-storage"
    layer() { # parent, commands in it
      local id
      id=$(both "$STRATA" create-layer ${1:+"$1"} | head -n 1)
      (cd "$(both "$STRATA" mount "$id")" && eval "$2")
      both "$STRATA" unmount "$id" >/dev/null
      echo "$id"
    }
    base=$(layer "" 'echo one >one; ln one hard; mkdir -p dir/sub; echo x >dir/sub/x; touch -d 2001-01-01 dir')
    left=$(layer "$base" 'echo more >>one; chmod 700 dir; mkfifo pipe')
    right=$(layer "$left" 'rm -r dir; mkdir dir; echo y >dir/y; ln -s y link')
    other=$(layer "$base" 'rm one; echo 12345 >other; ln other again')
    for pair in "$right $base" "$base $right" "$other $right" "$right $other" "$right $right" "$right nobody"; do
      # shellcheck disable=SC2086
      diff <(both "$T/containers-storage" changes $pair | sort) \
        <(both /usr/bin/containers-storage changes $pair | sort)
      # The peer gives whiteouts the time of the moment.
      # shellcheck disable=SC2086
      diff <(both "$T/containers-storage" diff -u $pair | entries) \
        <(both /usr/bin/containers-storage diff -u $pair | entries)
    done
    # Two names of one file, and what is gone counts nothing.
    [[ $(both "$STRATA" diffsize "$other" "$base") == 6 ]]
    both "$STRATA" diffsize --json "$other" "$left" | jq -e ". > 0"
    [[ -z $(mounts_below "$R") && -z $(find "$R" -name 'tree-*') ]]
    both "$STRATA" shutdown
  done
}

@test "JSON alone where it is asked for, and the peer's small rules" {
  local layer image box
  strata import --quiet --name demo "$STRATA_IMAGES/small.tar"
  box=$(strata create-container --name box demo | head -n 1)
  layer=$(strata create-layer)
  strata mount box >/dev/null
  [[ $(strata mounted --json box | jq -c .) == '[{"id":"box","error":"","mounted":true}]' ]]
  [[ $(strata unmount --json box | jq -c .) == '[{"id":"box","error":"","unmounted":true}]' ]]
  strata diffsize --json box | jq -e '. == 0'
  strata get-container-dir --json box | jq -e 'endswith("/userdata")'
  strata get-image-run-dir --json demo | jq -e 'type == "string"'
  echo note >"$T/note"
  strata set-image-data -f "$T/note" demo note
  strata get-image-data-size -j demo note | jq -e '. == 5'
  strata get-image-data-digest -j demo note | jq -e 'startswith("sha256:")'
  strata prune --min-age 0 --json | jq -e --arg id "$layer" '. == [{kind: "layer", id: $id}]'
  [[ $(strata prune --json) == "[]" ]]
  refused "no new metadata provided" -- strata set-metadata -m "" demo
  : >"$T/empty"
  strata set-metadata -m text demo
  strata set-metadata -f "$T/empty" demo
  [[ $(strata metadata -q demo) == "" ]]
  refused 'has no data item ""' list-image-data -- strata get-image-data demo ""
  refused "empty name" -- strata get-container-data box ""
  # A slash at the end makes no folder.
  strata copy "$T/note" box:/none/
  strata copy "$T/note" box:/etc/
  local point
  point=$(strata mount box)
  [[ -f $point/none && -f $point/etc/note ]]
  strata unmount box
}
