# The vfs driver: complete trees, by turns with podman and Debian's containers-storage.
load lib/common.bash
setup() {
  begin
  need_root
}
teardown() { finish; }

vfs() { "$STRATA" --graph "$G" --run "$R" --storage-driver vfs "$@"; }
peer_vfs() { /usr/bin/containers-storage --graph "$G" --run "$R" --storage-driver vfs "$@"; }
podman_vfs() {
  command podman --root "$G" --runroot "$R" --storage-driver vfs --tmpdir "$T/libpod" \
    --runtime runc --cgroup-manager=cgroupfs --events-backend=file "$@"
}

@test "an image is the same tree and gives back the same tars" {
  vfs import --quiet --name demo "oci:$STRATA_IMAGES/oci-gzip:latest"
  paste <(layer_ids) <(diff_ids) | while read -r layer diff_id; do
    [[ $(vfs diff -u "$layer" | sha) == "$diff_id" ]]
    [[ $(peer_vfs diff -u "$layer" | sha) == "$diff_id" ]]
  done
  strata --graph "$T/o" --run "$T/ro" import --quiet --name demo "oci:$STRATA_IMAGES/oci-gzip:latest"
  point=$(strata --graph "$T/o" --run "$T/ro" mount --ro demo)
  # A root directory's own mode differs: vfs takes that of the tar.
  diff <(show_tree "$point" | tail -n +2) <(show_tree "$G/vfs/dir/$(top_layer)" | tail -n +2)
  strata --graph "$T/o" --run "$T/ro" unmount demo
  [[ -z $(vfs check) ]]
}

@test "changes and commits of a container, by turns with the peer" {
  vfs import --quiet --name demo "oci:$STRATA_IMAGES/oci-gzip:latest"
  local box point
  box=$(vfs create-container demo | head -n 1)
  point=$(vfs mount "$box")
  [[ $(peer_vfs mount "$box") == "$point" ]]
  echo new >"$point/srv/new"
  rm "$point/srv/replaced"
  [[ $(vfs changes "$box" | grep -v '^C' | xargs) == "A /srv/new D /srv/replaced" ]]
  layer=$(vfs container --json "$box" | jq -r '.[0].layer')
  diff <(vfs changes --json "$layer" | jq -c 'sort_by(.Path)') <(peer_vfs changes -j "$layer" | jq -c 'sort_by(.Path)')
  vfs unmount "$box"
  vfs unmount "$box"
  vfs commit --quiet "$box" changed
  vfs diff -u "$layer" | tar t | grep -x 'srv/.wh.replaced'
  peer_vfs delete "$box"
  [[ ! -e $point ]]
}

@test "podman runs on our root, and we read podman's" {
  need podman
  vfs import --quiet --name demo "oci:$STRATA_IMAGES/oci-gzip:latest"
  podman_vfs image exists localhost/demo
  podman_vfs create --name box localhost/demo /bin/true
  vfs containers | grep -w podman
  point=$(vfs mount box)
  [[ -d $point/srv ]]
  vfs unmount box
  podman_vfs rm box
  podman_vfs rmi localhost/demo
  [[ -z $(vfs layers -q) ]]
}

@test "ID maps: a copy of the image for each, owners as a container sees them" {
  vfs import --quiet --name demo "oci:$STRATA_IMAGES/oci-gzip:latest"
  local box point
  box=$(vfs create-container --uidmap 0:100000:65536 --gidmap 0:200000:65536 demo)
  point=$(vfs mount "$box")
  [[ $(stat -c %u:%g "$point/srv") == 100000:200000 ]]
  [[ $(vfs image --json demo | jq '.[0]["mapped-layers"] | length') == 1 ]]
  vfs create-container --uidmap 0:100000:65536 --gidmap 0:200000:65536 demo
  [[ $(vfs image --json demo | jq '.[0]["mapped-layers"] | length') == 1 ]]
  [[ -z $(vfs changes "$box") && $(vfs diffsize "$box") == 0 ]]
  local copy
  copy=$(vfs image --json demo | jq -r '.[0]["mapped-layers"][0]')
  [[ $(vfs diff -u "$copy" | sha) == $(diff_ids | tail -n 1) ]]
}
