# Containers whose ids are mapped: owners are the container's inside of it, and what its upper holds are
# the ids that its image knows.
load lib/common.bash
load lib/ordinary-user.bash

setup() {
  begin
  need_root # to make the user, and for ids of others
  need podman
  [[ $(cat /proc/sys/user/max_user_namespaces) != 0 ]] || skip "needs user namespaces"
  make_home
  # What a container says of its owners: a lower file of root, one of another, one made, one given away.
  cat >"$T/look" <<'END'
set -e
stat -c '%n %u:%g' /etc/passwd /srv/owned
echo made >/srv/made
echo more >>/srv/owned
chown 7:8 /srv/made
mkdir /srv/folder
stat -c '%n %u:%g' /srv/owned /srv/made /srv/folder
END
  printf '%s\n' '/etc/passwd 0:0' '/srv/owned 33:34' '/srv/owned 33:34' '/srv/made 7:8' '/srv/folder 0:0' >"$T/expected"
}
teardown() {
  end_pause
  finish
}

# The demonstration's image and a layer above it with a file of somebody else.
make_image() {
  strata import --quiet --name demo "oci:$STRATA_IMAGES/oci-gzip:latest"
  podman_run --name owner demo sh -c 'echo text >/srv/owned; chown 33:34 /srv/owned'
  strata commit --quiet owner localhost/owned >/dev/null
  podman rm owner >/dev/null
}

@test "podman run --uidmap: owners of lowers, of copies and of new files" {
  make_image
  podman_run --name mapped --uidmap 0:200000:65536 --gidmap 0:300000:65536 owned sh -c "$(cat "$T/look")" |
    diff - "$T/expected"
  local upper
  upper=$(podman inspect mapped --format '{{.GraphDriver.Data.UpperDir}}')
  [[ $(stat -c %u:%g "$upper/srv/owned" "$upper/srv/made" "$upper/srv/folder") == $'33:34\n7:8\n0:0' ]]
  # Nothing of the maps gets into an image of it.
  strata commit --quiet mapped localhost/mapped >/dev/null
  podman_run --rm mapped stat -c %u:%g /srv/owned /srv/made | diff - <(printf '33:34\n7:8\n')
  # podman's own cleanup of the container may still be under way.
  podman rm -f mapped >/dev/null || { sleep 1 && podman rm -f mapped >/dev/null; }
  check_clean
}

@test "podman run --userns=keep-id by an ordinary user" {
  chmod 644 "$T/look" "$T/expected"
  declare -f make_image >"$T/functions"
  as_user <<'END'
source "$T/functions"
make_image
# The user inside is the one outside; root of the image stays root.
podman_run --rm --userns=keep-id owned sh -c \
  'id -u; stat -c %u:%g /etc/passwd /srv/owned; cd /tmp && echo x >mine && stat -c %u mine' >"$U/kept"
printf '%s\n' "$(id -u)" 0:0 33:34 "$(id -u)" | diff "$U/kept" -
podman_run --rm --userns=keep-id --user 0 owned sh -c "$(cat "$T/look")" | diff - "$T/expected"
END
}

@test "without mounts that map ids a container's image is copied once for its maps, owned anew" {
  export _CONTAINERS_OVERLAY_DISABLE_IDMAP=yes
  mkdir "$T/tree"
  (
    cd "$T/tree"
    echo text >owned && chown 33:34 owned
    ln owned again
    echo run >setuid && chown 5:6 setuid && chmod 4755 setuid
    setcap cap_net_raw+ep setuid
    ln -s owned link
    mkdir dir gone && chown 7:8 dir && chmod 2775 dir && touch -d '2001-02-03' dir/old dir
    tar --xattrs --xattrs-include='*' --numeric-owner -cf ../base.tar .
    rm -r gone && mkdir whiteouts && touch whiteouts/.wh.gone
    tar -C whiteouts -cf ../top.tar .
  )
  local base top image box other point
  base=$(strata import-layer <"$T/base.tar" | head -n 1)
  top=$(strata import-layer -f "$T/top.tar" "$base" | head -n 1)
  image=$(strata create-image "$top" | head -n 1)
  box=$(strata create-container --uidmap 0:200000:65536 --gidmap 0:300000:65536 "$image" | head -n 1)
  point=$(strata mount "$box")
  [[ $(cd "$point" && stat -c '%n %u:%g %a %h' ./* | sort) == $(cat <<'END'
./again 200033:300034 644 2
./dir 200007:300008 2775 1
./link 200000:300000 777 1
./owned 200033:300034 644 2
./setuid 200005:300006 4755 1
END
) ]] || { cd "$point" && stat -c '%n %u:%g %a %h' ./*; return 1; }
  [[ $(getcap "$point/setuid") == *cap_net_raw* ]]
  [[ $(stat -c %y "$point/dir" "$point/dir/old" | cut -c 1-10 | uniq) == 2001-02-03 ]]
  [[ -z $(strata changes "$box") ]]
  echo new >"$point/new"
  [[ $(strata changes "$box") == "A /new" ]]
  strata unmount "$box"
  # A second one with these maps takes the copy, one with others makes another.
  strata create-container --uidmap 0:200000:65536 --gidmap 0:300000:65536 "$image" >/dev/null
  [[ $(strata layers -q | wc -l) == 5 ]]
  other=$(strata create-container --uidmap 0:400000:65536 --gidmap 0:500000:65536 "$image" | head -n 1)
  [[ $(stat -c %u:%g "$(strata mount "$other")/owned") == 400033:500034 ]]
  strata unmount "$other"
  # The copy gives the same tar, and a layer of one's own can have other maps than its parent.
  strata image -j "$image" | jq -r '.[0]["mapped-layers"][]' | while read -r copy; do
    [[ $(strata diff -u "$copy" | sha) == $(sha <"$T/top.tar") ]]
  done
  box=$(strata create-layer --uidmap 0:600000:65536 --gidmap 0:700000:65536 "$top" | head -n 1)
  [[ $(stat -c %u:%g "$(strata mount "$box")/owned") == 600033:700034 ]]
  strata unmount "$box"
  # What the maps do not know is nobody's, as in the peers' copies.
  box=$(strata create-container --uidmap 0:1000:10 --gidmap 0:1000:10 "$image" | head -n 1)
  point=$(strata mount "$box")
  [[ $(stat -c %u:%g "$point/owned") == 65534:65534 && $(stat -c %u:%g "$point/setuid") == 1005:1006 ]]
  strata unmount "$box"
  [[ -z $(mounts_below "$G" | grep -vxF "$G/overlay") ]]
  strata check >/dev/null
}

@test "a copy for other ID maps keeps the layer it was made from below it" {
  export _CONTAINERS_OVERLAY_DISABLE_IDMAP=yes
  mkdir -p "$T/tree" "$T/whiteouts"
  echo text >"$T/tree/kept" && echo text >"$T/tree/gone"
  tar --numeric-owner -C "$T/tree" -cf "$T/base.tar" .
  touch "$T/whiteouts/.wh.gone"
  tar --numeric-owner -C "$T/whiteouts" -cf "$T/top.tar" .
  local base top image boxes box copy
  base=$(strata import-layer <"$T/base.tar" | head -n 1)
  top=$(strata import-layer -f "$T/top.tar" "$base" | head -n 1)
  image=$(strata create-image "$top" | head -n 1)
  for first in 200000 300000; do
    boxes+=" $(strata create-container --uidmap 0:$first:65536 --gidmap 0:$first:65536 "$image" | head -n 1)"
  done
  for box in $boxes; do
    [[ $(ls "$(strata mount "$box" 2>"$T/said")") == kept && ! -s $T/said ]] || { cat "$T/said"; return 1; }
    strata unmount "$box" >/dev/null
    [[ -z $(strata changes "$box") ]]
  done
  # Lost links come back; a copy that has lost what it was made from is told of, and left as it is.
  strata image -j "$image" | jq -r '.[0]["mapped-layers"][]' >"$T/copies"
  [[ $(wc -l <"$T/copies") == 2 ]]
  rm "$G"/overlay/l/*
  [[ $(strata check 2>&1) == *"does not lead to layer"* ]] || false
  strata check --repair >/dev/null
  for box in $boxes; do
    [[ $(ls "$(strata mount "$box" 2>"$T/said")") == kept && ! -s $T/said ]]
    strata unmount "$box" >/dev/null
  done
  copy=$(head -n 1 "$T/copies")
  : >"$G/overlay/$copy/lower"
  refused "delete it" -- strata mount "$copy"
  run strata check
  [[ $status != 0 && $output == *"${copy:0:12}"* ]]
}

@test "a map of one side leaves the other as it is; the host's and another one exclude each other" {
  local base image box point side
  mkdir "$T/tree" && echo text >"$T/tree/file" && chown 5:6 "$T/tree/file"
  tar --numeric-owner -C "$T/tree" -cf "$T/base.tar" .
  base=$(strata import-layer <"$T/base.tar" | head -n 1)
  image=$(strata create-image "$base" | head -n 1)
  for side in u g; do
    box=$(strata create-container "--${side}idmap" 0:300000:65536 "$image" | head -n 1)
    point=$(strata mount "$box")
    [[ $(stat -c %u:%g "$point/file") == "$([[ $side == u ]] && echo 300005:6 || echo 5:300006)" ]]
    strata unmount "$box"
    refused "host ${side}id map specified along with ${side^^}ID mapping" -- \
      strata create-layer "--host${side}idmap" "--${side}idmap" 0:1:1
  done
  # The peers' text, which names no second map.
  mkdir "$T/mount" "$T/upper" "$T/work"
  "$OVERLAY" -o "lowerdir=$T/tree,upperdir=$T/upper,workdir=$T/work,uidmapping=0:300000:65536,gidmapping=" "$T/mount"
  [[ $(stat -c %u:%g "$T/mount/file") == 300005:6 ]]
  box=$(strata create-layer --uidmap 0:7:8:9:20:3 | head -n 1)
  strata layer "$box" | diff - <(printf 'ID: %s\nUID mapping: (container=0, host=7, size=8)\nUID mapping: (container=9, host=20, size=3)\n' "$box")
}
