# The same path by an ordinary user with subordinate ids.
load lib/common.bash
load lib/ordinary-user.bash

setup() {
  begin
  need_root # to make the user
  [[ $(cat /proc/sys/user/max_user_namespaces) != 0 ]] || skip "needs user namespaces"
  make_home
}
teardown() {
  end_pause
  finish
}

@test "import, mount, write, diff, commit and export without root" {
  as_user <<'END'
strata import --quiet --name demo "oci:$STRATA_IMAGES/oci-gzip:latest"
check_diff_ids
strata images --json | jq -e '.[0].names == ["localhost/demo:latest"]' >/dev/null
c=$(container localhost/demo:latest)
cat >"$U/inside" <<'IN'
set -e
point=$("$STRATA" --graph "$G" --run "$R" mount "$1")
"$HERE/lib/show-tree" "$point" >"$U/tree"
echo made >"$point/srv/made"
echo more >>"$point/srv/replaced"
rm "$point/srv/empty"
rm -r "$point/srv/opaque"
mkdir "$point/srv/opaque"
chown 5:6 "$point/srv/made"
chroot "$point" /bin/sh -c 'cat /srv/made'
"$STRATA" --graph "$G" --run "$R" unmount "$1"
IN
export STRATA G R HERE U
[[ $(strata unshare bash "$U/inside" "$c") == *made* ]]
# Devices are left out without the right to make them; the rest is as root sees it.
diff "$U/tree" "$STRATA_IMAGES/expected.tsv"
strata diff -u "$c" >"$U/diff.tar"
tar tvf "$U/diff.tar" --numeric-owner | grep -E ' 5/6 .* srv/made$'
tar tf "$U/diff.tar" | grep -x 'srv/.wh.empty'
strata commit --quiet "$c" localhost/committed
strata export --quiet localhost/committed:latest "oci:$U/out:latest"
strata delete-container "$c"
strata import --quiet --name again "oci:$U/out:latest"
# The same image, so a second name and not a second image.
[[ $(strata images --json | jq length) == 2 ]]
END
  [[ -z $(mounts_below "$U") ]]
  [[ $(skopeo inspect --config "oci:$U/out:latest" | jq -r '.rootfs.diff_ids[]' | head -n 3) == $(diff_ids | sed s/^/sha256:/) ]]
}

@test "a mount outside of strata unshare says so in one line" {
  run ! as_user <<'END'
strata import --quiet --name demo "oci:$STRATA_IMAGES/oci-gzip:latest"
c=$(container localhost/demo:latest)
strata mount "$c" 2>"$U/err" && exit 0
exit 1
END
  one_line "$(cat "$U/err")" "strata unshare"
}

@test "podman runs what Strata imported, and Strata shows what podman pulled" {
  as_user <<'END'
strata import --quiet --name demo "oci:$STRATA_IMAGES/oci-gzip:latest"
podman images --format '{{.Repository}}' | grep -x localhost/demo
[[ $(podman_run --rm demo sh -c 'cat /srv/replaced; echo x >/srv/new; chown 5:5 /srv/new; stat -c %u /srv/new') == $'the new text\n5' ]]
podman load -q -i "$STRATA_IMAGES/docker.tar"
podman tag localhost/strata-demo localhost/theirs
check_diff_ids
c=$(container localhost/theirs:latest)
export STRATA G R HERE
strata unshare bash -c '"$STRATA" --graph "$G" --run "$R" mount "$0" >/dev/null && "$STRATA" --graph "$G" --run "$R" unmount "$0"' "$c"
strata delete-container "$c"
podman run --rm --network=none --ulimit nofile=1024:1024 --ulimit nproc=1000:1000 theirs true
END
  [[ -z $(mounts_below "$U") ]]
}

@test "strata unshare is root inside, with the subordinate ids" {
  as_user <<'END'
[[ $(strata unshare id -u) == 0 ]]
[[ $(strata unshare cat /proc/self/uid_map | awk '{ sum += $3 } END { print sum }') -gt 1 ]]
strata unshare sh -c 'exit 7' || [[ $? == 7 ]]
END
}

@test "devices that are left out and an owner outside of the maps are told in one line" {
  python3 - "$T" <<'END'
import sys, tarfile
with tarfile.open(f"{sys.argv[1]}/devices.tar", "w") as tar:
    for name in "null", "zero", "tty":
        info = tarfile.TarInfo(f"dev/{name}")
        info.type, info.devmajor, info.devminor = tarfile.CHRTYPE, 1, 3
        tar.addfile(info)
with tarfile.open(f"{sys.argv[1]}/owner.tar", "w") as tar:
    info = tarfile.TarInfo("member")
    info.uid = info.gid = 2000000
    tar.addfile(info)
END
  as_user <<'END'
strata import-layer -f "$T/devices.tar" >/dev/null 2>"$U/devices"
! strata import-layer -f "$T/owner.tar" 2>"$U/owner"
END
  one_line "$(cat "$U/devices")" "dev/null and 2 more" "left out"
  one_line "$(cat "$U/owner")" "chown member to 2000000:2000000" /etc/subuid /etc/subgid
}
