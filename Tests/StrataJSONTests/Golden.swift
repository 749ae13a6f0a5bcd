/// Files that Debian 12's podman 4.3.1 and containers-storage 1.43 wrote, byte for byte.
///
/// Made with an overlay root and fuse-overlayfs as mount program by: `containers-storage create-layer
/// -n base`, `podman import c.tar two`, `containers-storage create-container -n ctr -m 'x<y>&"z\'`,
/// `create-layer -n lyr base`, `set-metadata -m 'some  text' lyr`, `set-layer-data -f meta base k1` and
/// `'Some Key'`, `podman create --name pc two /hi`, `containers-storage mount ctr`. The root is named
/// /srv here.
enum Golden {
  static let layers = ##"""
    [{"id":"77d11c860366638b810b18bc2ff3116c564cee9e94c9e83a69385592921a53c8","names":["base"]\##
    ,"created":"2026-11-24T17:03:34.765258628Z","big-data-names":["k1","Some Key"]},{"id":"a87\##
    5eba2568facb520b90a4203aef0c7b513e245e97e8471225095cfb244ca48","created":"2026-11-24T17:03\##
    :34.965189822Z","compressed-diff-digest":"sha256:a875eba2568facb520b90a4203aef0c7b513e245e\##
    97e8471225095cfb244ca48","compressed-size":10240,"diff-digest":"sha256:a875eba2568facb520b\##
    90a4203aef0c7b513e245e97e8471225095cfb244ca48","diff-size":10240,"uidset":[0],"gidset":[0]\##
    },{"id":"08b906d7c236029767f3fc60881d9a36d45495bcf04d968244b9a46022a0ebd9","parent":"a875e\##
    ba2568facb520b90a4203aef0c7b513e245e97e8471225095cfb244ca48","created":"2026-11-24T17:03:3\##
    5.310472549Z"},{"id":"90ef78a7767d5e6f3371253579d9ad3ff3050f063b7a8ac397c0a38c81034fea","n\##
    ames":["lyr"],"parent":"77d11c860366638b810b18bc2ff3116c564cee9e94c9e83a69385592921a53c8",\##
    "metadata":"some  text","created":"2026-11-24T17:03:35.377268524Z"},{"id":"87f7bab19577856\##
    a2b3d6ed4ae619df1a39dcb2d1ca710f1c3f267bb7f0affd1","names":["pc-layer"],"parent":"a875eba2\##
    568facb520b90a4203aef0c7b513e245e97e8471225095cfb244ca48","created":"2026-11-24T17:03:35.6\##
    77937976Z"}]
    """##

  static let images = ##"""
    [{"id":"e0c4bc15949cc2630b47bc3062f764bc9298da7ceca50ef3f41836ad18731c83","digest":"sha256\##
    :96f24e7d6be8b07c93ad42bf4f3afd15f7c729c79a1bf250ab64fa0afd6cb1db","names":["localhost/two\##
    :latest"],"names-history":["localhost/two:latest"],"layer":"a875eba2568facb520b90a4203aef0\##
    c7b513e245e97e8471225095cfb244ca48","metadata":"{\"signatures-sizes\":{\"sha256:96f24e7d6b\##
    e8b07c93ad42bf4f3afd15f7c729c79a1bf250ab64fa0afd6cb1db\":[]}}","big-data-names":["sha256:e\##
    0c4bc15949cc2630b47bc3062f764bc9298da7ceca50ef3f41836ad18731c83","manifest-sha256:96f24e7d\##
    6be8b07c93ad42bf4f3afd15f7c729c79a1bf250ab64fa0afd6cb1db","manifest","signature-96f24e7d6b\##
    e8b07c93ad42bf4f3afd15f7c729c79a1bf250ab64fa0afd6cb1db"],"big-data-sizes":{"manifest":341,\##
    "manifest-sha256:96f24e7d6be8b07c93ad42bf4f3afd15f7c729c79a1bf250ab64fa0afd6cb1db":341,"sh\##
    a256:e0c4bc15949cc2630b47bc3062f764bc9298da7ceca50ef3f41836ad18731c83":409,"signature-96f2\##
    4e7d6be8b07c93ad42bf4f3afd15f7c729c79a1bf250ab64fa0afd6cb1db":0},"big-data-digests":{"mani\##
    fest":"sha256:96f24e7d6be8b07c93ad42bf4f3afd15f7c729c79a1bf250ab64fa0afd6cb1db","manifest-\##
    sha256:96f24e7d6be8b07c93ad42bf4f3afd15f7c729c79a1bf250ab64fa0afd6cb1db":"sha256:96f24e7d6\##
    be8b07c93ad42bf4f3afd15f7c729c79a1bf250ab64fa0afd6cb1db","sha256:e0c4bc15949cc2630b47bc306\##
    2f764bc9298da7ceca50ef3f41836ad18731c83":"sha256:e0c4bc15949cc2630b47bc3062f764bc9298da7ce\##
    ca50ef3f41836ad18731c83","signature-96f24e7d6be8b07c93ad42bf4f3afd15f7c729c79a1bf250ab64fa\##
    0afd6cb1db":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},"cr\##
    eated":"2026-11-24T17:03:34.785122179Z"}]
    """##

  static let containers = ##"""
    [{"id":"b97efc0dd5a0468a651bce0eeaf82972584dd6fd95cffe4e13e9e0171282554e","names":["ctr"],\##
    "image":"e0c4bc15949cc2630b47bc3062f764bc9298da7ceca50ef3f41836ad18731c83","layer":"08b906\##
    d7c236029767f3fc60881d9a36d45495bcf04d968244b9a46022a0ebd9","metadata":"x\u003cy\u003e\u00\##
    26\"z\\","created":"2026-11-24T17:03:35.336218617Z","flags":{"MountLabel":"","ProcessLabel\##
    ":""}},{"id":"76f7fc0f5e460588e67be20d43d606524d6dce86637f5e2a3d18ae438cba92c0","names":["\##
    pc"],"image":"e0c4bc15949cc2630b47bc3062f764bc9298da7ceca50ef3f41836ad18731c83","layer":"8\##
    7f7bab19577856a2b3d6ed4ae619df1a39dcb2d1ca710f1c3f267bb7f0affd1","metadata":"{\"image-name\##
    \":\"localhost/two:latest\",\"image-id\":\"e0c4bc15949cc2630b47bc3062f764bc9298da7ceca50ef\##
    3f41836ad18731c83\",\"name\":\"pc\",\"created-at\":1795539815}","created":"2026-11-24T17:0\##
    3:35.691378119Z","flags":{"MountLabel":"","ProcessLabel":""}}]
    """##

  static let mounts = ##"""
    [{"id":"08b906d7c236029767f3fc60881d9a36d45495bcf04d968244b9a46022a0ebd9","path":"/srv/roo\##
    t/overlay/08b906d7c236029767f3fc60881d9a36d45495bcf04d968244b9a46022a0ebd9/merged","count"\##
    :1}]
    """##
}
