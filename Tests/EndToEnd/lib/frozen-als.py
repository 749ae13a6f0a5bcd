#!/usr/bin/env python3
"""Unpacks the layers of an OCI layout into an additional layer store that is a plain directory.

    frozen-als.py LAYOUT REFERENCE ROOT [--by-toc] [--without blob]

Under ROOT/<base64 of the reference>/<digest>: `diff` with whiteouts as overlayfs has them, `info` and
`blob` (lazy-layers 1.2 to 1.5). REFERENCE `-` leaves the name out of the path. By TOC digest the key is
the digest of the text `toc of <blob digest>`, and `info` tells that and no diff ID.
"""
import base64
import gzip
import hashlib
import json
import os
import shutil
import subprocess
import sys

layout, reference, root = sys.argv[1:4]
by_toc = "--by-toc" in sys.argv
without = sys.argv[sys.argv.index("--without") + 1] if "--without" in sys.argv else ""


def blob(digest):
    return os.path.join(layout, "blobs", *digest.split(":"))


def convert(diff):
    """Whiteouts of the tar into those of overlayfs."""
    for folder, _, files in os.walk(diff):
        for name in files:
            path = os.path.join(folder, name)
            if name == ".wh..wh..opq":
                os.unlink(path)
                for space in "trusted", "user":
                    os.setxattr(folder, space + ".overlay.opaque", b"y")
            elif name.startswith(".wh.") and name != ".wh.":
                os.unlink(path)
                os.mknod(os.path.join(folder, name[4:]), 0o020000, 0)


with open(os.path.join(layout, "index.json")) as file:
    manifest = json.load(open(blob(json.load(file)["manifests"][0]["digest"])))
top = root if reference == "-" else os.path.join(
    root, base64.b64encode(reference.encode()).decode())
for layer in manifest["layers"]:
    with open(blob(layer["digest"]), "rb") as file:
        packed = file.read()
    plain = gzip.decompress(packed) if packed[:2] == b"\x1f\x8b" else packed
    diff_id = "sha256:" + hashlib.sha256(plain).hexdigest()
    info = {"compressed-diff-digest": layer["digest"], "compressed-size": layer["size"],
            "diff-digest": diff_id, "diff-size": len(plain),
            "compression": 2 if plain is not packed else 0}
    key = layer["digest"]
    if by_toc:
        key = "sha256:" + hashlib.sha256(f"toc of {key}".encode()).hexdigest()
        info = {"toc-digest": key, "diff-size": -1, "compression": 2}
    home = os.path.join(top, key)
    diff = os.path.join(home, "diff")
    os.makedirs(diff)
    subprocess.run(["tar", "-xpC", diff, "--xattrs", "--xattrs-include=*", "-f", "-"],
                   input=plain, check=True)
    convert(diff)
    with open(os.path.join(home, "info"), "w") as file:
        json.dump(info, file)
    if without != "blob":
        shutil.copyfile(blob(layer["digest"]), os.path.join(home, "blob"))
    print(key, diff_id)
