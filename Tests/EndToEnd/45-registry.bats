# Pull and push, with podman and skopeo as judges.
load lib/common.bash
load lib/registry.bash
setup() {
  begin
  need_root
  own_configuration
}
teardown() { finish; }

upload() { # form, name at the registry
  skopeo copy -q --dest-tls-verify=false "oci:$STRATA_IMAGES/$1:latest" "docker://$REGISTRY/$2"
}

# What does not depend on the time or the program in a record of an image.
image_record() { jq -S '.[] | del(.created, .metadata)' "$G/overlay-images/images.json"; }

@test "a pulled image is the one that podman pulls: record, layers, files" {
  start_registry
  upload oci-gzip a/demo:1
  pull "$REGISTRY/a/demo:1" >"$T/id"
  check_diff_ids
  check_clean
  [[ -z $(ls "$T/state/blobs") ]]
  image_record >"$T/strata.json"
  (cd "$G/overlay-images/$(cat "$T/id")" && sha256sum -- * | sort) >"$T/strata.files"
  podman images --noheading >"$T/list"
  grep -q "$REGISTRY/a/demo" "$T/list"
  point=$(strata mount "$(container "$REGISTRY/a/demo:1")")
  show_tree "$point" | diff - "$STRATA_IMAGES/expected.tsv"
  strata unmount "$(strata containers --json | jq -r '.[0].id')" >/dev/null
  podman_run --rm "$REGISTRY/a/demo:1" true
  podman rmi -f "$REGISTRY/a/demo:1" >/dev/null
  podman pull -q --tls-verify=false "$REGISTRY/a/demo:1" >"$T/podman-id"
  diff "$T/id" "$T/podman-id"
  image_record | diff "$T/strata.json" -
  (cd "$G/overlay-images/$(cat "$T/id")" && sha256sum -- * | sort) | diff "$T/strata.files" -
}

@test "what podman has pulled is not read again, and the reverse" {
  start_registry
  start_front
  upload oci-gzip a/demo:1
  podman pull -q --tls-verify=false "$REGISTRY/a/demo:1" >/dev/null
  faults
  pull "$FRONT/a/demo:1"
  # Manifest and config, no layer.
  [[ $(asked 'GET .*/blobs/') == 1 ]]
  strata images --json | jq -e '.[0].names | length == 2'
}

@test "zstd layers, plain layers, and an image by digest" {
  start_registry
  upload oci-zstd z:1
  skopeo copy -q "oci:$STRATA_IMAGES/oci-raw:latest" "dir:$T/raw"
  skopeo copy -q --dest-tls-verify=false "dir:$T/raw" "docker://$REGISTRY/plain:1"
  pull "$REGISTRY/z:1" >/dev/null
  check_diff_ids
  digest=$(skopeo inspect --tls-verify=false "docker://$REGISTRY/plain:1" --format '{{.Digest}}')
  pull "docker://$REGISTRY/plain:1@$digest" >/dev/null
  strata images --json | jq -r '.[].names[]' | grep -qxF "$REGISTRY/plain@$digest"
  check_clean
}

@test "an index: the right platform, podman's record, and a clear word for a platform that is not there" {
  start_registry
  upload oci-gzip multi/amd:1
  python3 - "$REGISTRY" <<'PY'
import hashlib, json, sys, urllib.request
base = f"http://{sys.argv[1]}/v2/multi/amd"
kind = "application/vnd.oci.image.manifest.v1+json"
body = urllib.request.urlopen(
    urllib.request.Request(base + "/manifests/1", headers={"Accept": kind})).read()
entry = {"mediaType": kind, "digest": "sha256:" + hashlib.sha256(body).hexdigest(), "size": len(body)}
index = json.dumps({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json",
    "manifests": [dict(entry, platform={"os": "unknown", "architecture": "unknown"}),
                  dict(entry, platform={"os": "linux", "architecture": "amd64"}),
                  dict(entry, platform={"os": "linux", "architecture": "arm", "variant": "v6"})]})
urllib.request.urlopen(urllib.request.Request(
    base + "/manifests/all", data=index.encode(), method="PUT",
    headers={"Content-Type": "application/vnd.oci.image.index.v1+json"}))
PY
  [[ $(uname -m) == x86_64 ]] || skip "the index has no image for this machine"
  pull "$REGISTRY/multi/amd:all" >"$T/id"
  image_record >"$T/strata.json"
  strata delete-image "$(cat "$T/id")"
  podman pull -q --tls-verify=false "$REGISTRY/multi/amd:all" >/dev/null
  image_record | diff "$T/strata.json" -
  # An arm v7 runs what was made for v6.
  pull --platform linux/arm/v7 "$REGISTRY/multi/amd:all" 2>"$T/warning"
  grep -q "warning: .*amd64, not linux/arm/v7" "$T/warning"
  refused "no image for linux/s390x" "linux/amd64" -- pull --arch s390x "$REGISTRY/multi/amd:all"
}

@test "TLS: refused without the authority, read with it, HTTP/2 or not" {
  start_registry tls
  refused "certificate is not trusted" -- pull "$REGISTRY/a/demo:1"
  skopeo copy -q --dest-tls-verify=false "oci:$STRATA_IMAGES/oci-gzip:latest" "docker://$REGISTRY/a/demo:1"
  pull --tls-verify=false "$REGISTRY/a/demo:1" >/dev/null
  strata delete-image "$REGISTRY/a/demo:1"
  # The folder of certificates of an ordinary user's configuration.
  mkdir -p "$T/home/containers/certs.d/$REGISTRY"
  cp "$T/ca.crt" "$T/home/containers/certs.d/$REGISTRY/ca.crt"
  mkdir -p /etc/containers/certs.d
  cp -r "$T/home/containers/certs.d/$REGISTRY" /etc/containers/certs.d/
  run pull "$REGISTRY/a/demo:1"
  rm -rf "/etc/containers/certs.d/$REGISTRY"
  ((status == 0)) || { echo "$output"; return 1; }
  check_diff_ids
}

@test "a password: by option, by file, by helper; and a clear word without one" {
  start_registry tls password
  skopeo copy -q --dest-tls-verify=false --dest-creds me:secret "oci:$STRATA_IMAGES/oci-gzip:latest" \
    "docker://$REGISTRY/a/demo:1"
  refused "not logged in" "$REGISTRY/a/demo" -- pull --tls-verify=false "$REGISTRY/a/demo:1"
  refused "(401)" -- pull --tls-verify=false --creds me:wrong "$REGISTRY/a/demo:1"
  pull --tls-verify=false --creds me:secret "$REGISTRY/a/demo:1" >/dev/null
  strata delete-image "$REGISTRY/a/demo:1"
  command podman login --authfile "$T/auth.json" --tls-verify=false -u me -p secret "$REGISTRY" >/dev/null
  pull --tls-verify=false --authfile "$T/auth.json" "$REGISTRY/a/demo:1" >/dev/null
  strata delete-image "$REGISTRY/a/demo:1"
  mkdir "$T/bin"
  cat >"$T/bin/docker-credential-test" <<'SH'
#!/bin/sh
read host
echo '{"ServerURL":"'"$host"'","Username":"me","Secret":"secret"}'
SH
  chmod +x "$T/bin/docker-credential-test"
  echo '{"credHelpers":{"'"$REGISTRY"'":"test"}}' >"$T/config/auth.json"
  PATH=$T/bin:$PATH pull --tls-verify=false "$REGISTRY/a/demo:1" >/dev/null
  check_diff_ids
}

@test "registries.conf: short names, rewriting, mirrors, blocked" {
  start_registry
  start_front
  upload oci-gzip real/demo:1
  cat >"$T/config/registries.conf" <<END
unqualified-search-registries = ["$REGISTRY"]
[aliases]
"little" = "names.test/moved/demo"
[[registry]]
prefix = "names.test/moved"
location = "127.0.0.1:1/nowhere"
[[registry.mirror]]
location = "$FRONT/real"
[[registry]]
location = "blocked.test"
blocked = true
END
  pull real/demo:1 >/dev/null
  strata images --json | jq -e --arg n "$REGISTRY/real/demo:1" '.[0].names == [$n]'
  strata delete-image "$REGISTRY/real/demo:1"
  # The name is the one that was asked for, whoever serves it.
  pull little:1 >/dev/null
  strata images --json | jq -e '.[0].names == ["names.test/moved/demo:1"]'
  (($(asked 'GET /v2/real/demo/blobs/') == 4))
  refused "blocked" -- pull blocked.test/x
  echo 'unqualified-search-registries = []' >"$T/config/registries.conf"
  refused "short-name" "registries.conf" -- pull nothing
}

@test "push: skopeo and podman read it, nothing is sent twice, layers are mounted" {
  start_registry
  start_front
  strata import --quiet --name demo "oci:$STRATA_IMAGES/oci-gzip:latest"
  push demo "docker://$FRONT/one/demo:1" >"$T/digest"
  [[ $(skopeo inspect --tls-verify=false "docker://$REGISTRY/one/demo:1" --format '{{.Digest}}') == $(cat "$T/digest") ]]
  [[ $(skopeo inspect --config --tls-verify=false "docker://$REGISTRY/one/demo:1" | jq -r '.rootfs.diff_ids[]') == \
    $(diff_ids | sed s/^/sha256:/) ]]
  skopeo copy -q --src-tls-verify=false "docker://$REGISTRY/one/demo:1" "dir:$T/dir"
  # A second time there is nothing to send but the manifest.
  faults
  push demo "$FRONT/one/demo:2" >"$T/digest2"
  diff "$T/digest" "$T/digest2"
  [[ $(asked 'POST .*/uploads/') == 0 ]]
  # A pulled image goes with the blobs it came with, and another repository lends its own.
  pull "$FRONT/one/demo:1" >/dev/null
  faults
  push "$FRONT/one/demo:1" "$FRONT/two/demo:1" >"$T/digest3"
  diff "$T/digest" "$T/digest3"
  [[ $(asked 'POST .*mount=.* 201') == 3 ]]
  [[ $(asked 'PATCH ') == 0 ]]
  # podman runs it from an empty store.
  G=$T/other R=$T/other-run
  podman pull -q --tls-verify=false "$REGISTRY/two/demo:1" >/dev/null
  podman_run --rm "$REGISTRY/two/demo:1" true
}

@test "push: an image of Docker's form, another compression, a layer of many pieces" {
  start_registry
  strata import --quiet "docker-archive:$STRATA_IMAGES/docker.tar" >"$T/id"
  push "$(cat "$T/id")" "$REGISTRY/d:1" >/dev/null
  [[ $(skopeo inspect --raw --tls-verify=false "docker://$REGISTRY/d:1" | jq -r .mediaType) == *docker* ]]
  skopeo copy -q --src-tls-verify=false "docker://$REGISTRY/d:1" "dir:$T/dir"
  push --compression-format zstd "$(cat "$T/id")" "$REGISTRY/d:zstd" >/dev/null
  [[ $(skopeo inspect --raw --tls-verify=false "docker://$REGISTRY/d:zstd" | jq -r '.layers[0].mediaType') == *zstd ]]
  # Bytes that do not shrink make more than one piece of 32 MiB.
  mkdir "$T/big"
  head -c 80000000 /dev/urandom >"$T/big/file"
  tar -C "$T/big" -c file | strata import --quiet --name big -
  push big "$REGISTRY/big:1" >/dev/null
  skopeo copy -q --src-tls-verify=false "docker://$REGISTRY/big:1" "dir:$T/big-dir"
}

@test "errors of a registry are one clear line" {
  start_registry
  upload oci-gzip a/demo:1
  refused "$REGISTRY/a/demo" "manifest 2" "not found (404)" "manifest unknown" -- pull "$REGISTRY/a/demo:2"
  refused "$REGISTRY/none" "(404)" -- pull "$REGISTRY/none"
  refused "no such host" -- pull no-such-host.invalid/x
  stop_registry
  refused "$REGISTRY" "refused" -- pull "$REGISTRY/a/demo:1"
  refused "normalizing name" -- pull "$REGISTRY/UPPER"
  mkdir "$T/alone"
  cp "$STRATA" "$T/alone/strata"
  refused "strata-lazy" -- env PATH=/usr/bin:/bin "$T/alone/strata" --graph "$G" --run "$R" \
    --storage-opt "overlay.mount_program=$OVERLAY" pull x.test/y
}
