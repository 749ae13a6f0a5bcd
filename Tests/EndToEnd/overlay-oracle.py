#!/usr/bin/env python3
"""Compares a mount of strata-overlay with one of the kernel's overlay, operation by operation.

Both get equal copies of randomly made layers (every kind of file, hard links, whiteouts, opaque
directories, attributes, setgid directories, default ACLs), on one file system or each on its own. Then
the same random operations go to both, as root and as others, and after each the result or errno is
compared; now and then, and at the end, the whole trees: type, mode, owner, size, links, times, content,
attributes, ACLs, capabilities, targets, devices, listings, which names are one inode, that st_ino and d_ino
agree and that st_ino stays. At random moments, and at the end, both are mounted again, and each upper with
the other program; the two must go on showing the same. Some seeds rename directories with
redirect_dir=on.

Usage: overlay-oracle.py PROGRAM [--seed N] [--count N] [--ops N] [--dir DIR] [--userns] [--option O]
Needs root, or root of a user namespace (--userns: marks are `user.overlay.` then).
"""
import argparse, ctypes, errno, fcntl, mmap, os, random, shutil, stat, struct, subprocess, sys, time

libc = ctypes.CDLL(None, use_errno=True)
RENAME = {"noreplace": 1, "exchange": 2, "whiteout": 4}
NAMES = ["a", "b", "c", "dd", "e" * 40, "f.txt", "g", "h" * 255, ".wh", "i j"]
IDS = [0, 1, 33, 1000, 60000]


def call(function, *arguments):
    """A libc call; raises OSError."""
    if function(*arguments) < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def run(*command, check=True):
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if check and result.returncode:
        raise SystemExit(f"{command}: {result.stdout.decode(errors='replace')}")
    return result.returncode


def set_flags(path, bits, kept=~0xF0):
    """FS_IOC_SETFLAGS of a file or directory, as far as its file system has such flags."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    except OSError:
        return
    try:
        if stat.S_ISREG(os.fstat(fd).st_mode) or stat.S_ISDIR(os.fstat(fd).st_mode):
            now = struct.unpack("<i", fcntl.ioctl(fd, 0x80086601, bytes(4)))[0]
            fcntl.ioctl(fd, 0x40086602, struct.pack("<i", now & kept | bits))
    except OSError:
        pass
    finally:
        os.close(fd)


class Layers:
    """Makes the lower directories of a seed below a folder; the same seed makes the same."""

    def __init__(self, rng, userns, whiteouts=True):
        self.rng, self.userns, self.many = rng, userns, rng.random() < 0.06
        self.mark = "user.overlay." if userns else "trusted.overlay."
        self.plan = [self.layer(number) for number in range(rng.randint(1, 4))]

    def has(self, kind):
        return any(entry["kind"] == kind for layer in self.plan for entry in layer)

    def layer(self, number):
        entries = [self.entry() for _ in range(self.rng.randint(3, 18))]
        if self.many:
            entries.append(dict(entries[0], kind="many", path="a", acl=False, hole=False))
        return entries

    def entry(self):
        rng = self.rng
        path = "/".join(rng.choice(NAMES[:7]) for _ in range(rng.choice([1, 1, 2, 2, 3, 4])))
        kinds = ["file"] * 6 + ["dir"] * 5 + ["symlink", "fifo", "link", "link", "white", "opaque"]
        kinds += ["socket"] if self.userns else ["device", "redirect"]
        kinds += ["attrwhite"]
        return dict(
            kind=rng.choice(kinds), path=path, size=rng.choice([0, 1, 10, 4096, 70000]),
            fill=rng.randrange(256), mode=rng.choice([0o644, 0o600, 0o755, 0o4755, 0o2755, 0o444]),
            dirmode=rng.choice([0o755, 0o700, 0o2775, 0o1777, 0o555]), uid=rng.choice(IDS),
            gid=rng.choice(IDS), xattr=rng.random() < 0.2, acl=rng.random() < 0.08,
            time=rng.randrange(10**9), hole=rng.random() < 0.2,
            flags=rng.choice([0x10, 0x20, 0x80, 0x40]) if rng.random() < 0.04 and not self.userns else 0)

    def build(self, root, apart):
        """`apart`: every lower is a file system of its own."""
        made = []
        for number, plan in enumerate(self.plan):
            top = os.path.join(root, f"lower{number}")
            os.makedirs(top)
            if apart:
                call(libc.mount, b"tmpfs", top.encode(), b"tmpfs", 1024, b"mode=755")
            for entry in plan:
                self.make(top, entry)
            for place, (directory, _, _) in enumerate(os.walk(top)):
                os.utime(directory, (place, place))
            for entry in plan:
                if entry["flags"]:
                    set_flags(os.path.join(top, entry["path"]), entry["flags"])
            made.append(top)
        return made

    def make(self, top, e):
        path = os.path.join(top, e["path"])
        parent = os.path.dirname(path)
        try:
            os.makedirs(parent, exist_ok=True)
        except OSError:
            return
        if os.path.islink(parent) or not os.path.realpath(parent).startswith(top):
            return
        try:
            getattr(self, "make_" + e["kind"])(top, path, e)
        except (FileExistsError, NotADirectoryError):
            return
        os.chown(path, e["uid"], e["gid"], follow_symlinks=False) if os.path.lexists(path) else None
        if os.path.lexists(path) and not os.path.islink(path):
            info = os.lstat(path)
            is_white = e["kind"] in ("white", "attrwhite")
            if not is_white and e["kind"] != "link":
                os.chmod(path, e["dirmode"] if os.path.isdir(path) else e["mode"])
                if e["xattr"] and (os.path.isdir(path) or os.path.isfile(path)):
                    os.setxattr(path, "user.t", b"v%d" % e["fill"])
                if e["acl"] and os.path.isdir(path):
                    run("setfacl", "-d", "-m", "u:33:rwx,g::rx", path)
                if e["acl"] and os.path.isfile(path):
                    run("setfacl", "-m", "u:33:rw", path)
        if os.path.lexists(path):
            os.utime(path, (e["time"], e["time"]), follow_symlinks=False)

    def make_file(self, top, path, e):
        with open(path, "xb") as f:
            if e["hole"]:
                f.seek(40000)
            f.write(bytes([e["fill"]]) * e["size"])

    def make_dir(self, top, path, e):
        os.mkdir(path)

    def make_symlink(self, top, path, e):
        os.symlink("t%d" % e["fill"], path)

    def make_fifo(self, top, path, e):
        os.mkfifo(path)

    def make_socket(self, top, path, e):
        os.mknod(path, stat.S_IFSOCK | 0o644)

    def make_device(self, top, path, e):
        os.mknod(path, stat.S_IFBLK | 0o644, os.makedev(7, e["fill"]))

    def make_link(self, top, path, e):
        files = sorted(
            os.path.join(d, f) for d, _, fs in os.walk(top) for f in fs
            if not (stat.S_ISCHR(os.lstat(os.path.join(d, f)).st_mode)) and not self.is_attrwhite(os.path.join(d, f)))
        if files:
            os.link(files[e["fill"] % len(files)], path, follow_symlinks=False)

    def is_attrwhite(self, path):
        try:
            return self.mark + "whiteout" in os.listxattr(path, follow_symlinks=False)
        except OSError:
            return False

    def make_white(self, top, path, e):
        os.mknod(path, stat.S_IFCHR, 0)

    def make_attrwhite(self, top, path, e):
        """A whiteout by attribute, in a directory that says that it may hold such."""
        parent = os.path.dirname(path)
        try:
            if os.getxattr(parent, self.mark + "opaque") == b"y":
                return
        except OSError:
            pass
        os.close(os.open(path, os.O_CREAT | os.O_EXCL))
        os.setxattr(parent, self.mark + "opaque", b"x")
        os.setxattr(path, self.mark + "whiteout", b"")

    def make_redirect(self, top, path, e):
        os.mkdir(path)
        where = "/".join(NAMES[(e["fill"] + n) % 7] for n in range(1 + e["fill"] % 3))
        old = os.path.join(top, where) if e["fill"] % 2 else os.path.join(os.path.dirname(path), NAMES[e["fill"] % 7])
        # As a rename leaves it: nothing else leads there.
        os.makedirs(os.path.dirname(old), exist_ok=True)
        if os.path.realpath(old) != old or os.path.lexists(old):
            return
        os.mknod(old, stat.S_IFCHR, 0)
        os.setxattr(path, self.mark + "redirect", ("/" + where if e["fill"] % 2 else os.path.basename(old)).encode())

    def make_many(self, top, path, e):
        """More names than one answer to a listing holds."""
        os.mkdir(path)
        for number in range(400):
            name = os.path.join(path, "m%03d" % ((e["fill"] + number) % 500))
            if number % 9 == 0:
                os.mkdir(name)
            else:
                os.close(os.open(name, os.O_CREAT, 0o644))
            # Both sides' layers are of one time, whenever they were made.
            os.utime(name, (1 + number, 1 + number))

    def make_opaque(self, top, path, e):
        os.mkdir(path)
        os.setxattr(path, self.mark + "opaque", b"y")


class Side:
    """One of the two mounts."""

    def __init__(self, name, root, program, options, layers, plan):
        self.name, self.root, self.program, self.options = name, root, program, options
        self.plan = plan
        os.makedirs(root)
        self.lowers = layers.build(root, plan.apart)
        self.upper, self.work, self.mp = (os.path.join(root, n) for n in ("upper", "work", "mp"))
        for path in (self.upper, self.work, self.mp):
            os.mkdir(path)
        os.utime(self.upper, (1, 1))
        self.fds = {}
        self.numbers = {}

    @property
    def is_kernel(self):
        return self.program == "kernel"

    def mount(self):
        text = "lowerdir=" + ":".join(self.lowers)
        text += f",upperdir={self.upper},workdir={self.work}"
        if self.plan.redirects:
            text += ",redirect_dir=on"
        if self.is_kernel:
            if self.plan.userns:
                text += ",userxattr"
            elif not self.plan.redirects:
                text += ",redirect_dir=off"
            text += ",metacopy=off" * (not self.plan.userns) + ",index=off,xino=off"
            # noatime, as ours.
            call(libc.mount, b"overlay", self.mp.encode(), b"overlay", 1024, text.encode())
        else:
            run(self.program, "-o", text + self.options, self.mp)

    def unmount(self):
        for fd in list(self.fds.values()):
            os.close(fd)
        self.fds = {}
        for _ in range(50):
            if libc.umount2(self.mp.encode(), 0) == 0:
                break
            time.sleep(0.02)
        else:
            libc.umount2(self.mp.encode(), 2)
            raise SystemExit(f"{self.name}: busy, {os.listdir('/proc/self/fd')}")
        # The daemon ends by itself; its lock on the work directory goes with it.
        time.sleep(0.01)

    def remove(self):
        for fd in self.fds.values():
            os.close(fd)
        for top in self.lowers + [self.upper]:
            for directory, dirs, files in os.walk(top):
                for name in [directory] + [os.path.join(directory, n) for n in files]:
                    set_flags(name, 0, ~0x30)
        for path in [self.mp] + self.lowers:
            while os.path.ismount(path):
                if libc.umount2(path.encode(), 2) < 0:
                    break

    def path(self, relative):
        return os.path.join(self.mp, relative)

    def remount(self):
        self.unmount()
        self.mount()

    def splits(self, p):
        """Whether the kernel's overlay in a user namespace would show the names of a link to `p` as two
        inodes, of which one keeps old attributes: p is of a lower, or was."""
        path = os.path.join(self.upper, p)
        try:
            # Only files and directories can hold the mark that says so.
            return "user.overlay.origin" in os.listxattr(path) or not os.path.isfile(path) or os.path.islink(path)
        except OSError:
            return True

    def do(self, op):
        try:
            return ("ok", getattr(self, "op_" + op[0])(*op[1:]))
        except OSError as error:
            return ("error", errno.errorcode.get(error.errno, error.errno))

    # Operations

    def op_create(self, p, mode, mask, data):
        old = os.umask(mask)
        try:
            fd = os.open(self.path(p), os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        finally:
            os.umask(old)
        try:
            os.write(fd, data)
        finally:
            os.close(fd)

    def op_create_as(self, p, uid, gid, mode):
        os.setegid(gid)
        os.seteuid(uid)
        try:
            os.close(os.open(self.path(p), os.O_WRONLY | os.O_CREAT | os.O_NONBLOCK, mode))
        finally:
            os.seteuid(0)
            os.setegid(0)

    def op_mkdir_as(self, p, uid, gid, mode):
        os.setegid(gid)
        os.seteuid(uid)
        try:
            os.mkdir(self.path(p), mode)
        finally:
            os.seteuid(0)
            os.setegid(0)

    def op_write_as(self, p, uid, data):
        os.seteuid(uid)
        try:
            fd = os.open(self.path(p), os.O_WRONLY | os.O_NONBLOCK)
            try:
                os.write(fd, data)
            finally:
                os.close(fd)
        finally:
            os.seteuid(0)

    def op_write(self, p, flags, offset, data):
        fd = os.open(self.path(p), os.O_RDWR | os.O_NONBLOCK | flags)
        try:
            return os.pwrite(fd, data, offset)
        finally:
            os.close(fd)

    def op_read(self, p):
        fd = os.open(self.path(p), os.O_RDONLY | os.O_NONBLOCK)
        try:
            return hash(os.read(fd, 1 << 20))
        finally:
            os.close(fd)

    def op_mkdir(self, p, mode, mask):
        old = os.umask(mask)
        try:
            os.mkdir(self.path(p), mode)
        finally:
            os.umask(old)

    def op_rmdir(self, p):
        os.rmdir(self.path(p))

    def op_unlink(self, p):
        os.unlink(self.path(p))

    def op_symlink(self, p, target):
        os.symlink(target, self.path(p))

    def op_readlink(self, p):
        return os.readlink(self.path(p))

    def op_link(self, p, q):
        os.link(self.path(p), self.path(q), follow_symlinks=False)

    def op_mknod(self, p, mode, device):
        os.mknod(self.path(p), mode, device)

    def op_rename(self, p, q, flags):
        call(libc.renameat2, -100, self.path(p).encode(), -100, self.path(q).encode(), flags)

    def op_chmod(self, p, mode):
        if os.path.isfile(self.path(p)) and self.has_capability(p):
            mode &= 0o777
        os.chmod(self.path(p), mode)

    def op_chown(self, p, uid, gid):
        os.chown(self.path(p), uid, gid, follow_symlinks=False)

    def op_utime(self, p, when):
        os.utime(self.path(p), (when, when), follow_symlinks=False)

    def op_truncate(self, p, size):
        os.truncate(self.path(p), size)

    def op_setxattr(self, p, key, value, flags):
        # The kernel copies up before it finds that CREATE or REPLACE must fail; ours does not.
        if flags and not os.path.lexists(os.path.join(self.upper, p)):
            flags = 0
        os.setxattr(self.path(p), key, value, flags, follow_symlinks=False)

    def op_getxattr(self, p, key):
        return os.getxattr(self.path(p), key, follow_symlinks=False)

    def op_removexattr(self, p, key):
        os.removexattr(self.path(p), key, follow_symlinks=False)

    def op_setacl(self, p, kind, who, bits):
        """An ACL with one named user and one named group."""
        entries = [(1, 7, -1), (2, bits & 7, who), (4, bits >> 3 & 7, -1), (8, 5, who), (16, bits >> 6 & 7 | 1, -1),
                   (32, bits & 5, -1)]
        value = struct.pack("<I", 2) + b"".join(struct.pack("<HHi", *e) for e in entries)
        os.setxattr(self.path(p), "system.posix_acl_" + kind, value, follow_symlinks=False)

    def op_setcap(self, p, bits):
        # FUSE does not say whether a capability alone is to go or setuid bits too: both go.
        if os.lstat(self.path(p)).st_mode & 0o6000:
            return
        os.setxattr(self.path(p), "security.capability", struct.pack("<5I", 0x2000001, bits, 0, 0, 0), follow_symlinks=False)

    def op_as(self, uid, gid, name, *arguments):
        # Some are of further groups as well.
        os.setgroups([33, 1000] if uid == gid else [])
        os.setegid(gid)
        os.seteuid(uid)
        try:
            return getattr(self, "op_" + name)(*arguments)
        finally:
            os.seteuid(0)
            os.setegid(0)
            os.setgroups([])

    def op_seek(self, p, whence, offset):
        """Where holes are is the file system's matter; that they read as zeros is not."""
        fd = os.open(self.path(p), os.O_RDONLY | os.O_NONBLOCK)
        try:
            size = os.fstat(fd).st_size
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                return None
            try:
                found = os.lseek(fd, offset, whence)
            except OSError as error:
                if error.errno != errno.ENXIO or offset >= size or whence != os.SEEK_DATA:
                    raise
                found = size
            between = os.pread(fd, found - offset, offset)
            return whence == os.SEEK_HOLE or not between.strip(b"\0")
        finally:
            os.close(fd)

    def op_map(self, p, value):
        fd = os.open(self.path(p), os.O_RDWR | os.O_NONBLOCK)
        try:
            info, size = os.fstat(fd), os.fstat(fd).st_size
            # What the daemon writes for a mapping drops privileges, as any other write does.
            if size == 0 or not stat.S_ISREG(info.st_mode) or info.st_mode & 0o6000 or self.has_capability(p):
                return None
            with mmap.mmap(fd, size) as memory:
                memory[size // 2] = value
                memory.flush()
                return hash(memory[:])
        finally:
            os.close(fd)

    def has_capability(self, p):
        return "security.capability" in os.listxattr(self.path(p))

    def op_statfs(self, p):
        info = os.statvfs(self.path(p))
        return info.f_namemax, info.f_blocks, info.f_bsize, info.f_frsize, info.f_files

    def op_stat(self, p):
        return describe(self.path(p), os.lstat(self.path(p)))

    def op_listdir(self, p):
        return sorted(n for n in os.listdir(self.path(p)) if os.path.lexists(self.path(p) + "/" + n))

    def op_access(self, p, mode):
        return os.access(self.path(p), mode)

    def op_open(self, key, p, flags):
        if key in self.fds:
            os.close(self.fds.pop(key))
        self.fds[key] = os.open(self.path(p), flags)
        self.numbers[key] = os.fstat(self.fds[key]).st_ino

    def op_close(self, key):
        if key in self.fds:
            os.close(self.fds.pop(key))

    def op_fdread(self, key, offset, size):
        return os.pread(self.fds[key], size, offset) if key in self.fds else None

    def op_fdwrite(self, key, offset, data):
        return os.pwrite(self.fds[key], data, offset) if key in self.fds else None

    def op_fdchmod(self, key, mode):
        # The kernel brings the name of a removed lower fifo back when its mode changes.
        if key in self.fds and not stat.S_ISFIFO(os.fstat(self.fds[key]).st_mode):
            os.fchmod(self.fds[key], mode & 0o777)

    def op_fdtruncate(self, key, size):
        return os.ftruncate(self.fds[key], size) if key in self.fds else None

    def op_fdstat(self, key):
        if key not in self.fds:
            return None
        info = os.fstat(self.fds[key])
        return (info.st_size, info.st_mode, info.st_uid, info.st_nlink)

    def op_fdsync(self, key):
        return os.fsync(self.fds[key]) if key in self.fds else None

    def op_fdcopy(self, key, other, offset):
        if key in self.fds and other in self.fds:
            return self.copy(self.fds[key], self.fds[other], 5000, 0, offset)

    def op_fdchown(self, key, uid, gid):
        # As for fdchmod.
        if key in self.fds and not stat.S_ISFIFO(os.fstat(self.fds[key]).st_mode):
            os.fchown(self.fds[key], uid, gid)

    def op_fdutime(self, key, when):
        if key in self.fds and not stat.S_ISFIFO(os.fstat(self.fds[key]).st_mode):
            os.utime(self.fds[key], (when, when))

    def op_fdsetxattr(self, key, name, value):
        if key in self.fds and not stat.S_ISFIFO(os.fstat(self.fds[key]).st_mode):
            os.setxattr(self.fds[key], name, value)

    def op_fdgetxattr(self, key, name):
        return os.getxattr(self.fds[key], name) if key in self.fds else None

    def op_fdreopen(self, key, data):
        """Writes through /proc/self/fd, which has no name of the mount."""
        if key not in self.fds or not stat.S_ISREG(os.fstat(self.fds[key]).st_mode):
            return None
        fd = os.open(f"/proc/self/fd/{self.fds[key]}", os.O_RDWR)
        try:
            return os.pwrite(fd, data, 2), hash(os.pread(fd, 10000, 0))
        finally:
            os.close(fd)

    def op_fdlist(self, key):
        if key in self.fds and stat.S_ISDIR(os.fstat(self.fds[key]).st_mode):
            return sorted(os.listdir(self.fds[key]))

    def op_fdmake(self, key, name, how):
        """Makes, removes or looks something up below an open directory, which may be gone."""
        if key not in self.fds or not stat.S_ISDIR(os.fstat(self.fds[key]).st_mode):
            return None
        d = self.fds[key]
        if how == "file":
            os.close(os.open(name, os.O_CREAT | os.O_WRONLY | os.O_NONBLOCK, 0o640, dir_fd=d))
        elif how == "dir":
            os.mkdir(name, 0o750, dir_fd=d)
        elif how == "unlink":
            os.unlink(name, dir_fd=d)
        elif how == "stat":
            return describe(name, os.stat(name, dir_fd=d, follow_symlinks=False))

    def op_setflags(self, p, bits):
        """FS_IOC_SETFLAGS; what is set shows in op_getflags."""
        fd = os.open(self.path(p), os.O_RDONLY | os.O_NONBLOCK)
        try:
            if stat.S_ISREG(os.fstat(fd).st_mode) or stat.S_ISDIR(os.fstat(fd).st_mode):
                now = struct.unpack("<i", fcntl.ioctl(fd, 0x80086601, bytes(4)))[0]
                fcntl.ioctl(fd, 0x40086602, struct.pack("<i", now & ~0xF0 | bits))
        finally:
            os.close(fd)

    def op_getflags(self, p):
        fd = os.open(self.path(p), os.O_RDONLY | os.O_NONBLOCK)
        try:
            if stat.S_ISREG(os.fstat(fd).st_mode) or stat.S_ISDIR(os.fstat(fd).st_mode):
                return struct.unpack("<i", fcntl.ioctl(fd, 0x80086601, bytes(4)))[0] & 0xF0
        finally:
            os.close(fd)

    def op_fallocate(self, p, mode, offset, length):
        fd = os.open(self.path(p), os.O_RDWR | os.O_NONBLOCK)
        try:
            call(libc.fallocate64, fd, mode, ctypes.c_long(offset), ctypes.c_long(length))
        finally:
            os.close(fd)

    def copy(self, source, target, count, start, end):
        """The kernel's overlay copies within one file system only."""
        try:
            return os.copy_file_range(source, target, count, start, end)
        except OSError as error:
            if error.errno != errno.EXDEV or not self.plan.apart:
                raise
            return os.pwrite(target, os.pread(source, count, start or 0), end or 0)

    def op_copyrange(self, p, q, count):
        source = os.open(self.path(p), os.O_RDONLY | os.O_NONBLOCK)
        try:
            target = os.open(self.path(q), os.O_RDWR | os.O_NONBLOCK)
            try:
                return self.copy(source, target, count, None, None)
            finally:
                os.close(target)
        finally:
            os.close(source)

    def op_fsync(self, p):
        fd = os.open(self.path(p), os.O_RDONLY | os.O_NONBLOCK)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def op_tmpfile(self, p, mode, name, data):
        fd = os.open(self.path(p), os.O_TMPFILE | os.O_RDWR, mode)
        try:
            os.write(fd, data)
            if name:
                call(libc.linkat, -100, b"/proc/self/fd/%d" % fd, -100, self.path(name).encode(), 0x400)
        finally:
            os.close(fd)


def describe(path, info):
    """What of a stat must be equal on both sides."""
    fields = dict(
        type=stat.S_IFMT(info.st_mode), mode=oct(stat.S_IMODE(info.st_mode)), uid=info.st_uid,
        gid=info.st_gid)
    fields.update(size=info.st_size, nlink=info.st_nlink, rdev=info.st_rdev, blksize=info.st_blksize)
    return fields


def snapshot(root, started, mark):
    """Everything that a user can see of a tree. Times from before `started` are told exactly, later ones
    only as before or since `mark`."""
    tree, numbers = {}, {}

    def when(nanoseconds):
        return nanoseconds if nanoseconds < started else "now" if nanoseconds >= mark else "lately"

    for directory, dirs, files in os.walk(root):
        with os.scandir(directory) as entries:
            listed = {e.name: e for e in entries}
        for name in ["."] + sorted(listed):
            if name == "." and directory != root:
                continue
            path = os.path.join(directory, name)
            try:
                info = os.lstat(path)
            except FileNotFoundError:
                # The kernel lists the whiteouts of a directory that only one layer has.
                continue
            fields = describe(path, info)
            fields["atime"] = when(info.st_atime_ns)
            if not stat.S_ISDIR(info.st_mode):
                fields["blocks"] = info.st_blocks
            fields["mtime"], fields["changed"] = when(info.st_mtime_ns), info.st_ctime_ns >= mark
            fields["number"] = (info.st_dev, info.st_ino)
            if name != ".":
                fields["d_ino"] = listed[name].inode() == info.st_ino
                fields["d_type"] = listed[name].is_dir(follow_symlinks=False)
            key = os.path.relpath(path, root)
            try:
                fields["xattrs"] = {
                    n: os.getxattr(path, n, follow_symlinks=False)
                    for n in sorted(os.listxattr(path, follow_symlinks=False))}
            except OSError as error:
                fields["xattrs"] = error.errno
            if stat.S_ISREG(info.st_mode):
                with open(path, "rb") as f:
                    fields["content"] = f.read()
            elif stat.S_ISLNK(info.st_mode):
                fields["target"] = os.readlink(path)
            if not stat.S_ISDIR(info.st_mode):
                numbers.setdefault(fields["number"], []).append(key)
            tree[key] = fields
    # Which names are one inode.
    for names in numbers.values():
        for name in names:
            tree[name]["same"] = sorted(names)
    return tree


def touched(key, paths):
    return any(not p or key == p or key.startswith(p + "/") for p in paths)


def difference(ours, kernel, before, paths, upper, redirects, userns):
    """Lines that say how what ours shows differs from what the kernel's overlay shows; `before`: the
    two trees of the last comparison, `paths`: names that have been given to other objects since,
    `upper`: our upper."""
    lines = []
    for key in sorted(set(ours) | set(kernel)):
        if key not in ours or key not in kernel:
            lines.append(f"  {key}: only in {'ours' if key in ours else 'the kernel'}")
            continue
        x, y = dict(ours[key]), dict(kernel[key])
        if userns:
            del x["atime"], y["atime"]
        for side, tree, old in ((x, ours, before[0]), (y, kernel, before[1])):
            number = side.pop("number")
            side["stable"] = touched(key, paths) or key not in old or old[key]["number"][1] == number[1]
        for field in sorted(set(x) | set(y)):
            # The kernel lists some copied-up children under another number than stat shows, and changes
            # some numbers at copy-up.
            wanted = field in ("d_ino", "stable") and y.get(field) is False
            # It keeps holes of a copied file by the mebibyte, ours to the byte.
            if field == "blocks":
                wanted = x[field] < y[field]
                # In a user namespace it gives each copy one attribute more, for which an inode that holds an
                # ACL may need a block; after the uppers were crossed that is ours.
                wanted = wanted or (userns and bool(x["xattrs"]) and x[field] == y[field] + 8)
            # With redirects it touches a directory for a rename that then fails, and copies it up.
            if field == "mtime" and x["type"] == stat.S_IFDIR:
                wanted = redirects
            if field == "nlink" and x["type"] == stat.S_IFDIR and y[field] == 1:
                wanted = redirects
            # It also copies up for a change that then fails, which dates file and directory.
            if field == "changed":
                wanted = x[field] or x["type"] == stat.S_IFDIR or not os.path.lexists(os.path.join(upper, key))
            if field == "d_ino" and x.get(field) is False:
                lines.append(f"  {key}: d_ino is not st_ino")
            if x.get(field) != y.get(field) and not wanted:
                lines.append(f"  {key}: {field}: ours {str(x.get(field))[:120]} / kernel {str(y.get(field))[:120]}")
    return lines


class Walk:
    """Draws operations; paths come from what the first side has, and new ones."""

    def __init__(self, rng, side, userns):
        self.rng, self.side, self.userns = rng, side, userns
        # Names that were given protecting flags: they are to be let go some time.
        self.protected = []

    def existing(self):
        names = []
        for directory, dirs, files in os.walk(self.side.mp):
            for name in dirs + files:
                names.append(os.path.relpath(os.path.join(directory, name), self.side.mp))
        return sorted(names)

    def operation(self):
        rng = self.rng
        have = self.existing()
        dirs = [""] + [p for p in have if os.path.isdir(self.side.path(p)) and not os.path.islink(self.side.path(p))]

        def new():
            return os.path.join(rng.choice(dirs), rng.choice(NAMES))

        def old():
            return rng.choice(have) if have and rng.random() < 0.93 else new()

        def data():
            return bytes([rng.randrange(256)]) * rng.choice([1, 5, 100, 5000])

        mode = lambda: rng.choice([0o644, 0o600, 0o755, 0o4755, 0o2755, 0o6711, 0o777, 0o1777, 0o444])
        key = rng.randrange(4)
        xattr = rng.choice(["user.t", "user.u", "user.overlay.x", "user." + "n" * 200] if self.userns
                           else ["user.t", "user.u", "trusted.z", "trusted.overlay.x", "trusted.overlay.opaque", "security.s"])
        who = lambda: rng.choice(IDS[1:4])
        asked = [
            ("unlink", old()), ("rmdir", rng.choice(dirs[1:] or ["x"])), ("rename", old(), new(), 0), ("chmod", old(), mode()),
            ("truncate", old(), 5), ("setxattr", old(), "user.t", b"as", 0), ("link", old(), new()), ("symlink", new(), "as"),
            ("mknod", new(), stat.S_IFIFO | 0o666, 0), ("read", old()), ("listdir", rng.choice(dirs)), ("write", old(), 0, 0, b"as"),
            ("utime", old(), 5), ("chown", old(), who(), -1), ("chown", old(), -1, who()), ("removexattr", old(), "user.t"),
            ("rename", old(), old(), rng.choice([0, 2])), ("setacl", old(), "access", who(), 0o777), ("map", old(), 65),
            ("tmpfile", rng.choice(dirs), 0o2770, new(), b"as"), ("fallocate", old(), 0, 0, 100),
            ("mkdir", new(), 0o2777, 0o22), ("create", new(), 0o666, 0o22, b"as"), ("access", old(), rng.randrange(8))]
        choices = [
            (12, lambda: ("as", who(), who()) + rng.choice(asked)),
            (3, lambda: ("setacl", old(), rng.choice(["access", "default"]), rng.choice(IDS), rng.randrange(512))),
            (2, lambda: ("setcap", old(), rng.randrange(1 << 20))),
            (2, lambda: ("seek", old(), rng.choice([os.SEEK_DATA, os.SEEK_HOLE]), rng.choice([0, 1, 4096, 50000]))),
            (2, lambda: ("map", old(), rng.randrange(256))),
            (1, lambda: ("fdsync", key)),
            (1, lambda: ("fdcopy", key, rng.randrange(4), rng.choice([0, 6000]))),
            (1, lambda: ("statfs", old())),
            (1, lambda: ("fdchown", key, rng.choice(IDS + [-1]), rng.choice(IDS + [-1]))),
            (1, lambda: ("fdutime", key, rng.randrange(10**9))),
            (1, lambda: ("fdsetxattr", key, "user.t", data()[:50])),
            (1, lambda: ("fdgetxattr", key, "user.t")),
            (1, lambda: ("fdreopen", key, data())),
            (2, lambda: ("fdlist", key)),
            (3, lambda: ("fdmake", key, rng.choice(NAMES), rng.choice(["file", "dir", "unlink", "stat", "stat"]))),
            (2, lambda: ("access", old(), rng.randrange(8))),
            (2, lambda: ("readlink", old())),
            (1, lambda: ("setflags", old(), rng.choice([0, 0, 0x80, 0x40, 0xC0, 0x10, 0x20]))),
            (2, lambda: ("setflags", rng.choice(self.protected or [old()]), 0)),
            (1, lambda: ("getflags", old())),
            (6, lambda: ("create", new(), mode() & 0o777, rng.choice([0, 0o22, 0o77]), data())),
            (6, lambda: ("mkdir", new(), rng.choice([0o777, 0o755, 0o700]), rng.choice([0, 0o22, 0o77]))),
            (6, lambda: ("write", old(), rng.choice([0, 0, os.O_TRUNC, os.O_APPEND]), rng.choice([0, 3, 5000]), data())),
            (4, lambda: ("read", old())),
            (9, lambda: ("unlink", old())),
            (7, lambda: ("rmdir", rng.choice(dirs[1:] or ["x"]))),
            (3, lambda: ("symlink", new(), "s%d" % rng.randrange(99))),
            (4, lambda: ("link", old(), new())),
            (14, lambda: ("rename", old(), rng.choice([new, old])(), rng.choice([0, 0, 0, 0, 1, 2, 2, 4, 3, 8]))),
            (5, lambda: ("chmod", old(), mode())),
            (5, lambda: ("chown", old(), rng.choice(IDS + [-1]), rng.choice(IDS + [-1]))),
            (3, lambda: ("utime", old(), rng.randrange(10**9))),
            (3, lambda: ("truncate", old(), rng.choice([0, 1, 100, 9000]))),
            (3, lambda: ("setxattr", old(), xattr, data()[:100], rng.choice([0, 0, 1, 2, 3]))),
            (2, lambda: ("getxattr", old(), xattr)),
            (2, lambda: ("removexattr", old(), xattr)),
            (5, lambda: ("stat", old())),
            (3, lambda: ("listdir", rng.choice(dirs))),
            (3, lambda: ("mknod", new(), rng.choice([stat.S_IFIFO | 0o644, stat.S_IFSOCK | 0o600, stat.S_IFREG | 0o640, stat.S_IFCHR | 0o644, stat.S_IFBLK | 0o600]),
                         rng.choice([0, os.makedev(7, 1)]))),
            (3, lambda: ("open", key, old(), rng.choice([os.O_RDONLY, os.O_RDWR, os.O_WRONLY, os.O_PATH]) | os.O_NONBLOCK)),
            (1, lambda: ("close", key)),
            (3, lambda: ("fdread", key, rng.choice([0, 2]), 6000)),
            (3, lambda: ("fdwrite", key, rng.choice([0, 7]), data())),
            (1, lambda: ("fdchmod", key, mode())),
            (1, lambda: ("fdtruncate", key, rng.choice([0, 9]))),
            (2, lambda: ("fdstat", key)),
            (2, lambda: ("fallocate", old(), rng.choice([0, 1, 3]), rng.choice([0, 4096]), 8192)),
            (2, lambda: ("copyrange", old(), old(), rng.choice([10, 100000]))),
            (1, lambda: ("fsync", old())),
            (2, lambda: ("tmpfile", rng.choice(dirs), 0o640, rng.choice([None, new()]), data())),
            (2, lambda: ("write_as", old(), rng.choice(IDS[1:4]), data())),
            (3, lambda: ("create_as", new(), rng.choice(IDS[1:4]), rng.choice(IDS[1:4]), mode())),
            (3, lambda: ("mkdir_as", new(), rng.choice(IDS[1:4]), rng.choice(IDS[1:4]), 0o777)),
        ]
        operation = rng.choices([c for _, c in choices], [w for w, _ in choices])[0]()
        if operation[0] == "setflags" and operation[2] & 0x30:
            self.protected = (self.protected + [operation[1]])[-5:]
        return operation


class Plan:
    """What one seed tries."""

    def __init__(self, seed, arguments):
        rng = random.Random(f"plan {seed}")
        self.userns = arguments.userns
        self.apart = rng.random() < 0.25
        self.redirects = not arguments.userns and rng.random() < 0.25


class Trial:
    def __init__(self, seed, arguments):
        self.seed, self.arguments, self.rng, self.plan = seed, arguments, random.Random(seed), Plan(seed, arguments)
        self.base = os.path.join(arguments.dir, f"oracle-{os.getpid()}-{seed}")
        shutil.rmtree(self.base, ignore_errors=True)
        os.makedirs(self.base)
        if not arguments.userns:
            # What is read is dated by nobody: whether a read gets as far as the file depends on caches.
            call(libc.mount, self.base.encode(), self.base.encode(), None, 4096, None)
            call(libc.mount, None, self.base.encode(), None, 4096 | 32 | 1024, None)
        self.layers = Layers(self.rng, arguments.userns)
        self.sides = [Side(name, f"{self.base}/{name}", program, arguments.option, self.layers, self.plan)
                      for name, program in (("k", "kernel"), ("s", arguments.program))]
        self.started = time.time_ns()
        # Names that were given to other objects since the last comparison.
        self.trail, self.moved, self.before, self.mark = [], set(), ({}, {}), self.started

    def ordered(self, pair):
        """Ours first."""
        return pair[::-1] if self.sides[0].is_kernel else pair

    def compare(self, stage):
        """Whether both show the same."""
        pair = [snapshot(s.mp, self.started, self.mark) for s in self.sides]
        ours, kernel = self.ordered(pair)
        before = self.ordered(self.before)
        lines = difference(ours, kernel, before, self.moved, self.ordered(self.sides)[0].upper, self.plan.redirects,
                           self.plan.userns)
        self.before, self.moved = pair, set()
        time.sleep(0.01)
        # The clock by which file systems date changes: CLOCK_REALTIME_COARSE.
        self.mark = time.clock_gettime_ns(5)
        time.sleep(0.01)
        if lines:
            print(f"DIFFERENCE seed {self.seed} {stage} (lowers apart: {self.plan.apart}, redirects: {self.plan.redirects}):")
            print("\n".join(lines[:40]))
            for op in self.trail[-30:]:
                print("   ", op)
        return not lines

    def both(self, action):
        for side in self.sides:
            action(side)

    def swap(self):
        """Each upper is mounted by the other program from now on."""
        self.both(Side.unmount)
        self.sides[0].program, self.sides[1].program = self.sides[1].program, self.sides[0].program
        self.both(Side.mount)

    def step(self, number, walk):
        op = walk.operation()
        split = self.plan.userns and "link" in op[:4] and any(
            s.is_kernel and s.splits(op[op.index("link") + 1]) for s in self.sides)
        pair = [s.do(op) for s in self.sides]
        ours, kernel = self.ordered(pair)
        self.trail.append(f"{number} {str(op)[:300]} -> {str(kernel)[:100]}")
        self.moved.update(moves(op))
        agrees = same(op, kernel, ours)
        if agrees is None and self.layers.has("attrwhite"):
            return None
        if not agrees:
            print(f"seed {self.seed} step {number}: {str(op)[:300]}\n   kernel {str(kernel)[:300]}\n   ours   {str(ours)[:300]}")
            print("\n".join("    " + line for line in self.trail[-25:]))
            return False
        if split and ours == kernel == ("ok", None):
            self.both(Side.remount)
        elif self.rng.random() < 0.01:
            self.swap()
            self.trail.append(f"{number} swapped")
        every = self.arguments.every
        return number % every != every - 1 or self.compare(f"after step {number}")

    def run(self):
        self.both(Side.mount)
        if not self.compare("at the start"):
            return False
        walk = Walk(self.rng, self.sides[0], self.plan.userns)
        for number in range(self.arguments.ops):
            good = self.step(number, walk)
            if not good:
                # None: known to differ, and from here on the two are not the same.
                return good is None
        if not self.compare("at the end"):
            return False
        self.both(Side.remount)
        good = self.compare("mounted again")
        self.swap()
        good = self.compare("with the uppers crossed") and good
        self.both(Side.unmount)
        return good

    def close(self, good):
        if not good and self.arguments.trail:
            with open(f"{self.arguments.trail}-{self.seed}", "w") as f:
                f.write("\n".join([str(e) for l in self.layers.plan for e in l] + self.trail) + "\n")
        self.both(Side.remove)
        if not self.plan.userns:
            libc.umount2(self.base.encode(), 2)
        if good or not self.arguments.keep:
            shutil.rmtree(self.base, ignore_errors=True)


def moves(op):
    """The names that an operation may give to another object."""
    if op[0] == "as":
        return moves(op[3:])
    if op[0] == "fdmake":
        return [""]
    if op[0] in ("create", "create_as", "mkdir", "mkdir_as", "unlink", "rmdir", "symlink", "mknod"):
        return [op[1]]
    return {"rename": op[1:3], "link": op[2:3], "tmpfile": op[3:4]}.get(op[0], []) if op[0] != "tmpfile" or op[3] else []


def same(op, kernel, ours):
    """Whether the answers are equal, or differ as is known and wanted."""
    if ours == kernel:
        return True
    if op[0] == "as":
        return same(op[3:], kernel, ours)
    # The kernel counts whiteouts by attribute when it looks whether a directory is empty.
    if op[0] in ("rmdir", "rename") and kernel == ("error", "ENOTEMPTY") and ours == ("ok", None):
        return None
    # The kernel part of FUSE knows of no flags that protect a file, so it looks at modes and types first, and
    # access(2) at nothing else.
    if kernel == ("error", "EPERM") and ours in [("error", e) for e in ("EACCES", "EINVAL", "ENOTDIR", "EISDIR")]:
        return True
    if op[0] == "access" and op[2] & os.W_OK and (kernel, ours) == (("ok", False), ("ok", True)):
        return True
    # A FUSE file system refuses what its kernel part never hands on.
    if op[0] == "fallocate" and ours == ("error", "ENOTSUP"):
        return True
    # The kernel's overlay copies a removed lower directory up by a name that is gone.
    return op[0] in ("fdchmod", "fdchown", "fdutime") and kernel in (("error", "ENOTDIR"), ("error", "ENOENT")) and ours == ("ok", None)


def trial(seed, arguments):
    it = Trial(seed, arguments)
    good = False
    try:
        good = it.run()
    finally:
        it.close(good)
    return good


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--ops", type=int, default=200)
    parser.add_argument("--every", type=int, default=40)
    parser.add_argument("--dir", default="/var/tmp")
    parser.add_argument("--option", default="")
    parser.add_argument("--userns", action="store_true")
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--trail", help="write every step of a seed with a difference to TRAIL-SEED")
    parser.add_argument("--stop", action="store_true", help="end at the first difference")
    arguments = parser.parse_args()
    os.umask(0)
    bad = []
    for seed in range(arguments.seed, arguments.seed + arguments.count):
        if not trial(seed, arguments):
            bad.append(seed)
            if arguments.stop:
                break
    print(f"{arguments.count} seeds, {len(bad)} with differences: {bad}")
    sys.exit(1 if bad else 0)


main()
