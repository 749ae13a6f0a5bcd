# Locks that others hold, and signals in the middle: bounded, told in one line, and nothing left.
load lib/common.bash
setup() {
  begin
  need_root
}
teardown() { finish; }

hold_lock() { # file, posix or ofd, seconds
  python3 -c '
import fcntl, struct, sys, time
file = open(sys.argv[1], "r+")
lock = struct.pack("hhlli", fcntl.F_WRLCK, 0, 0, 0, 0)
fcntl.fcntl(file, fcntl.F_SETLK if sys.argv[2] == "posix" else 37, lock)
open(sys.argv[3], "w").close()
time.sleep(float(sys.argv[4]))' "$1" "$2" "$T/locked" "$3" &
  HOLDER=$!
  CHILDREN+=("$HOLDER")
  while [[ ! -e $T/locked ]]; do sleep 0.02; done
  rm "$T/locked"
}

@test "a locked graph root: one line that names who holds it, and status 1" {
  strata import --quiet --name small "$STRATA_IMAGES/small.tar"
  local kind name
  for kind in posix ofd; do
    for name in overlay-layers/layers.lock overlay-images/images.lock; do
      hold_lock "$G/$name" "$kind" 60
      refused "$G/$name" "process $HOLDER" --lock-timeout -- strata --lock-timeout 0 rmi small
      refused "$G/$name" "process $HOLDER" -- strata import --quiet --lock-timeout=0 "oci:$STRATA_IMAGES/oci-gzip"
      kill -9 "$HOLDER"
      strata layers --json | jq -e 'length == 1'
    done
  done
  hold_lock "$G/overlay-layers/layers.lock" posix 60
  local started=$EPOCHREALTIME status=0
  strata --lock-timeout 2 layers 2>"$T/err" || status=$?
  ((status == 1))
  awk -v a="$started" -v b="$EPOCHREALTIME" 'BEGIN { exit !(b - a > 1.9 && b - a < 6) }'
  grep -q "waiting for .*process $HOLDER" "$T/err"
  one_line "$(tail -n 1 "$T/err")" "still after 2 s" "process $HOLDER"
  refused "--lock-timeout" -- strata --lock-timeout soon layers
  kill -9 "$HOLDER"
  strata layers >/dev/null
  check_clean
}

@test "a wait ends well where the lock comes in time, also with none" {
  strata import --quiet --name small "$STRATA_IMAGES/small.tar"
  local limit
  for limit in 30 none; do
    hold_lock "$G/overlay-layers/layers.lock" posix 2.5
    strata --lock-timeout "$limit" add-names -n "again-$limit" small
  done
  hold_lock "$G/overlay-layers/layers.lock" posix 1.5
  peer_persona layers | grep -q .
  ! peer_persona --lock-timeout 1 layers
}

@test "strata.conf: the option stands before the variable, that before the user's file" {
  local HOME=$T/home
  mkdir -p "$HOME/.config/containers"
  unset XDG_CONFIG_HOME
  export HOME
  printf 'lock-timeout = 0\nals-timeout = 7\nlock-tiemout = 1\n' >"$HOME/.config/containers/strata.conf"
  strata import --quiet --name small "$STRATA_IMAGES/small.tar" 2>"$T/err"
  one_line "$(cat "$T/err")" "strata.conf:3:" "lock-tiemout"
  strata config --origins >"$T/out" 2>/dev/null
  grep -q "^lock-timeout  *0  *$HOME/.config/containers/strata.conf:1\$" "$T/out"
  grep -q "^graphroot  *$G  *--graph\$" "$T/out"
  grep -q "^sync  *filesystem  *built-in default\$" "$T/out"
  hold_lock "$G/overlay-layers/layers.lock" posix 60
  run -1 strata layers
  run -1 peer_persona layers
  [[ $output == *"process $HOLDER"* ]]
  STRATA_LOCK_TIMEOUT=soon run -1 strata layers
  [[ $output == *"STRATA_LOCK_TIMEOUT=soon"* ]]
  kill -9 "$HOLDER"
  STRATA_ALS_TIMEOUT=9 strata --als-timeout 8 info --json 2>/dev/null |
    jq -e '.settings[] | select(.name == "als-timeout") == {name: "als-timeout", value: "8", from: "--als-timeout"}'
  STRATA_ALS_TIMEOUT=9 strata info --json 2>/dev/null |
    jq -e '.settings[] | select(.name == "als-timeout").from == "STRATA_ALS_TIMEOUT"'
  printf 'sync = "never"\n' >"$HOME/.config/containers/strata.conf"
  refused "strata.conf:1" "filesystem or none" -- strata layers
}

peer_persona() { (exec -a containers-storage "$STRATA" --graph "$G" --run "$R" "$@"); }

# A layer comes through a pipe that stays open: the import is in the middle for as long as that is wanted.
slow_import() { # name of the pipe's file, then the command
  mkfifo "$T/pipe"
  "$@" <"$T/pipe" >"$T/out" 2>"$T/err" &
  CHILD=$!
  CHILDREN+=("$CHILD")
  exec 8>"$T/pipe"
  head -c 1000000 "$STRATA_IMAGES/small.tar" >&8
}
ends_with() { # status
  local status=0
  wait "$CHILD" || status=$?
  exec 8>&-
  rm "$T/pipe"
  ((status == $1)) || { echo "status $status, not $1"; cat "$T/err"; return 1; }
}

@test "SIGINT, SIGTERM and SIGHUP undo a layer that is half made" {
  strata layers >/dev/null
  local signal
  for signal in INT TERM HUP; do
    # A shell's background job ignores SIGINT; env gives the default back.
    slow_import env --default-signal=INT "$STRATA" --graph "$G" --run "$R" import-layer
    until compgen -G "$G/overlay/tempdirs/temp-dir-*/*-addition" >/dev/null; do sleep 0.02; done
    kill -"$signal" "$CHILD"
    ends_with $((128 + $(kill -l "$signal")))
    one_line "$(cat "$T/err")" "SIG$signal" import-layer
    [[ $(strata layers --json) == "[]" ]]
    check_clean
  done
}

@test "SIGTERM in an import leaves nothing, but for a layer that somebody has begun to use" {
  strata layers >/dev/null
  local round first
  first=$(layer_ids | head -n 1)
  for round in 1 2 3; do
    timeout_import &
    CHILD=$!
    CHILDREN+=("$CHILD")
    if ((round == 1)); then
      until compgen -G "$G/overlay/tempdirs/temp-dir-*/*-addition" >/dev/null; do sleep 0.005; done
    else
      # The layers are there, the image not always.
      until grep -q "$first" "$G/overlay-layers/layers.json" 2>/dev/null; do sleep 0.001; done
      if ((round == 3)); then peer create-layer --name child "$first" >/dev/null; fi
    fi
    kill -TERM "$CHILD" 2>/dev/null || true
    wait "$CHILD" || true
    if ((round < 3)); then
      [[ $(strata layers --json) == "[]" ]] || [[ $(strata images --json | jq length) == 1 ]]
    else
      strata layers --json | jq -e --arg id "$first" 'any(.id == $id)'
    fi
    check_clean
    strata delete-image demo 2>/dev/null || true
  done
}
timeout_import() {
  exec "$STRATA" --graph "$G" --run "$R" import --quiet --name demo "oci:$STRATA_IMAGES/oci-gzip:latest"
}

@test "timeout(1) sends its signal twice" {
  strata layers >/dev/null
  mkfifo "$T/pipe"
  (head -c 1000000 "$STRATA_IMAGES/small.tar"; sleep 5) >"$T/pipe" &
  CHILDREN+=($!)
  local status=0
  timeout 1 "$STRATA" --graph "$G" --run "$R" import-layer <"$T/pipe" 2>"$T/err" || status=$?
  ((status == 124))
  one_line "$(cat "$T/err")" SIGTERM
  [[ $(strata layers --json) == "[]" ]]
  check_clean
}

@test "a limit of file sizes is an error, and a broken pipe ends as with other tools" {
  strata import --quiet --name small "$STRATA_IMAGES/small.tar"
  "$HERE/lib/bad-layer" large "$T/bad.tar"
  (
    ulimit -f 200
    refused "file too large" -- strata import-layer -f "$T/bad.tar"
  )
  check_clean
  local status
  "$STRATA" --graph "$G" --run "$R" diff -u "$(strata layers --json | jq -r '.[0].id')" 2>"$T/err" | head -c 1 >/dev/null || true
  [[ ! -s $T/err ]]
}

@test "standard descriptors that are closed are no place for the store's files" {
  strata import --quiet --name small "$STRATA_IMAGES/small.tar"
  strata images >&-
  strata create-container --name one small <&- >&- 2>&-
  hold_lock "$G/overlay-containers/containers.lock" posix 2.5
  # The warning that it waits goes nowhere, and not into the lock.
  strata create-container --name two small <&- >&- 2>&-
  (($(stat -c %s "$G/overlay-containers/containers.lock") == 64))
  strata containers --json | jq -e 'length == 2'
  check_clean
}
