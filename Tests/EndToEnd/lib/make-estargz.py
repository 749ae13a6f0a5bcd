#!/usr/bin/env python3
"""Makes an eStargz blob of a tar (stargz-snapshotter docs/estargz.md): make-estargz.py TAR BLOB [CHUNK].

Prints the blob's digest and size, the TOC's digest, and the diff ID, a word each.
"""
import base64, gzip, hashlib, io, json, sys, tarfile, time, zlib


def member(data):
    out = zlib.compressobj(6, zlib.DEFLATED, 31)
    return out.compress(data) + out.flush()


def main(tar_path, blob_path, chunk_size):
    raw = open(tar_path, "rb").read()
    blob, entries, pending, end = bytearray(), [], bytearray(), 0
    kinds = {tarfile.DIRTYPE: "dir", tarfile.SYMTYPE: "symlink", tarfile.LNKTYPE: "hardlink",
             tarfile.CHRTYPE: "char", tarfile.BLKTYPE: "block", tarfile.FIFOTYPE: "fifo"}
    with tarfile.open(tar_path) as tar:
        for info in tar:
            if info.offset < end:
                sys.exit("entries out of order")
            pending += raw[end:info.offset_data]
            row = {"name": info.name + ("/" if info.isdir() else ""),
                   "type": kinds.get(info.type, "reg"), "mode": info.mode,
                   "modtime": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(info.mtime)),
                   "uid": info.uid, "gid": info.gid}
            if info.linkname:
                row["linkName"] = info.linkname
            if info.type in (tarfile.CHRTYPE, tarfile.BLKTYPE):
                row["devMajor"], row["devMinor"] = info.devmajor, info.devminor
            xattrs = {k[len("SCHILY.xattr."):]: base64.b64encode(v.encode()).decode()
                      for k, v in info.pax_headers.items() if k.startswith("SCHILY.xattr.")}
            if xattrs:
                row["xattrs"] = xattrs
            end = info.offset_data
            entries.append(row)
            if row["type"] != "reg" or info.size == 0:
                continue
            data = raw[end:end + info.size]
            row["size"], row["digest"] = info.size, "sha256:" + hashlib.sha256(data).hexdigest()
            blob += member(bytes(pending))
            pending.clear()
            for start in range(0, info.size, chunk_size):
                piece = data[start:start + chunk_size]
                if start:
                    entries.append({"name": info.name, "type": "chunk"})
                entries[-1].update(offset=len(blob), chunkOffset=start, chunkSize=len(piece),
                                   chunkDigest="sha256:" + hashlib.sha256(piece).hexdigest())
                blob += member(piece)
            end += info.size
    # What is left but for the end-of-archive blocks, which come behind the TOC's entry.
    pending += raw[end:end + (-end) % 512]
    if pending:
        blob += member(bytes(pending))
    toc = json.dumps({"version": 1, "entries": entries}).encode()
    offset, index = len(blob), io.BytesIO()
    with tarfile.open(fileobj=index, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        info = tarfile.TarInfo("stargz.index.json")
        info.size = len(toc)
        tar.addfile(info, io.BytesIO(toc))
    blob += member(index.getvalue())
    field = b"SG\x16\x00" + b"%016xSTARGZ" % offset
    blob += b"\x1f\x8b\x08\x04\0\0\0\0\0\xff" + bytes([len(field), 0]) + field
    blob += b"\x01\0\0\xff\xff" + bytes(8)
    open(blob_path, "wb").write(blob)
    digest = hashlib.sha256(blob).hexdigest()
    diff_id = hashlib.sha256(gzip.decompress(bytes(blob))).hexdigest()
    print(f"sha256:{digest} {len(blob)} sha256:{hashlib.sha256(toc).hexdigest()} sha256:{diff_id}")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 4 << 20)
