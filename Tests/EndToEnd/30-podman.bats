# One graph root for podman, buildah and Strata; the mount program is ours for all of them.
load lib/common.bash
setup() {
  begin
  need_root
  need podman
}
teardown() {
  finish
}

@test "podman lists, inspects, mounts, runs and commits what Strata imported" {
  strata import --quiet --name demo "oci:$STRATA_IMAGES/oci-gzip:latest"
  podman images --format '{{.Repository}}:{{.Tag}}' | grep -x localhost/demo:latest
  [[ $(podman image inspect demo | jq -r '.[0].RootFS.Layers[]') == $(diff_ids | sed s/^/sha256:/) ]]
  [[ $(podman image inspect demo | jq -r '.[0].Labels.strata') == demo ]]
  podman image tree demo | grep -q 'Image Layers'
  local point
  point=$(podman image mount demo)
  show_tree "$point" | diff - "$STRATA_IMAGES/expected.tsv"
  podman image unmount demo
  [[ $(podman_run --name c1 demo sh -c 'cat /srv/replaced; rm /srv/empty; echo made >/srv/made') == "the new text" ]]
  podman diff c1 | grep -x 'A /srv/made'
  podman diff c1 | grep -x 'D /srv/empty'
  podman commit -q c1 localhost/committed
  [[ $(podman_run --rm localhost/committed cat /srv/made) == made ]]
  podman rm c1
  podman rmi localhost/committed demo
  [[ $(strata layers --json) == "[]" && $(strata images --json) == "[]" ]]
  check_clean
}

@test "Strata lists, mounts, diffs, exports and deletes what podman pulled from oci:" {
  podman pull -q "oci:$STRATA_IMAGES/oci-zstd:latest" >/dev/null
  podman tag "$(podman images -q --no-trunc)" localhost/demo
  podman_has_given_it
}

@test "Strata lists, mounts, diffs, exports and deletes what podman loaded from docker-archive:" {
  podman load -q -i "$STRATA_IMAGES/docker.tar"
  podman tag localhost/strata-demo localhost/demo
  podman_has_given_it
}

podman_has_given_it() {
  strata images --json | jq -e 'any(.[]; .names | index("localhost/demo:latest"))'
  [[ $(strata layers --json | jq -r '.[].id' | sort) == $(layer_ids | sort) ]]
  check_diff_ids
  local c point
  c=$(container localhost/demo:latest)
  point=$(strata mount "$c")
  show_tree "$point" | diff - "$STRATA_IMAGES/expected.tsv"
  strata unmount "$c"
  strata delete-container "$c"
  strata export localhost/demo:latest "oci:$T/out:latest"
  [[ $(skopeo inspect --config "oci:$T/out:latest" | jq -r '.rootfs.diff_ids[]') == $(diff_ids | sed s/^/sha256:/) ]]
  # Importing it again makes no layer.
  strata import --quiet --name again "oci:$STRATA_IMAGES/oci-gzip:latest"
  strata layers --json | jq -e 'length == 3'
  strata delete-image localhost/again:latest
  [[ $(podman images -q) == "" ]]
  check_clean
}

@test "an image that podman built" {
  podman load -q -i "$STRATA_IMAGES/docker.tar"
  mkdir "$T/context"
  echo added >"$T/context/file"
  cat >"$T/context/Dockerfile" <<'END'
FROM localhost/strata-demo
COPY file /srv/file
RUN rm /srv/empty && echo run >/srv/ran
ENV ONE=two
END
  podman build -q --ulimit nofile=1024:1024 --ulimit nproc=1000:1000 --isolation chroot \
    -t localhost/built "$T/context"
  local c point layer
  c=$(container localhost/built:latest)
  point=$(strata mount "$c")
  [[ $(cat "$point/srv/file" "$point/srv/ran") == $'added\nrun' && ! -e $point/srv/empty ]]
  strata unmount "$c"
  strata delete-container "$c"
  for layer in $(strata layers --json | jq -r '.[].id'); do
    [[ sha256:$(strata diff -u "$layer" | sha) == $(strata layers --json | jq -r --arg l "$layer" '.[] | select(.id == $l)."diff-digest"') ]]
  done
}

@test "an image that buildah made" {
  need buildah
  local c point
  c=$(buildah from scratch)
  point=$(buildah mount "$c")
  tar x -C "$point" -f "$STRATA_IMAGES/small.tar"
  buildah unmount "$c"
  buildah config --cmd '/bin/sh' --label made=buildah "$c"
  buildah commit -q "$c" localhost/by-buildah
  buildah commit -q "$c" "oci:$T/buildah:latest"
  buildah rm "$c"
  strata inspect localhost/by-buildah:latest --json >/dev/null
  c=$(container localhost/by-buildah:latest)
  point=$(strata mount "$c")
  [[ $(cat "$point/etc/hostname") == small ]]
  strata delete-container "$c"
  strata delete-image localhost/by-buildah:latest
  strata import --quiet --name again "oci:$T/buildah:latest"
  [[ $(podman_run --rm localhost/again /bin/busybox cat /srv/small) == small ]]
}

@test "images that skopeo and umoci made are imported" {
  need skopeo
  need umoci
  skopeo copy -q "oci:$STRATA_IMAGES/oci-raw:latest" "oci:$T/skopeo:latest"
  strata import --quiet --name by-skopeo "oci:$T/skopeo:latest"
  check_diff_ids
  skopeo copy -q "oci:$STRATA_IMAGES/oci-gzip:latest" "docker-archive:$T/skopeo.tar:localhost/archived:1"
  strata import --quiet "docker-archive:$T/skopeo.tar"
  strata images --json | jq -e 'any(.[]; .names | index("localhost/archived:1"))'
  # umoci 0.4.7 writes gzip layers
  umoci init --layout "$T/umoci"
  umoci new --image "$T/umoci:latest"
  umoci unpack --image "$T/umoci:latest" "$T/bundle"
  tar x -C "$T/bundle/rootfs" -f "$STRATA_IMAGES/small.tar"
  umoci repack --image "$T/umoci:latest" "$T/bundle"
  strata import --quiet --name by-umoci "oci:$T/umoci:latest"
  [[ $(podman_run --rm localhost/by-umoci /bin/busybox cat /srv/small) == small ]]
  check_clean
}

@test "containers of podman are shown as podman's, and deleting one asks for --force" {
  strata import --quiet --name demo "oci:$STRATA_IMAGES/oci-gzip:latest"
  podman create --network=none --name theirs demo true
  strata containers | grep -i podman
  local c
  c=$(podman ps -aq --no-trunc)
  refused podman --force -- strata delete-container "$c"
  podman ps -a --format '{{.Names}}' | grep -x theirs
  strata delete-container --force "$c"
  [[ $(strata containers --json) == "[]" ]]
}

@test "podman's overlay volumes go through our mount program" {
  strata import --quiet --name demo "oci:$STRATA_IMAGES/oci-gzip:latest"
  mkdir "$T/volume" && echo below >"$T/volume/file"
  [[ $(podman_run --rm -v "$T/volume:/mnt:O" demo sh -c 'echo above >>/mnt/file; cat /mnt/file') == $'below\nabove' ]]
  [[ $(cat "$T/volume/file") == below ]]
}
