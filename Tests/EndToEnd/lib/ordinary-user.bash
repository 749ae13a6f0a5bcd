# An ordinary user with subordinate ids, for the time of a file of tests.
# shellcheck shell=bash

USER_NAME=strata-e2e

setup_file() {
  ((EUID == 0)) || return 0
  id "$USER_NAME" >/dev/null 2>&1 || useradd --system --no-create-home --shell /bin/bash \
    --add-subids-for-system "$USER_NAME"
  grep -q "^$USER_NAME:" /etc/subuid && grep -q "^$USER_NAME:" /etc/subgid
}

teardown_file() {
  ((EUID == 0)) || return 0
  userdel "$USER_NAME" 2>/dev/null || true
}

# A home for one test; the store lies in it.
make_home() {
  U=$T/home
  mkdir -p "$U/run"
  chown -R "$USER_NAME:$USER_NAME" "$U"
  chmod 700 "$U/run"
  G=$U/root R=$U/run/store
}

# Ends podman's pause process, which holds the user's namespaces open.
end_pause() {
  local file
  for file in $(find "$U" -name pause.pid 2>/dev/null); do
    kill -9 "$(cat "$file")" 2>/dev/null || true
  done
}

# Runs a script as the user, with the functions of common.bash and this test's variables.
as_user() {
  {
    declare -f strata peer podman podman_run show_tree container diff_ids layer_ids sha \
      check_diff_ids mounts_below
    declare -p G R T U STRATA OVERLAY STRATA_IMAGES HERE
    echo 'unset DBUS_SESSION_BUS_ADDRESS; export HOME=$U XDG_RUNTIME_DIR=$U/run TMPDIR=$U'
    echo 'export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
    echo 'cd /; set -e'
    cat
  } >"$T/as-user"
  chmod 644 "$T/as-user"
  setpriv --reuid "$USER_NAME" --regid "$USER_NAME" --init-groups --reset-env bash "$T/as-user"
}
