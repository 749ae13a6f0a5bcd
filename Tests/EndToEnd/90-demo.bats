# The demonstration of the README works and proves what it says.
load lib/common.bash
setup() {
  begin
  need_root
}
teardown() { finish; }

@test "scripts/run ends with one line of what was proved" {
  STRATA_DEMO_FOLDER=$T/demo run -0 "$HERE/../../scripts/run" --no-build
  [[ ${lines[-1]} == "Proved:"* ]]
  [[ -z $(mounts_below "$T") ]]
}
