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

@test "marks, options and traps of overlay mounts" {
  need setcap
  need chattr
  run -0 python3 "$HERE/overlay-forms.py" "$OVERLAY" --dir "$T"
}

@test "random histories agree with the kernel's overlay" {
  run -0 python3 "$HERE/overlay-oracle.py" "$OVERLAY" --dir "$T" --seed $((RANDOM * 1000)) \
    --count "$(rounds 25 400)" --ops 250
}

@test "random histories agree with the kernel's overlay in a user namespace" {
  # Root of the namespace is no one outside: it must be able to reach all this.
  mkdir "$T/ns"
  install -m 755 "$OVERLAY" "$HERE/overlay-oracle.py" "$T/ns"
  chown -R 100000:100000 "$T/ns"
  cd "$T/ns"
  run -0 "$HERE/lib/in-user-namespace.py" /usr/bin/python3 ./overlay-oracle.py "$T/ns/strata-overlay" \
    --dir "$T/ns" --seed $((RANDOM * 1000)) --count "$(rounds 15 200)" --ops 250 --userns
}

@test "a daemon killed inside a change leaves the old tree or the new one" {
  need strace
  run -0 python3 "$HERE/overlay-cuts.py" "$OVERLAY" --dir "$T"
}
