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
