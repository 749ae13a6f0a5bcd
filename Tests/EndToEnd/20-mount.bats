# Containers: create, mount, write through our own FUSE driver, diff, unmount, delete; and the verbs
# that look.
load lib/common.bash
setup() {
  begin
  need_root
  strata import --quiet --name demo "oci:$STRATA_IMAGES/oci-gzip:latest"
}
teardown() { finish; }

mount_container() {
  C=$(container localhost/demo:latest)
  M=$(strata mount "$C")
}

@test "the mount is of strata-overlay and usable at once" {
  mount_container
  [[ $M == "$G/overlay/"*/merged ]]
  grep -F " $M " /proc/self/mountinfo | grep -F ' - fuse.'
  [[ $(cat "$M/srv/replaced") == "the new text" ]]
  [[ ! -e $M/srv/gone && ! -e $M/srv/tree && ! -e $M/srv/opaque/below ]]
  strata unmount "$C"
  [[ -z $(mounts_below "$M") ]]
  strata delete-container "$C"
  check_clean
}

@test "every way to change a tree, and the tar that comes of it" {
  mount_container
  cd "$M/srv"
  echo more >>replaced                       # copy-up on append
  echo new >created
  rm hard && [[ $(cat hard-too) == "two names" ]]
  mkdir made && echo x >made/inside
  rm -r opaque && mkdir opaque && echo fresh >opaque/fresh   # opaque over a whiteout
  mv xattr renamed && [[ $(getfattr --only-values -n user.strata renamed) == kept ]]
  setfattr -n user.second -v two renamed
  ln created linked && ln -s created pointed
  chmod 600 owned && chown 7:8 owned && touch -d @1000000000 owned
  truncate -s 10 large
  mknod device c 1 3 && mkfifo pipe
  mv "$M/srv/setuid" "$M/etc/moved"
  rmdir sticky
  sync -f .
  cd /
  local before after
  before=$(show_tree "$M")
  strata unmount "$C"
  M=$(strata mount "$C")
  after=$(show_tree "$M")
  [[ $before == "$after" ]]
  # The writable layer as an OCI layer: whiteouts by name, nothing of the lower layers.
  local names
  names=$(strata diff -u "$C" | tar t | sed 's,^\./,,; s,/$,,' | sort)
  local name
  for name in srv/created srv/linked srv/pointed srv/made/inside srv/replaced srv/owned srv/large \
    srv/renamed srv/device srv/pipe etc/moved srv/opaque/fresh \
    srv/.wh.hard srv/.wh.xattr srv/.wh.setuid srv/.wh.sticky; do
    grep -qx "$name" <<<"$names" || { echo "not in the diff: $name"; echo "$names"; return 1; }
  done
  run ! grep -qx 'srv/empty' <<<"$names"
  # The same tar, applied by another program over the same image, gives the same tree.
  strata diff -u "$C" >"$T/diff.tar"
  strata unmount "$C"
  strata delete-container "$C"
  local layer
  layer=$(peer import-layer --file "$T/diff.tar" "$(top_layer)" | head -n 1)
  local point
  point=$(peer mount "$layer")
  show_tree "$point" | diff <(echo "$after") -
  peer unmount "$layer" >/dev/null
}

@test "changes are listed as podman diff lists them" {
  mount_container
  echo x >"$M/srv/added"
  rm "$M/srv/empty"
  chmod 600 "$M/srv/owned"
  strata changes --json "$C" >"$T/ours"
  jq -e 'any(.[]; .Path == "/srv/added" and .Kind == 1)' "$T/ours"
  jq -e 'any(.[]; .Path == "/srv/empty" and .Kind == 2)' "$T/ours"
  jq -e 'any(.[]; .Path == "/srv/owned" and .Kind == 0)' "$T/ours"
  peer changes -j "$(strata containers --json | jq -r '.[0].layer')" | jq -S 'sort_by(.Path)' | diff <(jq -S 'sort_by(.Path)' "$T/ours") -
  strata unmount "$C"
}

@test "mounts are counted" {
  mount_container
  [[ $(strata mount "$C") == "$M" ]]
  strata unmount "$C"
  [[ -n $(mounts_below "$M") ]]
  strata unmount "$C"
  [[ -z $(mounts_below "$M") ]]
  strata mount "$C"
  strata unmount --force "$C"
  [[ -z $(mounts_below "$M") ]]
}

@test "a mounted container is deleted with its mount" {
  mount_container
  strata delete-container "$C"
  [[ -z $(mounts_below "$M") ]]
  check_clean
}

@test "an image is mounted for reading" {
  M=$(strata mount --read-only localhost/demo:latest)
  show_tree "$M" | diff - "$STRATA_IMAGES/expected.tsv"
  run ! touch "$M/srv/new"
  strata unmount localhost/demo:latest
  check_clean
}

@test "a program runs in the mounted tree" {
  mount_container
  [[ $(chroot "$M" /bin/sh -c 'cd /srv; echo hello >said; cat said; ls | wc -l') == hello* ]]
  # exec from a file just copied up, and a mapping written through
  mkdir "$M/copied" && cp "$M/bin/busybox" "$M/copied/busybox" && "$M/copied/busybox" true
  chroot "$M" /bin/sh -c 'dd if=/srv/large of=/srv/large conv=notrunc bs=4096 seek=3 count=1' 2>/dev/null
  cmp -n 4096 "$M/srv/large" <(tail -c +12289 "$M/srv/large")
  strata unmount "$C"
}

@test "delete an image and its layers" {
  run ! strata delete-layer "$(layer_ids | head -n 1)"
  C=$(container localhost/demo:latest)
  refused "in use" -- strata delete-image localhost/demo:latest
  strata delete-container "$C"
  strata delete-image localhost/demo:latest
  [[ $(strata layers --json) == "[]" && $(strata images --json) == "[]" ]]
  check_clean
}

@test "tables for people, containers-storage's shapes for programs" {
  C=$(container localhost/demo:latest)
  strata images | grep -q 'localhost/demo'
  strata layers | grep -q "$(top_layer | cut -c1-12)"
  strata containers | grep -q "${C:0:12}"
  strata tree | grep -q 'localhost/demo'
  diff <(strata tree --json) <(peer layers -j)
  strata create-layer >/dev/null
  [[ $(strata tree --json demo | jq -r '.[].id') == $(layer_ids) ]]
  strata inspect localhost/demo:latest | grep -q "$(top_layer | cut -c1-12)"
  local what
  for what in layers images containers; do
    diff <(strata "$what" --json | jq -S .) <(peer "$what" -j | jq -S .)
  done
}

@test "by the name containers-storage the text is that tool's" {
  C=$(container localhost/demo:latest)
  ln -s "$STRATA" "$T/containers-storage"
  local mine=("$T/containers-storage" --graph "$G" --run "$R" --storage-driver overlay
    --storage-opt "overlay.mount_program=$OVERLAY")
  local verb
  for verb in layers "layers -t" images containers "layer $(top_layer)" "get-names localhost/demo:latest"; do
    # shellcheck disable=SC2086
    diff <("${mine[@]}" $verb) <(peer $verb)
  done
  [[ $("${mine[@]}" mount "$C") == "$G/overlay/"*/merged ]]
  [[ $("${mine[@]}" unmount "$C") == "$C mountpoint unmounted" ]]
}

@test "a mount program of another make serves as well" {
  need fuse-overlayfs
  C=$(container localhost/demo:latest)
  M=$(strata --storage-opt overlay.mount_program=/usr/bin/fuse-overlayfs mount "$C")
  grep -F " $M " /proc/self/mountinfo | grep -F 'fuse-overlayfs'
  show_tree "$M" | diff - "$STRATA_IMAGES/expected.tsv"
  strata unmount "$C"
}

@test "a name comes before ids that only begin so" {
  # `db`, `fe`, `cafe`: names that people give, and the beginning of somebody's id.
  local zeros layer image container
  zeros=$(printf '0%.0s' {1..60})
  strata create-layer --id "cafe$zeros"
  layer=$(strata create-layer --id "dbdb$zeros" | head -n 1)
  image=$(strata create-image --id "fefe$zeros" "$layer" | head -n 1)
  container=$(strata create-container --name db --id "1234$zeros" localhost/demo:latest | head -n 1)
  strata create-container --name cafe localhost/demo:latest
  strata import --quiet --name fe "oci:$STRATA_IMAGES/oci-gzip:latest"
  [[ $(strata inspect db | jq -r '.[0].id') == "$container" ]]
  echo mine >"$(strata mount db)/srv/mine"
  [[ $(strata changes db) == *"A /srv/mine"* ]]
  [[ $(strata unmount db) == "db mountpoint unmounted" ]]
  strata diff -u db | tar t | grep -x srv/mine
  strata exists -c db
  [[ $(strata image --json fe | jq -r '.[0].names | length') == 2 ]]
  [[ $(strata create-container --json fe | jq -r .image) != "$image" ]]
  strata delete-container db
  strata delete cafe
  ! strata exists -c db
  strata exists -l "dbdb$zeros" "cafe$zeros"
  # With no such name, an id's beginning: of containers, then images, then layers.
  [[ $(strata inspect dbd | jq -r '.[0].id') == "$layer" ]]
  [[ $(strata inspect fef | jq -r '.[0].id') == "$image" ]]
  run ! strata delete-container dbd
  one_line "$output" "no container is called dbd"
}

@test "a name that leaves no room for the prefix of a whiteout is deleted and committed" {
  local name c point
  name=$(printf 'n%.0s' $(seq 253))
  mkdir "$T/tree"
  echo x >"$T/tree/$name"
  echo y >"$T/tree/other"
  tar cf "$T/long.tar" -C "$T/tree" .
  strata import --quiet --name long "$T/long.tar"
  c=$(container long)
  point=$(strata mount "$c")
  rm "$point/$name"
  [[ $(ls "$point") == other ]]
  strata unmount "$c"
  strata commit --quiet "$c" localhost/two
  strata delete-container "$c"
  strata check --max 0
  c=$(container localhost/two)
  point=$(strata mount "$c")
  [[ $(ls "$point") == other ]]
  strata unmount "$c"
  strata diff -u "$(strata image localhost/two --json | jq -r '.[0].layer // .layer')" | tar t | grep -x ".wh.$name"
  strata delete-container "$c"
  strata delete-image localhost/two
  strata delete-image long
  check_clean
}
