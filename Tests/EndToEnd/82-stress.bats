# Several processes of Strata, podman and Debian's containers-storage on one graph root at once, all of
# them making, naming and deleting, and some of them killed in the middle. Each keeps a ledger of what it
# was told is done; in the end nothing is lost, nothing is there twice, and nothing is left lying about.
load lib/common.bash
setup() {
  begin
  need_root
}
teardown() { finish; }

# Every fifth command is killed after up to 150 ms.
maybe_killed() {
  if ((RANDOM % 5 == 0)); then
    timeout --preserve-status -s KILL "0.$(printf %03d $((RANDOM % 150)))" "$@"
  else
    "$@"
  fi
}

# One worker: rounds of random commands, and a ledger with `+ KIND ID` behind what was said to be made and
# `- KIND ID` before what is to be deleted.
worker() { # number, rounds, command...
  set +e # others are quicker, and some are killed
  local number=$1 rounds=$2 ledger=$T/ledger.$1 round id name
  shift 2
  RANDOM=$((number * 7919 + ${STRATA_SEED:-1}))
  local mine=()
  : >"$ledger"
  for ((round = 0; round < rounds; round++)); do
    name=w$number-$round
    case $((RANDOM % 6)) in
      0) id=$(maybe_killed "$@" create-layer --name "$name" 2>/dev/null | head -n 1) &&
        [[ -n $id ]] && echo "+ layer $id" >>"$ledger" && mine+=("layer $id") ;;
      1) id=$(maybe_killed "$@" import-layer --name "$name" --file "$STRATA_IMAGES/small.tar" \
        2>/dev/null | head -n 1) &&
        [[ -n $id ]] && echo "+ layer $id" >>"$ledger" && mine+=("layer $id") ;;
      2) id=$(maybe_killed "$@" create-image --name "$name" "$BASE" 2>/dev/null | head -n 1) &&
        [[ -n $id ]] && echo "+ image $id" >>"$ledger" && mine+=("image $id") ;;
      3) id=$(maybe_killed "$@" create-container --name "$name" base 2>/dev/null | head -n 1) &&
        [[ -n $id ]] && echo "+ container $id" >>"$ledger" && mine+=("container $id") ;;
      4) ((${#mine[@]})) || continue
        read -r _ id <<<"${mine[RANDOM % ${#mine[@]}]}"
        maybe_killed "$@" add-names --name "also-$name" "$id" >/dev/null 2>&1 ;;
      5) ((${#mine[@]})) || continue
        read -r kind id <<<"${mine[-1]}"
        unset 'mine[-1]'
        echo "- $kind $id" >>"$ledger"
        maybe_killed "$@" "delete-$kind" "$id" >/dev/null 2>&1 ;;
    esac
  done
  return 0
}

# podman's worker: the demo image comes and goes, and containers of another one.
podman_worker() { # rounds
  set +e
  local round
  RANDOM=$((31 + ${STRATA_SEED:-1}))
  for ((round = 0; round < $1; round++)); do
    case $((RANDOM % 4)) in
      0) podman pull -q "oci:$STRATA_IMAGES/oci-gzip:latest" ;;
      1) podman rmi -f localhost/demo:latest ;;
      2) podman create --network=none --name "p$round" base true ;;
      3) podman rm -fa ;;
    esac >/dev/null 2>&1
  done
  podman rm -fa >/dev/null 2>&1
  return 0
}

ids() { # kind, program...
  local kind=$1
  shift
  "$@" "${kind}s" --json 2>/dev/null | jq -r '.[]?.id' | sort
}

@test "many at once, some of them killed: nothing lost, nothing doubled, nothing orphaned" {
  strata import --quiet --name base "tar:$STRATA_IMAGES/small.tar" >/dev/null
  BASE=$(strata image --json base | jq -r '.[0].layer')
  local count children=() child
  count=$(rounds 14 400)
  worker 1 "$count" "$STRATA" --graph "$G" --run "$R" & children+=("$!")
  worker 2 "$count" "$STRATA" --graph "$G" --run "$R" & children+=("$!")
  worker 3 "$count" /usr/bin/containers-storage --graph "$G" --run "$R" --storage-driver overlay \
    --storage-opt "overlay.mount_program=$OVERLAY" & children+=("$!")
  podman_worker "$((count / 2))" & children+=("$!")
  CHILDREN+=("${children[@]}")
  for child in "${children[@]}"; do wait "$child"; done

  # What was reported as made, and was never asked to go, is there; for both programs.
  local kind
  for kind in layer image container; do
    cat "$T"/ledger.* | awk -v kind="$kind" '
      $2 == kind { if ($1 == "+") made[$3] = 1; else delete made[$3] }
      END { for (id in made) print id }' | sort >"$T/want.$kind"
    ids "$kind" strata >"$T/ours.$kind"
    ids "$kind" peer >"$T/theirs.$kind"
    diff "$T/ours.$kind" "$T/theirs.$kind"
    [[ -z $(comm -23 "$T/want.$kind" "$T/ours.$kind") ]] || {
      echo "lost ${kind}s: $(comm -23 "$T/want.$kind" "$T/ours.$kind")"
      return 1
    }
    [[ -z $(uniq -d "$T/ours.$kind") ]]
    # No name is there twice.
    [[ -z $(strata "${kind}s" --json | jq -r '.[]?.names[]?' | sort | uniq -d) ]]
  done
  # What killed commands left is found and freed, and then there is nothing to be said.
  strata gc >/dev/null
  strata check || { strata check; return 1; }
  [[ $(strata gc --dry-run) == "nothing to remove" ]]
  # The links of l/ are those of the layers that have directories, each of them to be followed.
  [[ -z $(find -L "$G/overlay/l" -maxdepth 1 -type l) ]]
}
