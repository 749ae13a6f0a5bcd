# strata-overlay alone: named cases of every mark and option, and random histories against the kernel's
# own overlay.
load lib/common.bash
setup() {
  begin
  need_root
  need python3
  need setfacl
}
teardown() { finish; }

# first and count: the same seeds every time, so that a change alone can break them; new ones, which
# are printed, with --long.
seeds() { # first, count, count with --long
  first=$1 count=$2
  [[ ${STRATA_LONG:-0} == 1 ]] || return 0
  first=$((RANDOM * 1000)) count=$3
  echo "seeds from $first on"
}

@test "marks, options and traps of overlay mounts" {
  need setcap
  need chattr
  need mkfs.xfs
  need fuse-overlayfs
  told python3 "$HERE/overlay-forms.py" "$OVERLAY" --dir "$T"
}

@test "random histories agree with the kernel's overlay" {
  seeds 1 20 400
  told python3 "$HERE/overlay-oracle.py" "$OVERLAY" --dir "$T" --seed "$first" --count "$count" --ops 250
}

@test "random histories agree with the kernel's overlay where every read and write comes to the daemon" {
  seeds 201 8 200
  told python3 "$HERE/overlay-oracle.py" "$OVERLAY" --dir "$T" --seed "$first" --count "$count" --ops 250 \
    --option ,passthrough=off
}

@test "random histories agree with the kernel's overlay in a user namespace" {
  # Root of the namespace is no one outside: it must be able to reach all this.
  mkdir "$T/ns"
  install -m 755 "$OVERLAY" "$HERE/overlay-oracle.py" "$T/ns"
  chown -R 100000:100000 "$T/ns"
  cd "$T/ns"
  seeds 101 15 200
  told "$HERE/lib/in-user-namespace.py" /usr/bin/python3 ./overlay-oracle.py "$T/ns/strata-overlay" \
    --dir "$T/ns" --seed "$first" --count "$count" --ops 250 --userns
}

@test "a daemon killed inside a change leaves the old tree or the new one" {
  need strace
  python3 "$HERE/overlay-cuts.py" "$OVERLAY" --dir "$T" >"$T/cuts" || { grep -v '^ok' "$T/cuts"; return 1; }
}
