# How strata-overlay serves its mount: what it spares the kernel to ask, what it does beside the reader
# of requests, and how it ends.
load lib/common.bash
setup() {
  begin
  need_root
  need python3
}
teardown() { finish; }

@test "files given to the kernel when they are opened read right, before and after changes" {
  run -0 python3 "$HERE/overlay-serving.py" "$OVERLAY" --dir "$T" given
}
