# Layers are given out as the blobs that they came as: made again where that can be done, kept where it
# was asked for, and told of where neither is so.
load lib/common.bash
load lib/registry.bash
setup_file() {
  # Go's gzip, which nothing of ours makes.
  command skopeo copy -q "oci:$STRATA_IMAGES/oci-raw:latest" "oci:$BATS_FILE_TMPDIR/go:latest"
}
setup() {
  begin
  need_root
  GO=$BATS_FILE_TMPDIR/go
}
teardown() { finish; }

manifest_of() { jq -r '.manifests[0].digest' "$1/index.json"; }
layer_data() { find "$G/overlay-layers" -mindepth 2 -name "$1" | wc -l; }

@test "what Go has compressed has another digest, and one line says so; GNU gzip's has the same" {
  strata import --quiet --name go "oci:$GO:latest"
  strata export --quiet go "oci:$T/out:latest" 2>"$T/err"
  [[ $(wc -l <"$T/err") == 1 ]]
  grep -q '3 of 3 layers .*--keep-blobs' "$T/err"
  [[ $(manifest_of "$T/out") != $(manifest_of "$GO") ]]
  # A layer that was compressed by the program gzip.
  mkdir "$T/tree"
  cp -a /usr/share/doc/bash /etc/passwd "$T/tree"
  tar c -C "$T/tree" . | gzip -n -9 >"$T/layer.tar.gz"
  strata import --quiet --name gnu "$T/layer.tar.gz"
  strata export --quiet gnu "oci:$T/gnu:latest" 2>"$T/err"
  [[ ! -s $T/err ]]
  cmp "$T/layer.tar.gz" "$T/gnu/blobs/sha256/$(sha256sum <"$T/layer.tar.gz" | cut -c-64)"
}

@test "--keep-blobs: export and diff give the very blobs; podman, check and gc leave them; they go with the layer" {
  strata import --quiet --keep-blobs --name go "oci:$GO:latest"
  [[ $(layer_data strata.blob) == 3 && $(layer_data strata.signs) == 3 ]]
  strata export --quiet go "oci:$T/out:latest" 2>"$T/err"
  [[ ! -s $T/err ]]
  diff -r "$GO/blobs" "$T/out/blobs"
  strata export --quiet go "oci-archive:$T/out.tar" 2>"$T/err"
  [[ ! -s $T/err ]]
  top=$(strata image go | sed -n 's/^Top Layer: //p')
  digest=$(strata layers --json | jq -r --arg id "$top" '.[] | select(.id == $id)["compressed-diff-digest"]')
  [[ sha256:$(strata diff "$top" | sha256sum | cut -c-64) == "$digest" ]]
  [[ $(strata list-layer-data "$top" | tr '\n' ' ') == 'strata.signs strata.blob ' ]]
  # Nobody minds them.
  check_clean
  podman_run --rm localhost/go:latest true
  peer layer "$top" >/dev/null
  [[ $(peer get-layer-data "$top" strata.blob | sha256sum | cut -c-64) == "${digest#sha256:}" ]]
  strata gc
  [[ $(strata du --json | jq '.[] | select(.kind == "image").own') -gt $(du -bs "$GO/blobs" | cut -f1) ]]
  [[ $(layer_data strata.blob) == 3 ]]
  # One that is damaged is passed over, and told of.
  for file in "$G"/overlay-layers/*/strata.blob; do printf x | dd of="$file" bs=1 seek=100 conv=notrunc status=none; done
  strata export --quiet go "oci:$T/again:latest" 2>"$T/err"
  [[ $(grep -c 'damaged' "$T/err") == 3 ]]
  # The peers take them away with the layers.
  podman rmi -f localhost/go:latest >/dev/null
  [[ $(layer_data 'strata.*') == 0 ]]
}

@test "a layer that was there before is not read, and nothing is kept of it" {
  strata import --quiet --keep-blobs --name go "oci:$GO:latest"
  strata delete-image go
  [[ $(layer_data 'strata.*') == 0 ]]
  skopeo copy -q "oci:$GO:latest" "$(store_reference localhost/go:latest)"
  strata import --quiet --keep-blobs --name go "oci:$GO:latest"
  [[ $(layer_data 'strata.*') == 0 ]]
  strata export --quiet go "oci:$T/out:latest" 2>"$T/err"
  grep -q '3 of 3 layers' "$T/err"
}

@test "pull --keep-blobs and push: an empty registry gets the image that the other had, digest by digest" {
  own_configuration
  start_registry
  # One by Go's gzip, one by GNU's.
  skopeo copy -q --dest-tls-verify=false "oci:$GO:latest" "docker://$REGISTRY/go:1"
  mkdir "$T/tree"
  cp -a /usr/share/doc/bash /etc/passwd "$T/tree"
  tar c -C "$T/tree" . | gzip -n -6 >"$T/layer.tar.gz"
  pull --keep-blobs "$REGISTRY/go:1" >/dev/null
  strata import --quiet --name gnu "$T/layer.tar.gz" >/dev/null
  stop_registry
  rm -rf "$T/registry"
  run_registry
  push "$REGISTRY/go:1" >"$T/digest" 2>"$T/err"
  [[ ! -s $T/err ]]
  [[ $(cat "$T/digest") == "$(manifest_of "$GO")" ]]
  push gnu "$REGISTRY/gnu:1" >/dev/null 2>"$T/err"
  [[ ! -s $T/err ]]
  skopeo inspect --tls-verify=false "docker://$REGISTRY/gnu:1" | jq -r '.Layers[]' >"$T/layers"
  [[ $(cat "$T/layers") == "sha256:$(sha256sum <"$T/layer.tar.gz" | cut -c-64)" ]]
}
