#!/usr/bin/env python3
"""Writes odd tar archives into a folder: headers made by hand, one case each, and random trees packed
by GNU tar, bsdtar and Python in all their formats, some of them cut, flipped or followed by garbage.

Usage: odd-archives.py FOLDER [FIRST_SEED LAST_SEED]
Needs root, for the devices and owners of the random trees.
"""
import io, os, random, shutil, stat, struct, subprocess, sys, tarfile

BASE = sys.argv[1]


def run(cmd, **kw):
    return subprocess.run(cmd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **kw)


def hdr(name=b'f', mode=b'0000644\0', uid=b'0000000\0', gid=b'0000000\0', size=b'00000000000\0', mtime=b'14000000000\0',
        typ=b'0', link=b'', magic=b'ustar\0' + b'00', uname=b'', gname=b'', maj=b'0000000\0', mnr=b'0000000\0', prefix=b'', tail=b'', ck=None):
    def p(b, n): return b[:n] + b'\0' * (n - len(b))
    h = p(name, 100) + p(mode, 8) + p(uid, 8) + p(gid, 8) + p(size, 12) + p(mtime, 12) + b' ' * 8 + p(typ, 1) + p(link, 100) + p(magic, 8) + p(uname, 32) + p(gname, 32) + p(maj, 8) + p(mnr, 8) + p(prefix, 155) + p(tail, 12)
    s = sum(h)
    c = b'%06o\0 ' % s if ck is None else ck
    return h[:148] + p(c, 8) + h[156:]

def pad(b): return b + b'\0' * (-len(b) % 512)
def reg(name=b'f', body=b'hello\n', **k): return hdr(name, size=b'%011o\0' % len(body), **k) + pad(body)
def rec(k, v):
    n = len(k) + len(v) + 3
    l = n + len(str(n))
    if len(str(l)) != len(str(n)): l = n + len(str(l))
    return b'%d %s=%s\n' % (l, k, v)
def pax(*kv, typ=b'x', raw=None):
    b = raw if raw is not None else b''.join(rec(k, v) for k, v in kv)
    return hdr(b'PaxHeaders/x', size=b'%011o\0' % len(b), typ=typ) + pad(b)
def gnulong(name, typ=b'L'):
    b = name + b'\0'
    return hdr(b'././@LongLink', size=b'%011o\0' % len(b), typ=typ, magic=b'ustar  \0') + pad(b)
END = b'\0' * 1024
def d(name, **k): return hdr(name, mode=k.pop('mode', b'0000755\0'), typ=b'5', **k)

def handmade():
    c = {}
    c['empty'] = b''
    c['end-only'] = END
    c['one-block'] = reg() + b'\0' * 512
    c['no-end'] = reg()
    c['no-padding'] = hdr(size=b'%011o\0' % 6) + b'hello\n'
    c['short-body'] = hdr(size=b'%011o\0' % 600) + b'hello\n'
    c['short-header'] = reg() + hdr()[:300]
    c['zero-then-entry'] = reg() + b'\0' * 512 + reg(b'g')
    c['end-then-entry'] = reg() + END + reg(b'g')
    c['garbage-after-end'] = reg() + END + b'garbage' * 1000
    c['trailing-zeros'] = reg() + b'\0' * 10240
    c['trailing-odd'] = reg() + END + b'\0' * 77
    c['one-zero-block-partial'] = reg() + b'\0' * 700
    c['junk'] = os.urandom(4096)
    c['junk-short'] = b'hello world'
    c['junk-512'] = b'x' * 512
    c['badsum'] = reg() + hdr(b'g', ck=b'0000000\0') + END
    c['signed-sum'] = None
    h = hdr(b'caf\xc3\xa9'); s = sum(struct.unpack('512b', h[:148] + b' ' * 8 + h[156:]))
    c['signed-sum'] = hdr(b'caf\xc3\xa9', ck=b'%06o\0 ' % s) + END
    c['nonutf8'] = reg(b'n\xff\xfe') + END
    c['nonutf8-dir'] = d(b'd\xff/') + reg(b'd\xff/f') + END
    c['newline'] = reg(b'a\nb') + reg(b'q"<>&\\\t\x01\x7f') + reg('u\u2028\u2029\U0001f600'.encode()) + END
    c['dotdot'] = reg(b'../x') + END
    c['dotdot2'] = reg(b'../../../x') + reg(b'a/../../y') + END
    c['dotdot-dir'] = d(b'../d/') + reg(b'../d/f') + END
    c['absolute'] = reg(b'/abs/x') + END
    c['absolute-dotdot'] = reg(b'/../../abs/x') + END
    c['dup'] = reg() + reg(body=b'two') + END
    c['dup-clean'] = reg(b'f') + reg(b'./f', b'two') + END
    c['dup-dir'] = d(b'd/') + d(b'd/') + END
    c['dup-dir2'] = d(b'd') + d(b'./d/') + END
    c['dup-abs-empty'] = reg(b'f', b'') + reg(b'/f', b'two') + END
    c['root'] = d(b'./', mode=b'0000700\0', uid=b'0001750\0') + reg() + END
    c['root-dot'] = d(b'.', mode=b'0000700\0', uid=b'0001750\0') + reg() + END
    c['root-slash'] = d(b'/', mode=b'0000700\0', uid=b'0001750\0') + reg() + END
    c['root-file'] = reg(b'./') + reg() + END
    c['empty-name'] = reg(b'') + reg() + END
    c['dotdot-name'] = d(b'..') + reg() + END
    c['file-slash'] = reg(b'a/') + END
    c['regA-slash'] = hdr(b'a/', typ=b'\0') + END
    c['regA-slash-v7'] = hdr(b'a/', typ=b'\0', magic=b'') + hdr(b'b', typ=b'\0', magic=b'') + END
    c['slashes'] = reg(b'a//b///c') + reg(b'./././d') + d(b'e/./f//') + END
    c['type7'] = hdr(typ=b'7') + END
    c['typeS'] = hdr(typ=b'S', magic=b'ustar  \0') + END
    c['typeV'] = hdr(b'label', typ=b'V') + END
    c['typeD'] = hdr(b'dd', typ=b'D') + END
    c['typeA'] = hdr(b'dd', typ=b'A') + END
    c['typeM'] = hdr(b'dd', typ=b'M') + END
    c['symlink-out'] = hdr(b'l', typ=b'2', link=b'../../../etc') + reg(b'l/x') + END
    c['symlink-abs'] = hdr(b'l', typ=b'2', link=b'/etc') + reg(b'l/x') + END
    c['symlink-abs-exists'] = d(b'etc') + hdr(b'l', typ=b'2', link=b'/etc') + reg(b'l/x') + END
    c['symlink-rel'] = d(b'e') + hdr(b'l', typ=b'2', link=b'e') + reg(b'l/x') + reg(b'l/y/z') + END
    c['symlink-self'] = hdr(b'l', typ=b'2', link=b'l') + reg(b'l/x') + END
    c['symlink-file-parent'] = reg(b'f') + reg(b'f/x') + END
    c['symlink-replaced'] = hdr(b'l', typ=b'2', link=b'e') + d(b'./l/') + END
    c['symlink-target-empty'] = hdr(b'l', typ=b'2') + END
    c['symlink-mtime-neg'] = hdr(b'l', typ=b'2', link=b'x', mtime=b'\xff' * 11 + b'\xfe') + END
    c['symlink-size'] = hdr(b'l', typ=b'2', link=b'x', size=b'00000000144\0') + END
    c['symlink-dir-slot'] = d(b'e') + hdr(b'l', typ=b'2', link=b'e') + d(b'l/sub/') + reg(b'l/sub/f') + END
    c['dir-then-symlinkdup'] = d(b'e') + d(b'd') + hdr(b'/d', typ=b'2', link=b'e') + END
    c['hardlink'] = reg(b'f') + hdr(b'g', typ=b'1', link=b'f') + END
    c['hardlink-meta'] = reg(b'f') + hdr(b'g', typ=b'1', link=b'f', mode=b'0004711\0', uid=b'0000005\0', mtime=b'12345670000\0') + END
    c['hardlink-out'] = hdr(b'g', typ=b'1', link=b'../../../etc/passwd') + END
    c['hardlink-abs'] = reg(b'f') + hdr(b'g', typ=b'1', link=b'/f') + END
    c['hardlink-missing'] = hdr(b'g', typ=b'1', link=b'nope') + END
    c['hardlink-self'] = reg(b'f') + hdr(b'/f', typ=b'1', link=b'f') + END
    c['hardlink-symlink'] = hdr(b'l', typ=b'2', link=b'nowhere') + hdr(b'g', typ=b'1', link=b'l', uid=b'0000005\0', mtime=b'12345670000\0') + END
    c['hardlink-through-symlink'] = d(b'e') + reg(b'e/f') + hdr(b'l', typ=b'2', link=b'e') + hdr(b'g', typ=b'1', link=b'l/f') + END
    c['hardlink-dir'] = d(b'e') + hdr(b'g', typ=b'1', link=b'e') + END
    c['hardlink-sized'] = reg(b'f') + hdr(b'g', typ=b'1', link=b'f', size=b'00000000006\0') + END
    c['hardlink-forward'] = hdr(b'g', typ=b'1', link=b'f') + reg(b'f') + END
    c['hardlink-xattr'] = reg(b'f') + pax((b'SCHILY.xattr.user.a', b'b')) + hdr(b'g', typ=b'1', link=b'f') + END
    c['devices'] = hdr(b'null', typ=b'3', maj=b'0000001\0', mnr=b'0000003\0') + hdr(b'sda', typ=b'4', maj=b'0000010\0', mnr=b'0000001\0') + hdr(b'fifo', typ=b'6') + hdr(b'wh', typ=b'3') + END
    c['device-big'] = hdr(b'n', typ=b'3', maj=b'0007777\0', mnr=b'0777777\0') + END
    c['whiteouts'] = reg(b'.wh.gone', b'') + d(b'd') + reg(b'd/.wh..wh..opq', b'') + reg(b'.wh.body', b'x') + d(b'.wh.dir') + hdr(b'.wh.l', typ=b'2', link=b'x') + END
    c['whiteout-plnk'] = d(b'.wh..wh.plnk') + reg(b'.wh..wh.plnk/1') + END
    c['modes'] = b''.join(reg(b'm%o' % m, mode=b'%07o\0' % m) for m in (0, 0o1, 0o777, 0o4755, 0o2755, 0o1777, 0o7777, 0o666, 0o100644)) + b''.join(d(b'd%o/' % m, mode=b'%07o\0' % m) for m in (0, 0o777, 0o2775, 0o1777, 0o4711)) + END
    c['setgid-parent'] = d(b'd/', mode=b'0002775\0', gid=b'0000144\0') + reg(b'd/f') + d(b'd/e/') + reg(b'd/g', gid=b'0000144\0') + hdr(b'd/l', typ=b'2', link=b'x') + hdr(b'd/p', typ=b'6') + reg(b'd/i/j') + END
    c['setgid-later'] = d(b'd/', mode=b'0000755\0') + reg(b'd/f') + d(b'/d/', mode=b'0002775\0', gid=b'0000144\0') + reg(b'd/g') + END
    c['owners'] = reg(b'a', uid=b'0001750\0', gid=b'0001751\0') + reg(b'b', uid=b'7777777\0') + reg(b'c', uid=b'\x80\0\0\0\xff\xff\xff\xfe') + END
    c['owner-minus1'] = reg(b'a', uid=b'\xff' * 8, gid=b'\xff' * 8) + END
    c['owner-huge'] = reg(b'a', uid=b'\x80\0\0\x01\0\0\0\x05') + END
    c['owner-setuid'] = reg(b'a', uid=b'0001750\0', mode=b'0006755\0') + END
    c['implied-parents'] = reg(b'x/y/z/f', uid=b'0001750\0') + END
    c['implied-then-dir'] = reg(b'x/y/f') + d(b'x/y/', mode=b'0000700\0', uid=b'0001750\0') + END
    c['dir-mtime'] = d(b'd', mtime=b'00000000001\0') + reg(b'd/f') + END
    for n, v in dict(neg=b'\xff' * 11 + b'\xfe', big=b'\x80' + b'\0' * 3 + b'\0\0\0\x03\0\0\0\0', huge=b'\x80' + b'\0' * 3 + b'\x7f' + b'\xff' * 7, ovf=b'\x80' + b'\xff' * 11, octmax=b'77777777777\0', bad=b'9999999999 \0', empty=b'\0' * 12, spaces=b' ' * 12, nonul=b'123456701234', lead=b'    12345670').items():
        c['mtime-' + n] = reg(b'f', mtime=v) + hdr(b'l', typ=b'2', link=b'x', mtime=v) + d(b'd', mtime=v) + END
    for n, v in dict(neg=b'\xff' * 11 + b'\xfe', b256=b'\x80' + b'\0' * 10 + b'\x06', oct=b'6', sp=b'     6     \0', bad=b'6x', embedded=b'6\x006').items():
        c['size-' + n] = hdr(size=v) + pad(b'hello\n') + END
    c['size-huge'] = hdr(size=b'\x80\0\0\0' + b'\x7f' + b'\xff' * 7) + pad(b'hello\n')
    c['size-8g'] = hdr(size=b'77777777777\0') + pad(b'hello\n')
    c['prefix'] = reg(b'name', prefix=b'a/b/c') + reg(b'name2', prefix=b'/abs') + reg(b'', prefix=b'pre') + END
    c['star'] = hdr(b'f', prefix=b'pp' + b'\0' * 129 + b'14000000000\0' + b'13000000000\0', tail=b'\0' * 8 + b'tar\0') + END
    c['gnu-times'] = hdr(b'f', magic=b'ustar  \0', prefix=b'15000000000\0' + b'13000000000\0') + END
    c['gnu-prefix'] = hdr(b'f', magic=b'ustar  \0', prefix=b'some/dir') + END
    c['gnu-prefix-time'] = hdr(b'f', magic=b'ustar  \0', prefix=b'123') + END
    c['v7'] = hdr(b'f', magic=b'', prefix=b'ignored', uname=b'x') + END
    c['ustar-badversion'] = hdr(b'f', magic=b'ustar\0xx') + END
    c['gnulong'] = gnulong(b'a' * 150 + b'/' + b'b' * 50) + reg(b'short') + END
    c['gnulonglink'] = gnulong(b'x' * 300, b'K') + hdr(b'l', typ=b'2', link=b'y') + END
    c['gnulong-twice'] = gnulong(b'one') + gnulong(b'two') + reg(b'three') + END
    c['gnulong-pax'] = gnulong(b'gnu') + pax((b'path', b'pax')) + reg(b'three') + END
    c['pax-gnulong'] = pax((b'path', b'pax')) + gnulong(b'gnu') + reg(b'three') + END
    c['gnulong-empty'] = gnulong(b'') + reg(b'three') + END
    c['gnulong-nothing-after'] = gnulong(b'x') + END
    c['gnulong-slash'] = gnulong(b'dir/') + hdr(b'x', typ=b'\0') + END
    c['name-255'] = pax((b'path', b'n' * 255)) + reg(b'x') + END
    c['name-256'] = pax((b'path', b'n' * 256)) + reg(b'x') + END
    for n in (4090, 4093, 4094, 4095, 4096, 6000):
        base = (b'd' * 99 + b'/') * 60
        c['path-%d' % n] = pax((b'path', base[:n - 2] + b'xx')) + reg(b'x') + END
    c['pax-mtime'] = pax((b'mtime', b'1234567890.123456789'), (b'atime', b'1234567999.5'), (b'ctime', b'1')) + reg() + pax((b'mtime', b'1234567890.1234567899999')) + reg(b'g') + pax((b'mtime', b'-1.5')) + reg(b'h') + pax((b'mtime', b'1234567890.'), (b'atime', b'3')) + d(b'd') + pax((b'mtime', b'-5.25'), (b'atime', b'-2.5')) + hdr(b'l', typ=b'2', link=b'x') + END
    for n, v in dict(a=b'x', b=b'1.x', c=b'', d=b'.5', e=b'1e5', f=b'9223372036854775807', g=b'-9223372036854775808.5', h=b'99999999999999999999', i=b'+5', j=b'9223372036.9').items():
        c['pax-mtime-' + n] = pax((b'mtime', v)) + reg() + END
    c['pax-size'] = pax((b'size', b'6')) + hdr() + pad(b'hello\n') + END
    c['pax-size-neg'] = pax((b'size', b'-6')) + hdr() + pad(b'hello\n') + END
    c['pax-size-dir'] = pax((b'size', b'6')) + d(b'd') + END
    c['pax-ids'] = pax((b'uid', b'70000'), (b'gid', b'4294967294')) + reg() + END
    c['pax-id-bad'] = pax((b'uid', b'x')) + reg() + END
    c['pax-path'] = pax((b'path', b'other/name')) + reg() + END
    c['pax-path-slash'] = pax((b'path', b'other/')) + hdr(typ=b'\0') + END
    c['pax-path-empty'] = pax((b'path', b'')) + reg() + END
    c['pax-path-nul'] = pax((b'path', b'a\0b')) + reg() + END
    c['pax-dup-keys'] = pax((b'path', b'one'), (b'path', b'two')) + reg() + END
    c['pax-dup-empty'] = pax((b'path', b'one'), (b'path', b'')) + reg() + END
    c['pax-many'] = pax(*[(b'x%d' % i, b'v') for i in range(500)], (b'path', b'many'), (b'x3', b'')) + reg() + END
    c['pax-linkpath'] = pax((b'linkpath', b'long' * 50)) + hdr(b'l', typ=b'2', link=b'y') + END
    c['pax-twice'] = pax((b'path', b'one'), (b'uid', b'5')) + pax((b'mtime', b'5')) + reg() + END
    c['pax-nothing-after'] = pax((b'path', b'one')) + END
    c['pax-nothing-after2'] = pax((b'path', b'one'))
    for n, raw in dict(nolen=b'path=x\n', nonl=b'9 path=xy', short=b'3 a\n', zero=b'0 a=b\n', big=b'999 a=b\n', noeq=b'8 pathx\n', emptykey=b'5 =b\n', minus=b'-6 a=b\n', plus=b'+7 a=b\n', lead=b'007 a=b\n', nulkey=b'8 a\0b=c\n', nul=b'\0' * 10, trailing=b'6 a=b\n\0\0').items():
        c['pax-raw-' + n] = pax(raw=raw) + reg() + END
    c['pax-global'] = pax((b'comment', b'x'), (b'path', b'gpath'), typ=b'g') + reg() + END
    c['pax-global2'] = pax((b'uid', b'55'), (b'mtime', b'5'), typ=b'g') + reg() + END
    c['pax-global-bad'] = pax((b'uid', b'x'), typ=b'g') + reg() + END
    c['pax-x-then-g'] = pax((b'path', b'one')) + pax((b'comment', b'c'), typ=b'g') + reg() + END
    c['pax-toolong'] = pax((b'comment', b'c' * (1 << 20))) + reg() + END
    c['pax-1m'] = pax((b'comment', b'c' * ((1 << 20) - 50))) + reg() + END
    c['xattrs'] = pax((b'SCHILY.xattr.user.a', b'b\0c'), (b'SCHILY.xattr.user.empty', b''), (b'SCHILY.xattr.security.capability', bytes.fromhex('0100000200040000000000000000000000000000'))) + reg() + pax((b'SCHILY.xattr.user.d', b'd')) + d(b'd') + pax((b'SCHILY.xattr.trusted.x', b'y')) + hdr(b'l', typ=b'2', link=b'x') + END
    c['xattr-user-symlink'] = pax((b'SCHILY.xattr.user.x', b'y')) + hdr(b'l', typ=b'2', link=b'x') + END
    c['xattr-bad'] = pax((b'SCHILY.xattr.nonsense', b'y')) + reg() + END
    c['xattr-noname'] = pax((b'SCHILY.xattr.', b'y')) + reg() + END
    c['xattr-private'] = pax((b'SCHILY.xattr.trusted.overlay.opaque', b'y'), (b'SCHILY.xattr.user.overlay.redirect', b'/etc'), (b'SCHILY.xattr.user.fuseoverlayfs.opaque', b'y'), (b'SCHILY.xattr.user.containers.override_stat', b'0:0:04755')) + d(b'd') + END
    c['xattr-selinux'] = pax((b'SCHILY.xattr.security.selinux', b'foo')) + reg() + END
    c['xattr-acl'] = pax((b'SCHILY.xattr.system.posix_acl_default', bytes.fromhex('0200000001000700ffffffff04000700ffffffff10000700ffffffff20000000ffffffff'))) + d(b'd') + reg(b'd/f') + d(b'd/e') + END
    c['libarchive-xattr'] = pax((b'LIBARCHIVE.xattr.user.a', b'Yg')) + reg() + END
    # sparse
    def sp10(name, size, pieces, extra=b'', **k):
        m = b'%d\n' % len(pieces) + b''.join(b'%d\n%d\n' % (o, len(b)) for o, b in pieces)
        body = pad(m) + b''.join(b for o, b in pieces) + extra
        return pax((b'GNU.sparse.major', b'1'), (b'GNU.sparse.minor', b'0'), (b'GNU.sparse.name', name), (b'GNU.sparse.realsize', b'%d' % size), *k.get('kv', [])) + reg(b'GNUSparseFile.0/x', body)
    c['sparse-1.0'] = sp10(b's', 10000, [(0, b'a' * 512), (4096, b'b' * 100), (9990, b'z' * 10)]) + END
    c['sparse-1.0-hole-end'] = sp10(b's', 10000, [(100, b'a' * 512)]) + reg() + END
    c['sparse-1.0-none'] = sp10(b's', 10000, []) + reg() + END
    c['sparse-1.0-overlap'] = sp10(b's', 10000, [(0, b'a' * 512), (100, b'b' * 100)]) + END
    c['sparse-1.0-beyond'] = sp10(b's', 100, [(0, b'a' * 512)]) + END
    c['sparse-1.0-extra'] = sp10(b's', 10000, [(0, b'a' * 512)], b'more') + END
    c['sparse-1.0-many'] = sp10(b's', 1 << 20, [(i * 1000, b'%d' % (i % 10)) for i in range(1000)]) + END
    c['sparse-0.1'] = pax((b'GNU.sparse.size', b'1000'), (b'GNU.sparse.numblocks', b'2'), (b'GNU.sparse.map', b'0,3,500,3'), (b'GNU.sparse.name', b's')) + reg(b'x', b'hello\n') + END
    c['sparse-0.1-bad'] = pax((b'GNU.sparse.size', b'1000'), (b'GNU.sparse.numblocks', b'3'), (b'GNU.sparse.map', b'0,3,500,3'), (b'GNU.sparse.name', b's')) + reg(b'x', b'hello\n') + END
    c['sparse-0.0'] = pax((b'GNU.sparse.size', b'1000'), (b'GNU.sparse.numblocks', b'2'), (b'GNU.sparse.offset', b'0'), (b'GNU.sparse.numbytes', b'3'), (b'GNU.sparse.offset', b'500'), (b'GNU.sparse.numbytes', b'3')) + reg(b's', b'hello\n') + END
    c['sparse-unknown'] = pax((b'GNU.sparse.major', b'2'), (b'GNU.sparse.minor', b'0')) + reg(b'x', b'hello\n') + END
    c['sparse-dir'] = pax((b'GNU.sparse.major', b'0'), (b'GNU.sparse.minor', b'1'), (b'GNU.sparse.numblocks', b'0'), (b'GNU.sparse.map', b'')) + d(b'dd') + END
    c['sparse-missing-data'] = pax((b'GNU.sparse.size', b'1000'), (b'GNU.sparse.numblocks', b'1'), (b'GNU.sparse.map', b'0,30'), (b'GNU.sparse.name', b's')) + reg(b'x', b'hello\n') + END
    c['file-over-emptydir'] = d(b'd') + reg(b'/d') + END
    c['dir-over-emptyfile'] = reg(b'd', b'') + d(b'/d') + END
    c['fifo-over-empty'] = reg(b'd', b'') + hdr(b'/d', typ=b'6') + END
    c['big-file'] = reg(b'big', os.urandom(3 << 20)) + reg(b'after') + END
    c['exact-blocks'] = reg(b'a', b'x' * 512) + reg(b'b', b'y' * 1024) + reg(b'c', b'') + END
    c['uname'] = reg(b'a', uname=b'nobody', gname=b'nogroup') + END
    return c

def rnd_name(r):
    alphabet = [b'a', b'bb', b'c-c', b'd d', 'é'.encode(), b'\xff', b'n' * 90, b'x' * 150, b'"q"', b'<&>', b'\t', '日本'.encode(), b'.wh.x', b'.hid', b'-dash']
    return r.choice(alphabet) + b'%d' % r.randrange(30)

def rnd_tree(root, r):
    """A random tree on disk; returns nothing."""
    dirs = [root]
    files = []
    for i in range(r.randrange(3, 40)):
        p = os.path.join(r.choice(dirs), rnd_name(r))
        if os.path.lexists(p) or len(p) > 1500: continue
        k = r.randrange(12)
        try:
            if k < 3:
                os.mkdir(p); dirs.append(p); os.chmod(p, r.choice([0o755, 0o700, 0o2775, 0o1777, 0o555]))
            elif k < 8:
                with open(p, 'wb') as f:
                    if r.random() < .2:
                        f.seek(r.randrange(1 << 20)); f.write(b'data'); f.seek(r.randrange(1 << 20), 1); f.write(b'x' * r.randrange(9000)); f.truncate(f.tell() + r.choice([0, 70000]))
                    else: f.write(os.urandom(r.choice([0, 1, 511, 512, 513, 5000, 70000])))
                os.chmod(p, r.choice([0o644, 0o600, 0o4755, 0o2711, 0, 0o666])); files.append(p)
            elif k == 8: os.symlink(r.choice([b'x', b'/etc/passwd', b'../../..', rnd_name(r), b'l' * 200]), p); os.lchown(p, 3, 4); continue
            elif k == 9 and files: os.link(r.choice(files), p)
            elif k == 10: os.mkfifo(p)
            else: os.mknod(p, r.choice([stat.S_IFCHR, stat.S_IFBLK]) | 0o660, os.makedev(r.randrange(1, 300), r.randrange(70000)))
            if r.random() < .3: os.chown(p, r.choice([0, 5, 1000, 65534, 3000000]), r.choice([0, 5, 1000]))
            if r.random() < .3 and k < 8: os.setxattr(p, b'user.' + r.choice([b'a', b'long' * 20]), os.urandom(r.randrange(60)))
            if r.random() < .7: os.utime(p, ns=(r.randrange(2 * 10**18), r.randrange(2 * 10**18)))
        except OSError as e: pass

def made(seed):
    r = random.Random(seed)
    src = BASE + '/src'
    shutil.rmtree(src, ignore_errors=True); os.mkdir(src)
    rnd_tree(os.fsencode(src), r)
    kind = r.choice(['gnu', 'gnu', 'bsd', 'py'])
    if kind == 'gnu':
        cmd = ['tar', '--format=' + r.choice(['v7', 'oldgnu', 'gnu', 'ustar', 'posix'])]
        if r.random() < .3: cmd.append('--sparse')
        if r.random() < .3 and cmd[1].endswith('posix'): cmd.append('--xattrs')
        if r.random() < .2 and cmd[1].endswith('posix'): cmd.append('--sparse-version=' + r.choice(['0.0', '0.1', '1.0'])); cmd.append('--sparse')
        if r.random() < .2: cmd.append('--hard-dereference')
        if r.random() < .2: cmd.append('--blocking-factor=' + r.choice(['1', '3', '40']))
        if r.random() < .2 and cmd[1].endswith('posix'): cmd.append('--pax-option=exthdr.name=%d/x/%f,globexthdr.name=gl,comment=hi')
        if r.random() < .2: cmd.append('--sort=name')
        if r.random() < .1: cmd += ['--transform=s,^,/,', '-P']
        if r.random() < .2: cmd.append('--numeric-owner')
        names = ['.'] if r.random() < .5 else sorted(os.listdir(os.fsencode(src)))
        if not names: names = ['.']
        x = run(cmd + ['-cf', BASE + '/made.tar', '-C', src, '--'] + names)
    elif kind == 'bsd':
        cmd = ['bsdtar', '--format=' + r.choice(['ustar', 'pax', 'gnutar', 'v7', 'rpax'])]
        if r.random() < .3: cmd.append('--no-xattrs')
        if r.random() < .3: cmd.append('--no-read-sparse')
        names = ['.'] if r.random() < .5 else sorted(os.listdir(os.fsencode(src))) or ['.']
        x = run(cmd + ['-cf', BASE + '/made.tar', '-C', src, '--'] + names)
    else:
        fmt = r.choice([tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
        cmd = ['python', str(fmt)]
        with tarfile.open(BASE + '/made.tar', 'w', format=fmt, encoding='utf-8', errors='surrogateescape', pax_headers={'comment': 'x'} if r.random() < .2 else None) as t:
            for n in sorted(os.listdir(src)) if r.random() < .5 else ['']:
                def walk(p, arc):
                    ti = None
                    try:
                        ti = t.gettarinfo(p, arcname=arc)
                        if r.random() < .5 and fmt == tarfile.PAX_FORMAT: ti.mtime = os.lstat(p).st_mtime_ns / 1e9
                        if r.random() < .1: ti.uid = r.choice([2097152, 70000]) 
                        if ti.isreg():
                            with open(p, 'rb') as f: t.addfile(ti, f)
                        else: t.addfile(ti)
                    except (ValueError, OSError, UnicodeEncodeError): pass
                    if os.path.isdir(p) and not os.path.islink(p):
                        for m in sorted(os.listdir(p)): walk(os.path.join(p, m), arc + '/' + m)
                walk(os.path.join(src, n), n or '.')
    data = open(BASE + '/made.tar', 'rb').read()
    # mutate at times
    m = ''
    if r.random() < .15:
        data = data[:r.randrange(len(data) + 1)]; m = ' cut'
    elif r.random() < .15 and data:
        b = bytearray(data)
        for _ in range(r.randrange(1, 4)): b[r.randrange(len(b))] = r.randrange(256)
        data = bytes(b); m = ' flipped'
    elif r.random() < .1: data += os.urandom(r.randrange(3000)); m = ' tail'
    return ' '.join(cmd) + m, data


def main():
    os.makedirs(BASE, exist_ok=True)
    for name, data in handmade().items():
        with open(f"{BASE}/hand-{name}.tar", "wb") as file:
            file.write(data)
    seeds = range(int(sys.argv[2]), int(sys.argv[3])) if len(sys.argv) > 3 else []
    for seed in seeds:
        how, data = made(seed)
        how = "".join(c if c.isalnum() or c in "=-." else "_" for c in how)
        with open(f"{BASE}/made-{seed:04d}-{how[:150]}.tar", "wb") as file:
            file.write(data)
    for rest in ("src", "made.tar"):
        path = f"{BASE}/{rest}"
        shutil.rmtree(path) if os.path.isdir(path) else os.path.exists(path) and os.unlink(path)


if __name__ == "__main__":
    main()
