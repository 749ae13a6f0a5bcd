#!/usr/bin/env python3
"""Named cases of strata-overlay: every form of mark, option and trap, through real mounts, as root.

Usage: overlay-forms.py PROGRAM [--dir DIR] [PATTERN]
Prints one line a case and ends with `N passed, N failed`.
"""
import argparse, ctypes, errno, fcntl, mmap, os, random, re, resource, shutil, signal, stat, struct, subprocess, sys, time, traceback

libc = ctypes.CDLL(None, use_errno=True)
CASES = []


def case(function):
    CASES.append(function)
    return function


def fails(number, function, *arguments, **more):
    try:
        function(*arguments, **more)
    except OSError as error:
        assert error.errno == number, f"{errno.errorcode.get(error.errno)} instead of {errno.errorcode[number]}"
        return
    raise AssertionError(f"worked, {errno.errorcode[number]} was due")


def same(a, b):
    assert a == b, f"{a!r} is not {b!r}"


def call(function, *arguments):
    if function(*arguments) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def renameat2(a, b, flags):
    call(libc.renameat2, -100, a.encode(), -100, b.encode(), flags)


def as_user(uid, groups, function, *arguments):
    """Calls the function in a process of that user, whose group has the same number; raises its OSError."""
    child = os.fork()
    if child == 0:
        try:
            os.setgroups(groups)
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
            function(*arguments)
        except OSError as error:
            os._exit(error.errno)
        os._exit(0)
    number = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if number:
        raise OSError(number, os.strerror(number))


def put(path, text="", mode=None):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as f:
        f.write(text)
    if mode is not None:
        os.chmod(path, mode)
    return path


def get(path):
    with open(path) as f:
        return f.read()


def whiteout(path):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    os.mknod(path, stat.S_IFCHR, 0)


def is_whiteout(path):
    info = os.lstat(path)
    return stat.S_ISCHR(info.st_mode) and info.st_rdev == 0


class Lab:
    """Layers, and the mounts of them."""

    def __init__(self, program, base):
        self.program, self.base, self.layers = program, base, []
        shutil.rmtree(base, ignore_errors=True)
        self.upper, self.work, self.mp = (os.path.join(base, n) for n in ("upper", "work", "mp"))
        for path in (self.upper, self.work, self.mp):
            os.makedirs(path)

    def lower(self, number):
        """Topmost is 1."""
        path = os.path.join(self.base, f"l{number}")
        if path not in self.layers:
            os.makedirs(path)
            self.layers.append(path)
        return path

    def text(self, extra="", upper=True, lowers=None):
        layers = lowers or sorted(self.layers, key=lambda p: int(p.rsplit("l", 1)[1]))
        text = "lowerdir=" + ":".join(layers)
        if upper:
            text += f",upperdir={self.upper},workdir={self.work}"
        return text + ("," + extra if extra else "")

    def mount(self, extra="", upper=True, lowers=None, preexec=None):
        result = subprocess.run(
            [self.program, "-o", self.text(extra, upper, lowers), self.mp], capture_output=True,
            preexec_fn=preexec)
        same((result.returncode, result.stderr), (0, b""))
        return self.mp

    def kernel(self, extra="redirect_dir=follow"):
        call(libc.mount, b"overlay", self.mp.encode(), b"overlay", 0, self.text(extra).encode())
        return self.mp

    def unmount(self):
        for _ in range(100):
            if libc.umount2(self.mp.encode(), 0) == 0:
                time.sleep(0.01)
                return
            time.sleep(0.02)
        libc.umount2(self.mp.encode(), 2)
        raise AssertionError("busy")

    def again(self, extra=""):
        self.unmount()
        return self.mount(extra)

    def daemon(self):
        out = subprocess.run(["pgrep", "-f", self.mp + "$"], capture_output=True, text=True).stdout
        return int(out.split()[0])

    def close(self):
        while os.path.ismount(self.mp) or self.broken():
            if libc.umount2(self.mp.encode(), 2) < 0:
                break
        shutil.rmtree(self.base, ignore_errors=True)

    def broken(self):
        try:
            os.stat(self.mp)
            return False
        except OSError as error:
            return error.errno == errno.ENOTCONN


# Marks that are read


@case
def aufs_whiteouts_hide(lab):
    put(lab.lower(1) + "/.wh.gone")
    put(lab.lower(1) + "/d/.wh.x")
    put(lab.lower(2) + "/gone", "g")
    put(lab.lower(2) + "/d/x", "x")
    put(lab.lower(2) + "/d/y", "y")
    m = lab.mount()
    same(sorted(os.listdir(m)), ["d"])
    same(os.listdir(m + "/d"), ["y"])
    fails(errno.ENOENT, os.lstat, m + "/gone")
    fails(errno.ENOENT, os.lstat, m + "/.wh.gone")
    fails(errno.ENOENT, os.lstat, m + "/d/.wh.x")
    put(m + "/gone", "new")
    put(m + "/d/x", "new")
    m = lab.again()
    same((get(m + "/gone"), get(m + "/d/x")), ("new", "new"))


@case
def object_wins_over_marker_of_its_layer(lab):
    put(lab.lower(1) + "/n/a", "a")
    put(lab.lower(1) + "/.wh.n")
    put(lab.lower(2) + "/n/b", "b")
    m = lab.mount()
    same(os.listdir(m + "/n"), ["a"])


@case
def aufs_opaque_directories(lab):
    put(lab.lower(1) + "/d/.wh..wh..opq")
    put(lab.lower(1) + "/d/new")
    put(lab.lower(2) + "/d/old")
    m = lab.mount()
    same(os.listdir(m + "/d"), ["new"])
    fails(errno.ENOENT, os.lstat, m + "/d/old")
    same(os.lstat(m + "/d").st_nlink, 2)
    os.unlink(m + "/d/new")
    os.rmdir(m + "/d")
    same(os.listdir(m), [])
    assert is_whiteout(lab.upper + "/d")


@case
def opaque_root(lab):
    put(lab.lower(1) + "/.wh..wh..opq")
    put(lab.lower(1) + "/new")
    put(lab.lower(2) + "/old")
    same(os.listdir(lab.mount()), ["new"])


@case
def opaque_attributes_of_all_programs(lab):
    for name in ("trusted.overlay.opaque", "user.overlay.opaque", "user.fuseoverlayfs.opaque"):
        put(lab.lower(1) + f"/{name}/new")
        os.setxattr(lab.lower(1) + f"/{name}", name, b"y")
        put(lab.lower(2) + f"/{name}/old")
    m = lab.mount()
    for name in os.listdir(m):
        same(os.listdir(m + "/" + name), ["new"])
        same(os.listxattr(m + "/" + name), [])


@case
def attribute_whiteouts(lab):
    for space in ("trusted", "user"):
        d = lab.lower(1) + "/" + space
        put(d + "/x")
        put(d + "/plain")
        os.setxattr(d, space + ".overlay.opaque", b"x")
        os.setxattr(d + "/x", space + ".overlay.whiteout", b"")
        put(lab.lower(2) + f"/{space}/x", "x")
        put(lab.lower(2) + f"/{space}/y", "y")
    m = lab.mount()
    for space in ("trusted", "user"):
        same(sorted(os.listdir(m + "/" + space)), ["plain", "y"])
        fails(errno.ENOENT, os.lstat, f"{m}/{space}/x")
        put(f"{m}/{space}/x", "again")
        same(get(f"{m}/{space}/x"), "again")


@case
def types_stop_merging(lab):
    put(lab.lower(1) + "/a/top")
    put(lab.lower(2) + "/a", "file")
    put(lab.lower(3) + "/a/deep")
    put(lab.lower(1) + "/b/one")
    put(lab.lower(2) + "/b/two")
    put(lab.lower(3) + "/b", "file")
    m = lab.mount()
    same(os.listdir(m + "/a"), ["top"])
    same(sorted(os.listdir(m + "/b")), ["one", "two"])


@case
def redirects_are_followed(lab):
    for space in ("trusted", "user"):
        top = lab.lower(1) + f"/{space}"
        put(top + "/new/own")
        os.setxattr(top + "/new", space + ".overlay.redirect", b"old")
        whiteout(top + "/old")
        put(top + "/far/own")
        os.setxattr(top + "/far", space + ".overlay.redirect", f"/{space}/deep/er".encode())
        put(lab.lower(2) + f"/{space}/old/file", "f")
        put(lab.lower(2) + f"/{space}/deep/er/there", "t")
    m = lab.mount()
    for space in ("trusted", "user"):
        same(sorted(os.listdir(f"{m}/{space}")), ["deep", "far", "new"])
        same(sorted(os.listdir(f"{m}/{space}/new")), ["file", "own"])
        same(sorted(os.listdir(f"{m}/{space}/far")), ["own", "there"])
        same(get(f"{m}/{space}/far/there"), "t")
        put(f"{m}/{space}/far/there", "changed")
    m = lab.again()
    same(get(m + "/user/far/there"), "changed")
    lab.unmount()
    m = lab.mount("redirect_dir=nofollow")
    fails(errno.EPERM, os.lstat, m + "/user/new")


@case
def metacopy_has_the_data_of_the_lower(lab):
    text = "d" * 5000
    for space in ("trusted", "user"):
        top = put(lab.lower(1) + f"/{space}")
        os.truncate(top, 5000)
        os.setxattr(top, space + ".overlay.metacopy", b"")
        put(lab.lower(2) + f"/{space}", text)
    lost = put(lab.lower(1) + "/lost")
    os.truncate(lost, 5000)
    os.setxattr(lost, "trusted.overlay.metacopy", b"")
    moved = put(lab.lower(1) + "/moved")
    os.truncate(moved, 5000)
    os.chmod(moved, 0o600)
    os.setxattr(moved, "trusted.overlay.metacopy", b"")
    os.setxattr(moved, "trusted.overlay.redirect", b"/x/y")
    put(lab.lower(3) + "/x/y", text)
    m = lab.mount()
    for name in ("trusted", "user", "moved"):
        same(get(m + "/" + name), text)
    fails(errno.EIO, get, m + "/lost")
    with open(m + "/moved", "a") as f:
        f.write("more")
    same(get(m + "/moved"), text + "more")
    same(get(lab.base + "/l3/x/y"), text)
    m = lab.again()
    same((get(m + "/moved"), os.stat(m + "/moved").st_mode & 0o777), (text + "more", 0o600))


@case
def data_only_layers(lab):
    top = put(lab.lower(1) + "/f")
    os.truncate(top, 3)
    os.setxattr(top, "trusted.overlay.metacopy", b"")
    os.setxattr(top, "trusted.overlay.redirect", b"/blob")
    put(lab.base + "/data/blob", "abc")
    m = lab.mount(lowers=[lab.layers[0] + "::" + lab.base + "/data"])
    same((os.listdir(m), get(m + "/f")), (["f"], "abc"))


@case
def hostile_links_lead_nowhere(lab):
    put(lab.lower(1) + "/d/a")
    os.symlink("/etc", lab.lower(2) + "/d")
    put(lab.lower(3) + "/d/never")
    os.makedirs(lab.lower(1) + "/r")
    os.setxattr(lab.lower(1) + "/r", "trusted.overlay.redirect", b"/esc/deep")
    os.symlink("/", lab.lower(2) + "/esc")
    os.makedirs(lab.lower(1) + "/dots")
    os.setxattr(lab.lower(1) + "/dots", "trusted.overlay.redirect", b"/../../etc")
    m = lab.mount()
    same(os.listdir(m + "/d"), ["a"])
    same(os.listdir(m + "/r"), [])
    fails(errno.EIO, os.lstat, m + "/dots")
    fails(errno.ENOENT, os.lstat, m + "/d/passwd")


@case
def attribute_whiteouts_in_the_lowest_layer(lab):
    """They hide nothing there, and are not shown either."""
    d = lab.lower(1) + "/d"
    put(d + "/x")
    put(d + "/plain")
    os.setxattr(d, "trusted.overlay.opaque", b"x")
    os.setxattr(d + "/x", "trusted.overlay.whiteout", b"")
    m = lab.mount()
    fails(errno.ENOENT, os.lstat, m + "/d/x")
    same(os.listdir(m + "/d"), ["plain"])


@case
def data_of_metacopy_uppers_follow_their_names(lab):
    """The kernel leaves an upper whose files' data lie in the lower; renamed and linked here."""
    for name in "abcd":
        put(lab.lower(1) + "/d/" + name, name * 9000)
    os.mkdir(lab.lower(1) + "/e")
    m = lab.kernel("metacopy=on,redirect_dir=on")
    for name in "abcd":
        os.chmod(m + "/d/" + name, 0o600)
    os.rename(m + "/d/d", m + "/d/beside")
    lab.unmount()
    os.getxattr(lab.upper + "/d/a", "trusted.overlay.metacopy")
    m = lab.mount()
    os.rename(m + "/d/a", m + "/d/a2")
    os.rename(m + "/d/b", m + "/e/b2")
    os.link(m + "/d/c", m + "/e/c2")
    os.rename(m + "/d/beside", m + "/e/d2")
    where = {"/d/a2": "a", "/e/b2": "b", "/d/c": "c", "/e/c2": "c", "/e/d2": "d"}
    for mount in (lambda: m, lab.again, lambda: (lab.unmount(), lab.kernel("metacopy=on,redirect_dir=on"))[1]):
        m = mount()
        same({n: get(m + n)[:2] for n in where}, {n: t * 2 for n, t in where.items()})
    lab.unmount()
    m = lab.mount()
    put(m + "/e/b2", "new")
    same((get(m + "/e/b2"), get(lab.lower(1) + "/d/b")[:2]), ("new", "bb"))


# What is written


@case
def unlink_of_a_lower_file_without_copying_it_up(lab):
    put(lab.lower(1) + "/f", "f")
    os.makedirs(lab.lower(1) + "/empty")
    m = lab.mount()
    os.unlink(m + "/f")
    os.rmdir(m + "/empty")
    assert is_whiteout(lab.upper + "/f") and is_whiteout(lab.upper + "/empty")
    same(os.lstat(lab.upper + "/f").st_ino, os.lstat(lab.upper + "/empty").st_ino)


@case
def removed_copies_of_lowers_stay_removed(lab):
    """In directories that nobody has listed, so that nothing is known of their lowers yet."""
    put(lab.lower(1) + "/d/f", "f")
    put(lab.lower(1) + "/d/g", "g")
    put(lab.lower(1) + "/e/sub/f", "f")
    m = lab.mount()
    os.chmod(m + "/d/f", 0o600)
    os.unlink(m + "/d/f")
    os.chmod(m + "/d/g", 0o600)
    os.rename(m + "/d/g", m + "/moved")
    os.unlink(m + "/e/sub/f")
    os.rmdir(m + "/e/sub")
    for _ in range(2):
        for name in ("/d/f", "/d/g", "/e/sub"):
            fails(errno.ENOENT, os.lstat, m + name)
        assert is_whiteout(lab.upper + "/d/f") and is_whiteout(lab.upper + "/e/sub")
        m = lab.again()


@case
def nothing_is_left_of_new_names(lab):
    lab.lower(1)
    m = lab.mount()
    put(m + "/d/f")
    os.unlink(m + "/d/f")
    os.rmdir(m + "/d")
    same(os.listdir(lab.upper), [])


@case
def wh_wh_opq_is_never_written_for_a_kernel_to_show(lab):
    put(lab.lower(1) + "/d/f")
    m = lab.mount()
    shutil.rmtree(m + "/d")
    os.mkdir(m + "/d")
    put(m + "/d/new")
    same(os.listdir(lab.upper + "/d"), ["new"])
    same(os.getxattr(lab.upper + "/d", "trusted.overlay.opaque"), b"y")
    lab.unmount()
    m = lab.kernel()
    same(os.listdir(m + "/d"), ["new"])


@case
def markers_where_devices_are_switched_off(lab):
    put(lab.lower(1) + "/f")
    put(lab.lower(1) + "/g", "g")
    put(lab.lower(1) + "/d/x")
    os.environ["FUSE_OVERLAYFS_DISABLE_OVL_WHITEOUT"] = "1"
    try:
        m = lab.mount()
        os.unlink(m + "/f")
        os.rename(m + "/g", m + "/moved")
        shutil.rmtree(m + "/d")
        same(sorted(os.listdir(lab.upper)), [".wh.d", ".wh.f", ".wh.g", "moved"])
        same(os.listdir(m), ["moved"])
        m = lab.again()
        same(os.listdir(m), ["moved"])
        os.mkdir(m + "/d")
        put(m + "/f", "new")
        same(sorted(os.listdir(lab.upper)), [".wh.g", "d", "f", "moved"])
        m = lab.again()
        same((os.listdir(m + "/d"), get(m + "/f")), ([], "new"))
        os.unlink(m + "/f")
        os.rmdir(m + "/d")
        same(os.listdir(m), ["moved"])
    finally:
        del os.environ["FUSE_OVERLAYFS_DISABLE_OVL_WHITEOUT"]


@case
def names_like_markers_are_ordinary(lab):
    put(lab.lower(1) + "/x", "x")
    put(lab.lower(1) + "/d/.keep")
    m = lab.mount()
    put(m + "/.wh.x", "text")
    os.mkdir(m + "/.wh.d")
    put(m + "/plain")
    os.rename(m + "/plain", m + "/.wh.y")
    put(m + "/y", "y")
    for _ in range(2):
        same(sorted(os.listdir(m)), [".wh.d", ".wh.x", ".wh.y", "d", "x", "y"])
        same((get(m + "/.wh.x"), get(m + "/x"), get(m + "/y")), ("text", "x", "y"))
        same(os.listxattr(m + "/.wh.x"), [])
        m = lab.again()
    os.unlink(m + "/.wh.x")
    same(sorted(os.listdir(m)), [".wh.d", ".wh.y", "d", "x", "y"])


@case
def rm_of_a_lower_name_of_255_bytes(lab):
    name = "n" * 255
    put(lab.lower(1) + "/" + name)
    m = lab.mount()
    os.unlink(m + "/" + name)
    assert is_whiteout(lab.upper + "/" + name)
    put(m + "/" + name, "again")
    os.rename(m + "/" + name, m + "/" + "o" * 255)
    same(os.listdir(m), ["o" * 255])


@case
def a_name_one_byte_too_long(lab):
    put(lab.lower(1) + "/" + "o" * 255)
    m = lab.mount()
    for make in (put, os.mkdir, os.mkfifo, lambda p: os.symlink("t", p), lambda p: os.link(m + "/" + "o" * 255, p)):
        fails(errno.ENAMETOOLONG, make, m + "/" + "p" * 256)
    fails(errno.ENAMETOOLONG, put, m + "/" + "p" * 256)
    fails(errno.ENAMETOOLONG, os.rename, m + "/" + "o" * 255, m + "/" + "p" * 256)
    fails(errno.ENAMETOOLONG, os.lstat, m + "/" + "p" * 256)


@case
def paths_near_path_max(lab):
    """As long as a system call takes, and every kind of change there."""
    top, room = lab.lower(1), 4095 - len(lab.mp) - 1
    parts = ["q" * 200] * (room // 201 - 1)
    deep = "/".join(parts)
    leaf = "l" * min(255, room - len(deep) - 1)
    here = os.open(top, os.O_RDONLY)
    for part in parts:
        os.mkdir(part, dir_fd=here)
        here = os.open(part, os.O_RDONLY, dir_fd=here)
    os.close(os.open(leaf, os.O_CREAT | os.O_WRONLY, dir_fd=here))
    m = lab.mount()
    path = f"{m}/{deep}/{leaf}"
    put(path, "text")
    os.rename(path, path[:-1] + "z")
    os.link(path[:-1] + "z", path)
    same((get(path), sorted(os.listdir(os.path.dirname(path)))), ("text", sorted([leaf, leaf[:-1] + "z"])))
    m = lab.again()
    os.unlink(path)
    shutil.rmtree(f"{m}/{parts[0]}")
    same(os.listdir(m), [])


@case
def paths_beyond_path_max(lab):
    here = os.open(lab.lower(1), os.O_RDONLY)
    for _ in range(30):
        os.mkdir("q" * 250, dir_fd=here)
        next_ = os.open("q" * 250, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = next_
    with open(os.open("leaf", os.O_CREAT | os.O_WRONLY, dir_fd=here), "w") as f:
        f.write("deep")
    os.close(here)
    here = os.open(lab.mount(), os.O_RDONLY)
    for _ in range(30):
        next_ = os.open("q" * 250, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = next_
    with open(os.open("leaf", os.O_RDWR | os.O_APPEND, dir_fd=here), "a+") as f:
        f.write("er")
        f.seek(0)
        same(f.read(), "deeper")
    os.close(here)


# Copy-up


@case
def append_to_one_of_two_lower_hard_links_then_remount_and_read_the_other(lab):
    put(lab.lower(1) + "/h1", "hard")
    os.link(lab.lower(1) + "/h1", lab.lower(1) + "/h2")
    m = lab.mount()
    same(os.stat(m + "/h1").st_ino, os.stat(m + "/h2").st_ino)
    with open(m + "/h1", "a") as f:
        f.write("+1")
    same((get(m + "/h1"), get(m + "/h2")), ("hard+1", "hard"))
    assert os.stat(m + "/h1").st_ino != os.stat(m + "/h2").st_ino
    same((os.stat(m + "/h1").st_nlink, os.stat(m + "/h2").st_nlink), (1, 2))
    m = lab.again()
    same((get(m + "/h1"), get(m + "/h2")), ("hard+1", "hard"))


@case
def inode_number_survives_copy_up_and_remount(lab):
    put(lab.lower(1) + "/d/f", "f")
    os.mkfifo(lab.lower(1) + "/d/p")
    m = lab.mount()
    before = [os.lstat(m + n).st_ino for n in ("/d", "/d/f", "/d/p")]
    os.chmod(m + "/d/f", 0o600)
    os.chmod(m + "/d/p", 0o600)
    same([os.lstat(m + n).st_ino for n in ("/d", "/d/f", "/d/p")], before)
    m = lab.again()
    same([os.lstat(m + n).st_ino for n in ("/d", "/d/f", "/d/p")], before)
    same({e.name: e.inode() for e in os.scandir(m + "/d")}, {"f": before[1], "p": before[2]})
    lab.unmount()
    m = lab.kernel()
    same([os.lstat(m + n).st_ino for n in ("/d", "/d/f", "/d/p")], before)


@case
def truncate_of_a_setuid_lower_file(lab):
    put(lab.lower(1) + "/s", "suid", 0o4755)
    put(lab.lower(1) + "/t", "suid", 0o4777)
    m = lab.mount()
    os.truncate(m + "/s", 2)
    same((oct(os.stat(m + "/s").st_mode & 0o7777), get(m + "/s")), ("0o4755", "su"))
    as_user(1000, [], os.truncate, m + "/t", 2)
    same((oct(os.stat(m + "/t").st_mode & 0o7777), get(m + "/t")), ("0o777", "su"))
    os.chmod(m + "/s", 0o4777)
    if os.fork() == 0:
        os.setresuid(1000, 1000, 1000)
        with open(m + "/s", "a") as f:
            f.write("x")
        os._exit(0)
    os.wait()
    same(oct(os.stat(m + "/s").st_mode & 0o7777), "0o777")


@case
def change_of_no_owner(lab):
    """chown(2) with neither id dates the change and takes setuid away, as one with ids does."""
    put(lab.lower(1) + "/s", "suid")
    os.chmod(lab.lower(1) + "/s", 0o4755)
    m = lab.mount()
    os.chmod(m + "/s", 0o4755)
    before = os.stat(m + "/s").st_ctime_ns
    time.sleep(0.02)
    os.chown(m + "/s", -1, -1)
    info = os.stat(m + "/s")
    assert info.st_ctime_ns > before
    same(oct(info.st_mode & 0o7777), "0o755")


@case
def chmod_of_a_lower_device_or_fifo(lab):
    os.mkfifo(lab.lower(1) + "/p", 0o644)
    os.mknod(lab.lower(1) + "/dev", stat.S_IFCHR | 0o644, os.makedev(1, 3))
    m = lab.mount()
    os.chmod(m + "/p", 0o600)
    os.chmod(m + "/dev", 0o666)
    assert stat.S_ISFIFO(os.lstat(m + "/p").st_mode)
    with open(m + "/dev", "w") as f:
        f.write("into nothing")
    fails(errno.EPERM, os.mknod, m + "/white", stat.S_IFCHR | 0o600, 0)
    same(os.path.lexists(lab.upper + "/white"), False)


@case
def link_to_a_lower_symlink(lab):
    os.symlink("target", lab.lower(1) + "/l")
    m = lab.mount()
    os.link(m + "/l", m + "/l2", follow_symlinks=False)
    os.chown(m + "/l", 5, 6, follow_symlinks=False)
    for _ in range(2):
        same((os.readlink(m + "/l2"), os.lstat(m + "/l2").st_uid, os.lstat(m + "/l").st_nlink), ("target", 5, 2))
        same(os.lstat(m + "/l").st_ino, os.lstat(m + "/l2").st_ino)
        m = lab.again()


@case
def directories_of_mode_2775_at_copy_up(lab):
    os.makedirs(lab.lower(1) + "/d/e")
    os.chmod(lab.lower(1) + "/d", 0o2775)
    os.chmod(lab.lower(1) + "/d/e", 0o1700)
    os.chown(lab.lower(1) + "/d", 7, 8)
    os.chmod(lab.lower(1) + "/d", 0o2775)
    os.utime(lab.lower(1) + "/d", (1000, 2000))
    m = lab.mount()
    os.chmod(m + "/d/e", 0o1711)
    info = os.stat(lab.upper + "/d")
    same((oct(info.st_mode & 0o7777), info.st_uid, info.st_gid, info.st_mtime), ("0o2775", 7, 8, 2000))


@case
def holes_stay_holes(lab):
    with open(lab.lower(1) + "/sparse", "wb") as f:
        f.truncate(64 << 20)
        f.seek(32 << 20)
        f.write(b"x" * 4096)
    m = lab.mount()
    os.chmod(m + "/sparse", 0o600)
    assert os.stat(lab.upper + "/sparse").st_blocks < 1000
    fd = os.open(m + "/sparse", os.O_RDONLY)
    same((os.lseek(fd, 0, os.SEEK_DATA), os.lseek(fd, 32 << 20, os.SEEK_HOLE)), (32 << 20, (32 << 20) + 4096))
    os.close(fd)


@case
def open_descriptors_see_the_right_file(lab):
    for name in "abc":
        put(lab.lower(1) + "/" + name, "hello")
    m = lab.mount()
    a, b, c = (os.open(m + "/" + name, os.O_RDONLY) for name in "abc")
    put(m + "/a", "WORLD")
    same(os.pread(a, 9, 0), b"WORLD")
    os.unlink(m + "/b")
    put(m + "/b", "other")
    same(os.pread(b, 9, 0), b"hello")
    os.rename(m + "/c", m + "/moved")
    put(m + "/c", "third")
    same(os.pread(c, 9, 0), b"hello")
    for fd in (a, b, c):
        os.close(fd)
    fd = os.open(m + "/new", os.O_CREAT | os.O_RDWR)
    os.write(fd, b"text")
    os.unlink(m + "/new")
    same(os.fstat(fd).st_nlink, 0)
    os.fchmod(fd, 0o600)
    os.ftruncate(fd, 2)
    same(os.pread(fd, 9, 0), b"te")
    os.close(fd)
    put(m + "/again", "text")
    fd = os.open(m + "/again", os.O_RDONLY)
    os.unlink(m + "/again")
    with open(f"/proc/self/fd/{fd}", "r+") as f:
        f.write("T")
    same(os.pread(fd, 9, 0), b"Text")
    os.close(fd)


@case
def removed_directory_that_is_open(lab):
    lab.lower(1)
    m = lab.mount()
    seen = []
    for top in (lab.base, m):
        os.mkdir(top + "/d")
        fd = os.open(top + "/d", os.O_RDONLY)
        os.rmdir(top + "/d")
        os.fchmod(fd, 0o711)
        info = os.fstat(fd)
        seen.append((info.st_size, info.st_nlink, oct(info.st_mode)))
        os.close(fd)
    same(seen[1], seen[0])


@case
def mounts_below_stay(lab):
    put(lab.lower(1) + "/d/f", "below")
    put(lab.base + "/over", "above")
    m = lab.mount()
    call(libc.mount, (lab.base + "/over").encode(), (m + "/d/f").encode(), None, 4096, None)
    try:
        os.chmod(m + "/d", 0o700)
        put(m + "/d/other")
        same(get(m + "/d/f"), "above")
        fails(errno.EBUSY, os.unlink, m + "/d/f")
    finally:
        libc.umount2((m + "/d/f").encode(), 0)
    same(get(m + "/d/f"), "below")


@case
def capabilities_and_acls(lab):
    put(lab.lower(1) + "/cap", "x", 0o755)
    subprocess.run(["setcap", "cap_net_raw+ep", lab.lower(1) + "/cap"], check=True)
    put(lab.lower(1) + "/acl", "x", 0o640)
    subprocess.run(["setfacl", "-m", "u:33:rw", lab.lower(1) + "/acl"], check=True)
    m = lab.mount()
    os.chmod(m + "/cap", 0o711)
    assert os.getxattr(m + "/cap", "security.capability")
    os.chown(m + "/acl", 3, 3)
    assert b"user:33:rw" in subprocess.run(["getfacl", "-n", m + "/acl"], capture_output=True).stdout
    with open(m + "/cap", "a") as f:
        f.write("y")
    fails(errno.ENODATA, os.getxattr, m + "/cap", "security.capability")


@case
def new_objects_over_whiteouts_inherit(lab):
    for name in ("f", "d/x", "p"):
        put(lab.lower(1) + "/box/" + name)
    m = lab.mount()
    os.chown(m + "/box", 0, 44)
    os.chmod(m + "/box", 0o2775)
    subprocess.run(["setfacl", "-d", "-m", "u:33:rwx,o::-", m + "/box"], check=True)
    shutil.rmtree(m + "/box/d")
    os.unlink(m + "/box/f")
    os.umask(0o077)
    try:
        put(m + "/box/f")
        put(m + "/box/fresh")
        os.mkdir(m + "/box/d", 0o777)
        os.mkdir(m + "/box/freshdir", 0o777)
    finally:
        os.umask(0)
    show = lambda n: subprocess.run(["getfacl", "-nEpc", m + "/box/" + n], capture_output=True).stdout
    info = lambda n: (os.stat(m + "/box/" + n).st_mode, os.stat(m + "/box/" + n).st_gid)
    same((show("f"), info("f")), (show("fresh"), info("fresh")))
    same((show("d"), info("d")), (show("freshdir"), info("freshdir")))
    assert info("d")[0] & 0o2000 and info("f")[1] == 44


@case
def setgid_without_execution_for_the_group(lab):
    """A write takes it away from those who are not of the group, and leaves it to those who are."""
    for name in "abcd":
        put(lab.lower(1) + "/" + name, "x", 0o2766)
        os.chown(lab.lower(1) + "/" + name, 0, 44)
        os.chmod(lab.lower(1) + "/" + name, 0o2766)
    m = lab.mount()
    append = lambda path: open(path, "a").write("y")
    for round_ in range(2):
        as_user(1000, [], append, m + "/a")
        as_user(1000, [44], append, m + "/b")
        as_user(44, [], append, m + "/c")
        as_user(1000, [], os.truncate, m + "/d", 0)
        same([oct(os.stat(m + "/" + n).st_mode & 0o7777) for n in "abcd"], ["0o766", "0o2766", "0o2766", "0o766"])
        for name in "abcd":
            os.chmod(m + "/" + name, 0o2766)


@case
def trusted_names_are_for_administrators(lab):
    put(lab.lower(1) + "/f", "", 0o644)
    m = lab.mount()
    for name in ("trusted.secret", "user.plain"):
        os.setxattr(m + "/f", name, b"v")

    def check():
        if os.listxattr(m + "/f") != ["user.plain"]:
            raise OSError(errno.EINVAL, "seen")

    as_user(1000, [], check)
    same(sorted(os.listxattr(m + "/f")), ["trusted.secret", "user.plain"])


@case
def times_of_birth(lab):
    path = put(lab.lower(1) + "/f")
    m = lab.mount()
    put(m + "/g")
    born = lambda p: subprocess.run(["stat", "-c", "%W", p], capture_output=True).stdout
    assert int(born(path)) > 0
    same((born(m + "/f"), born(m + "/g")), (born(path), born(lab.upper + "/g")))


# Renames


@case
def exchange_of_an_upper_file_with_a_lower_directory(lab):
    put(lab.lower(1) + "/d/f", "f")
    m = lab.mount()
    put(m + "/file", "x")
    for a, b in ((m + "/file", m + "/d"), (m + "/d", m + "/file")):
        fails(errno.EXDEV, renameat2, a, b, 2)
    same((get(m + "/file"), get(m + "/d/f")), ("x", "f"))
    m = lab.again("redirect_dir=on")
    renameat2(m + "/file", m + "/d", 2)
    for _ in range(2):
        same((get(m + "/d"), os.listdir(m + "/file"), get(m + "/file/f")), ("x", ["f"], "f"))
        m = lab.again("redirect_dir=on")


@case
def directories_with_a_lower_part(lab):
    put(lab.lower(1) + "/d/f", "f")
    put(lab.lower(1) + "/file", "x")
    m = lab.mount()
    put(m + "/up/g")
    fails(errno.EXDEV, os.rename, m + "/d", m + "/e")
    fails(errno.EXDEV, renameat2, m + "/file", m + "/d", 2)
    renameat2(m + "/up", m + "/file", 2)
    same((get(m + "/up"), os.listdir(m + "/file")), ("x", ["g"]))
    fails(errno.EINVAL, renameat2, m + "/up", m + "/z", 4)
    m = lab.again()
    same((get(m + "/up"), os.listdir(m + "/file")), ("x", ["g"]))


@case
def redirects_are_written(lab):
    put(lab.lower(1) + "/a/d/sub/f", "f")
    put(lab.lower(2) + "/a/d/sub/g", "g")
    put(lab.lower(2) + "/b/keep")
    m = lab.mount("redirect_dir=on")
    os.rename(m + "/a/d", m + "/a/e")
    same(sorted(os.listdir(m + "/a/e/sub")), ["f", "g"])
    os.rename(m + "/a/e", m + "/b/e")
    put(m + "/b/e/sub/h", "h")
    renameat2(m + "/b/e/sub", m + "/b/keep", 2)
    for mount in (lambda: lab.again("redirect_dir=on"), lambda: (lab.unmount(), lab.kernel())[1]):
        m = mount()
        same((os.listdir(m + "/a"), sorted(os.listdir(m + "/b"))), ([], ["e", "keep"]))
        same(sorted(os.listdir(m + "/b/keep")), ["f", "g", "h"])
        same((get(m + "/b/keep/f"), get(m + "/b/keep/g")), ("f", "g"))


@case
def renamed_directories_are_listed_under_the_numbers_they_show(lab):
    """Also where a listing comes without the attributes of its names, as behind the first part."""
    for number in range(400):
        put(lab.lower(1) + f"/a/f{number}")
    for number in range(40):
        os.makedirs(lab.lower(1) + f"/a/d{number}")
    m = lab.mount("redirect_dir=on")
    for number in range(40):
        os.rename(m + f"/a/d{number}", m + f"/a/e{number}")
    m = lab.again("redirect_dir=on")
    with os.scandir(m + "/a") as entries:
        listed = {e.name: e.inode() for e in entries}
    for name, number in listed.items():
        same((name, os.stat(m + "/a/" + name).st_ino), (name, number))
    same(len(listed), 440)


@case
def redirects_through_redirects(lab):
    """A directory that was moved twice, its upper being a lower the second time."""
    put(lab.lower(9) + "/d/pop/b", "b")
    put(lab.lower(9) + "/e/keep")
    m = lab.mount("redirect_dir=on")
    os.rename(m + "/d", m + "/e/d")
    lab.unmount()
    for number in (8, 7, 6):
        os.rename(lab.upper, lab.base + f"/l{number}")
        lab.layers.append(lab.base + f"/l{number}")
        os.mkdir(lab.upper)
        m = lab.mount("redirect_dir=on")
        if number == 8:
            os.rename(m + "/e/d/pop", m + "/e/pop")
        if number == 7:
            os.rename(m + "/e/pop", m + "/e/popper")
        where = {8: "pop", 7: "popper", 6: "popper"}[number]
        for _ in range(2):
            same((get(f"{m}/e/{where}/b"), os.listdir(m + "/e/d"), sorted(os.listdir(m))), ("b", [], ["e"]))
            lab.unmount()
            m = lab.kernel()
        lab.unmount()


@case
def pure_directory_onto_removed_name(lab):
    put(lab.lower(1) + "/d/old")
    m = lab.mount()
    shutil.rmtree(m + "/d")
    put(m + "/n/new")
    os.rename(m + "/n", m + "/d")
    same(os.listdir(m), ["d"])
    m = lab.again()
    same(os.listdir(m + "/d"), ["new"])
    same(os.listdir(lab.upper), ["d"])


@case
def pure_directory_onto_emptied_merged_one(lab):
    put(lab.lower(1) + "/d/old")
    m = lab.mount()
    put(m + "/n/new")
    fails(errno.ENOTEMPTY, os.rename, m + "/n", m + "/d")
    os.unlink(m + "/d/old")
    os.rename(m + "/n", m + "/d")
    same(os.listdir(m + "/d"), ["new"])
    m = lab.again()
    same(os.listdir(m + "/d"), ["new"])


# Listings


@case
def listing_while_removing(lab):
    for number in range(2000):
        put(lab.lower(1 + number % 2) + f"/d/f{number}")
    m = lab.mount()
    seen = []
    with os.scandir(m + "/d") as entries:
        for entry in entries:
            seen.append(entry.name)
            os.unlink(entry.path)
    same((len(seen), len(set(seen)), os.listdir(m + "/d")), (2000, 2000, []))
    os.rmdir(m + "/d")
    same(os.listdir(m), [])


# Options


@case
def read_only_mounts(lab):
    put(lab.lower(1) + "/d/f", "f")
    m = lab.mount(upper=False)
    fails(errno.EROFS, put, m + "/n")
    fails(errno.EROFS, os.unlink, m + "/d/f")
    fails(errno.EROFS, os.rmdir, m + "/d")
    fails(errno.EROFS, os.chmod, m + "/d/f", 0o600)
    same((os.access(m + "/d/f", os.W_OK), get(m + "/d/f")), (False, "f"))
    line = [l for l in open("/proc/mounts") if l.split()[1] == m][0].split()
    same((line[0], line[2], line[3].split(",")[0]), ("fuse-overlayfs", "fuse.fuse-overlayfs", "ro"))


@case
def mapped_ids(lab):
    put(lab.lower(1) + "/f")
    os.chown(lab.lower(1) + "/f", 33, 33)
    put(lab.lower(1) + "/far")
    os.chown(lab.lower(1) + "/far", 70000, 70000)
    put(lab.lower(1) + "/acl")
    subprocess.run(["setfacl", "-m", "u:7:rw", lab.lower(1) + "/acl"], check=True)
    os.chmod(lab.lower(1), 0o777)
    os.chmod(lab.upper, 0o777)
    m = lab.mount("uidmapping=:0:200000:65536,gidmapping=:0:200000:65536")
    same([os.stat(m + n).st_uid for n in ("/f", "/far")], [200033, 65534])
    put(m + "/byroot")
    same(os.stat(m + "/byroot").st_uid, 200000)
    same(os.stat(lab.upper + "/byroot").st_uid, 0)
    os.chown(m + "/f", 200005, 200006)
    same((os.stat(lab.upper + "/f").st_uid, os.stat(m + "/f").st_gid), (5, 200006))
    fails(errno.EINVAL, os.chown, m + "/f", 5, 5)
    os.seteuid(200007)
    try:
        put(m + "/byuser")
    finally:
        os.seteuid(0)
    same((os.stat(lab.upper + "/byuser").st_uid, os.stat(m + "/byuser").st_uid), (7, 200007))
    os.seteuid(999)
    try:
        fails(errno.EOVERFLOW, put, m + "/nobody")
    finally:
        os.seteuid(0)
    out = subprocess.run(["getfacl", "-n", m + "/acl"], capture_output=True).stdout
    assert b"user:200007:rw" in out, out
    os.chmod(m + "/acl", 0o660)
    out = subprocess.run(["getfacl", "-n", lab.upper + "/acl"], capture_output=True).stdout
    assert b"user:7:rw" in out, out


def idmapped(path, outside):
    """Turns the mount at a path into one whose ids from 0 on are shown from `outside` on."""
    ready, done = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        libc.unshare(0x10000000)
        os.write(ready[1], b"x")
        os.read(done[0], 1)
        os._exit(0)
    os.read(ready[0], 1)
    for kind in ("uid", "gid"):
        with open(f"/proc/{child}/{kind}_map", "w") as f:
            f.write(f"0 {outside} 65536")
    space = os.open(f"/proc/{child}/ns/user", os.O_RDONLY)
    tree = libc.syscall(428, -100, path.encode(), 1)  # open_tree, OPEN_TREE_CLONE
    call(libc.syscall, 442, tree, b"", 0x1000, struct.pack("<4Q", 0x100000, 0, 0, space), 32)  # mount_setattr
    call(libc.syscall, 429, tree, b"", -100, path.encode(), 4)  # move_mount
    os.write(done[1], b"x")
    os.wait()
    for fd in (space, tree, *ready, *done):
        os.close(fd)


@case
def idmapped_lowers_beside_the_options(lab):
    """As podman 4 passes both; the double shift of other programs shows 65534."""
    for number in (1, 2):
        put(lab.lower(number) + f"/f{number}")
        os.chown(lab.lower(number) + f"/f{number}", 33, 34)
    idmapped(lab.lower(1), 200000)
    try:
        m = lab.mount("uidmapping=:0:200000:65536,gidmapping=:0:200000:65536")
        owner = lambda path: (os.stat(path).st_uid, os.stat(path).st_gid)
        same((owner(m + "/f1"), owner(m + "/f2")), ((200033, 200034), (200033, 200034)))
        for name in ("/f1", "/f2"):
            os.chmod(m + name, 0o600)
        same((owner(lab.upper + "/f1"), owner(lab.upper + "/f2")), ((33, 34), (33, 34)))
        same((owner(m + "/f1"), owner(m + "/f2")), ((200033, 200034), (200033, 200034)))
    finally:
        lab.unmount()
        libc.umount2(lab.lower(1).encode(), 2)


@case
def reading_dates_no_lower(lab):
    path = put(lab.lower(1) + "/d/f", "x" * 5000)
    os.utime(path, (1000, 2000))
    os.utime(lab.lower(1) + "/d", (1000, 2000))
    m = lab.mount()
    get(m + "/d/f")
    os.listdir(m + "/d")
    same((os.stat(path).st_atime, os.stat(lab.lower(1) + "/d").st_atime), (1000, 1000))


@case
def squashed_owners(lab):
    put(lab.lower(1) + "/f")
    os.chown(lab.lower(1) + "/f", 33, 33)
    m = lab.mount("squash_to_root")
    same((os.stat(m + "/f").st_uid, os.stat(m + "/f").st_gid), (0, 0))
    os.chown(m + "/f", 7, 7)
    same(os.stat(m + "/f").st_uid, 0)
    m = lab.again("squash_to_uid=5,squash_to_gid=6")
    same((os.stat(m + "/f").st_uid, os.stat(m + "/f").st_gid), (5, 6))


@case
def overridden_stat(lab):
    put(lab.lower(1) + "/f", "f", 0o640)
    os.chown(lab.lower(1) + "/f", 33, 34)
    extra = "xattr_permissions=2"
    m = lab.mount(extra)
    os.chmod(m + "/f", 0o600)
    info = os.stat(m + "/f")
    same((info.st_uid, info.st_gid, oct(info.st_mode & 0o7777)), (33, 34, "0o600"))
    same(os.getxattr(lab.upper + "/f", "user.containers.override_stat"), b"33:34:0600:file")
    same(os.stat(lab.upper + "/f").st_uid, 0)
    os.chown(m + "/f", 5, 6)
    os.chmod(m + "/f", 0o4711)
    os.mkdir(m + "/d", 0o700)
    os.chown(m + "/d", 8, 9)
    fails(errno.EPERM, os.setxattr, m + "/f", "user.containers.override_stat", b"0:0:0777:file")
    same(os.listxattr(m + "/f"), [])
    m = lab.again(extra)
    info, d = os.stat(m + "/f"), os.stat(m + "/d")
    same((info.st_uid, info.st_gid, oct(info.st_mode & 0o7777)), (5, 6, "0o4711"))
    same((d.st_uid, d.st_gid, oct(d.st_mode & 0o7777)), (8, 9, "0o700"))


@case
def overridden_owner_of_new_objects_is_the_caller(lab):
    lab.lower(1)
    os.chmod(lab.base, 0o755)
    for number in "12":
        m = lab.mount(f"xattr_permissions={number}")
        os.chmod(m, 0o777)

        def make():
            put(m + "/file", "1")
            os.truncate(m + "/file", 0)
            os.mkdir(m + "/folder")
            put(m + "/folder/inner", "2")
            os.symlink("nowhere", m + "/link")
            os.mkfifo(m + "/fifo")

        as_user(1000, [], make)
        m = lab.again(f"xattr_permissions={number}")
        for name in ("file", "folder", "folder/inner", "link", "fifo"):
            same((name, os.lstat(f"{m}/{name}").st_uid, os.lstat(f"{m}/{name}").st_gid), (name, 1000, 1000))
        os.chown(m + "/link", 5, 6, follow_symlinks=False)
        same(os.lstat(m + "/link").st_uid, 5)
        same(os.stat(lab.upper + "/file").st_uid, 0)
        lab.unmount()
        shutil.rmtree(lab.upper)
        os.mkdir(lab.upper)


@case
def overridden_lower_of_other_programs(lab):
    top = lab.lower(1)
    os.setxattr(top, "user.containers.override_stat", b"0:0:0755:dir")
    put(top + "/f", "f")
    os.setxattr(top + "/f", "user.containers.override_stat", b"7:8:0640:file")
    put(top + "/null")
    os.setxattr(top + "/null", "user.containers.override_stat", b"0:0:0666:char-1-3")
    put(lab.lower(2) + "/plain", "p")
    os.setxattr(lab.lower(2) + "/plain", "user.containers.override_stat", b"7:8:0640:file")
    m = lab.mount()
    info = os.stat(m + "/f")
    same((info.st_uid, info.st_gid, oct(info.st_mode & 0o7777)), (7, 8, "0o640"))
    null = os.stat(m + "/null")
    same((stat.S_ISCHR(null.st_mode), null.st_rdev), (True, os.makedev(1, 3)))
    same(os.stat(m + "/plain").st_uid, 0)


@case
def attributes_are_escaped_and_hidden(lab):
    put(lab.lower(1) + "/d/f", "f")
    m = lab.mount()
    for name in ("trusted.overlay.opaque", "user.overlay.redirect", "user.plain"):
        os.setxattr(m + "/d", name, b"y")
    same(sorted(os.listxattr(m + "/d")), ["trusted.overlay.opaque", "user.overlay.redirect", "user.plain"])
    fails(errno.EPERM, os.setxattr, m + "/d", "user.fuseoverlayfs.opaque", b"y")
    fails(errno.ENODATA, os.getxattr, m + "/d", "user.fuseoverlayfs.opaque")
    m = lab.again()
    same(os.listdir(m + "/d"), ["f"])
    same(os.getxattr(m + "/d", "trusted.overlay.opaque"), b"y")
    lab.unmount()
    same(os.listdir(lab.kernel() + "/d"), ["f"])


@case
def no_attribute_of_a_user_turns_owners_over(lab):
    # With that mark on its root, a layer has owners, modes and devices in attributes that every owner sets.
    put(lab.lower(1) + "/f", "f")
    m = lab.mount()
    put(m + "/disk", mode=0o644)
    os.setxattr(m + "/disk", "user.containers.override_stat", b"0:0:0666:block-1-0")
    for name in ("user.containers", "user.fuseoverlayfs", "security.fuseoverlayfs"):
        fails(errno.EPERM, os.setxattr, m, name + ".override_stat", b"0:0:0755:dir")
    m = lab.again()
    same(oct(os.stat(m + "/disk").st_mode), "0o100644")


@case
def many_layers_and_few_descriptors(lab):
    for number in range(1, 501):
        put(lab.lower(number) + f"/d{number % 7}/f{number}", str(number))
    limit = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (1024, 1024))
    m = lab.mount(preexec=limit)
    same(len([f for _, _, fs in os.walk(m) for f in fs]), 500)
    for number in (1, 250, 500):
        same(get(m + f"/d{number % 7}/f{number}"), str(number))
        put(m + f"/d{number % 7}/f{number}", "new")
    lab.unmount()
    limit = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (160, 160))
    tree = lab.lower(501)
    for number in range(400):
        put(tree + f"/t/{number % 20}/{number}/f", str(number))
    m = lab.mount(lowers=[tree], preexec=limit)
    held = [open(m + f"/t/{n % 20}/{n}/f") for n in range(200)]
    same([f.read() for f in held], [str(n) for n in range(200)])
    same(len([f for _, _, fs in os.walk(m + "/t") for f in fs]), 400)
    for f in held:
        f.close()


@case
def deep_stacks_and_few_descriptors(lab):
    """Hundreds of layers that all have the same directories."""
    for number in range(1, 501):
        put(lab.lower(number) + f"/a/b/f{number}", str(number))
        put(lab.lower(number) + f"/a/x{number % 3}/f{number}")
    limit = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (1024, 1024))
    m = lab.mount(preexec=limit)
    same(len([f for _, _, fs in os.walk(m) for f in fs]), 1000)
    held = [open(m + f"/a/b/f{number}") for number in range(1, 401)]
    same([f.read() for f in held], [str(number) for number in range(1, 401)])
    for number in range(1, 501, 7):
        put(m + f"/a/x{number % 3}/f{number}", "new")
    for f in held:
        f.close()
    lab.unmount()
    for number in range(1, 121):
        for name in range(20):
            os.makedirs(lab.lower(number) + f"/d{name}/e")
    m = lab.mount(preexec=limit, lowers=lab.layers[:120])
    for name in range(20):
        same(os.listdir(m + f"/d{name}"), ["e"])
    assert len(os.listdir(f"/proc/{lab.daemon()}/fd")) < 700


@case
def a_mount_inside_of_a_mount(lab):
    """The layers of the inner one lie in the outer one, as in a container that runs containers."""
    put(lab.lower(1) + "/low/d/x", "x")
    put(lab.lower(1) + "/low/y", "y")
    put(lab.lower(1) + "/low/z", "z")
    outer = lab.mount()
    for name in ("upper", "work", "inner"):
        os.mkdir(outer + "/" + name)
    m = outer + "/inner"
    words = [lab.program, "-o", f"lowerdir={outer}/low,upperdir={outer}/upper,workdir={outer}/work", m]
    try:
        for round_ in range(2):
            result = subprocess.run(words, capture_output=True)
            same((result.returncode, result.stderr), (0, b""))
            if round_ == 0:
                os.unlink(m + "/y")
                os.rename(m + "/z", m + "/zz")
                shutil.rmtree(m + "/d")
                os.mkdir(m + "/d")
                put(m + "/.wh.plain", "literal")
                os.setxattr(m + "/zz", "trusted.overlay.opaque", b"y")
            same(sorted(os.listdir(m)), [".wh.plain", "d", "zz"])
            same((os.listdir(m + "/d"), get(m + "/zz"), os.listxattr(m + "/zz")), ([], "z", ["trusted.overlay.opaque"]))
            libc.umount2(m.encode(), 0)
            time.sleep(0.05)
    finally:
        libc.umount2(m.encode(), 2)


@case
def work_directories_that_would_lose_data(lab):
    put(lab.lower(1) + "/f")
    put(lab.upper + "/work/precious")
    put(lab.work + "/work/lower/precious")
    put(lab.work + "/upper/precious")
    low = lab.layers[0]
    for lower, upper, work in ((low, lab.upper, lab.upper), (low, lab.work + "/upper", lab.work),
                               (lab.work + "/work/lower", lab.upper, lab.work)):
        result = subprocess.run(
            [lab.program, "-o", f"lowerdir={lower},upperdir={upper},workdir={work}", lab.mp], capture_output=True)
        same((result.returncode, b" in " in result.stderr, result.stderr.count(b"\n")), (1, True, 1))
    for path in (lab.upper + "/work", lab.work + "/work/lower", lab.work + "/upper"):
        same(os.listdir(path), ["precious"])


@case
def plain_switches(lab):
    put(lab.lower(1) + "/d/e/f", "f")
    put(lab.lower(2) + "/d/e/g", "g")
    m = lab.mount("static_nlink,volatile")
    same(os.stat(m).st_nlink, 1)
    fd = os.open(m + "/d/e/f", os.O_RDWR)
    os.fsync(fd)
    os.close(fd)
    m = lab.again("noxattrs=1")
    fails(errno.ENOTSUP, os.setxattr, m + "/d/e/f", "user.x", b"y")
    m = lab.again("timeout=0")
    same((sorted(os.listdir(m + "/d/e")), get(m + "/d/e/f")), (["f", "g"], "f"))


@case
def inode_flags(lab):
    put(lab.lower(1) + "/f", "f")
    m = lab.mount()
    subprocess.run(["chattr", "+i", m + "/f"], check=True)
    fails(errno.EPERM, put, m + "/f", "x")
    subprocess.run(["chattr", "-i", m + "/f"], check=True)
    put(m + "/f", "x")
    put(lab.lower(1) + "/d/g")
    m = lab.again()
    before = os.stat(m + "/f").st_ctime_ns
    time.sleep(0.02)
    subprocess.run(["chattr", "+a", m + "/f", m + "/d"], check=True)
    try:
        assert os.stat(m + "/f").st_ctime_ns > before
        fails(errno.EPERM, put, m + "/f", "y")
        with open(m + "/f", "a") as f:
            f.write("z")
        same(get(m + "/f"), "xz")
        put(m + "/d/new")
        for name in ("new", "g"):
            fails(errno.EPERM, os.unlink, m + "/d/" + name)
    finally:
        subprocess.run(["chattr", "-a", m + "/f", m + "/d"], check=True)


def shown_flags(path):
    return subprocess.run(["lsattr", "-d", path], capture_output=True, text=True, check=True).stdout.split()[0]


@case
def protecting_flags_are_kept_as_the_kernel_keeps_them(lab):
    """As a mark of the upper: a real flag could not be moved into place, nor removed with the layer."""
    for name in ("f", "g", "d/x"):
        put(lab.lower(1) + "/" + name, name)
    m = lab.mount()
    put(m + "/h")
    for name in ("f", "h", "d"):
        subprocess.run(["chattr", "+i", m + "/" + name], check=True)
        assert "i" not in shown_flags(lab.upper + "/" + name)
        same(os.getxattr(lab.upper + "/" + name, "trusted.overlay.protattr"), b"i")

    def check():
        for name in ("f", "h"):
            assert "i" in shown_flags(m + "/" + name)
            fails(errno.EPERM, put, m + "/" + name, "x")
            fails(errno.EPERM, os.chmod, m + "/" + name, 0o600)
            fails(errno.EPERM, os.unlink, m + "/" + name)
            fails(errno.EPERM, os.rename, m + "/" + name, m + "/other")
            fails(errno.EPERM, os.rename, m + "/g", m + "/" + name)
            fails(errno.EPERM, os.link, m + "/" + name, m + "/other")
            fails(errno.EPERM, os.setxattr, m + "/" + name, "user.x", b"")
            fails(errno.EPERM, os.utime, m + "/" + name)
            fails(errno.EPERM, os.truncate, m + "/" + name, 0)
        fails(errno.EPERM, put, m + "/d/new")
        fails(errno.EPERM, os.unlink, m + "/d/x")
        assert "protattr" not in " ".join(os.listxattr(m + "/f"))

    check()
    lab.again()
    check()
    lab.unmount()
    lab.kernel()
    check()
    subprocess.run(["chattr", "-i", m + "/h", m + "/d"], check=True)
    lab.unmount()
    lab.mount()
    put(m + "/h", "h")
    put(m + "/d/new")
    subprocess.run(["chattr", "-i", "+a", m + "/f"], check=True)
    same(os.getxattr(lab.upper + "/f", "trusted.overlay.protattr"), b"a")
    fails(errno.EPERM, put, m + "/f", "x")
    fails(errno.EPERM, os.truncate, m + "/f", 9)
    os.utime(m + "/f")
    with open(m + "/f", "a") as f:
        f.write("+")
    subprocess.run(["chattr", "-a", m + "/f"], check=True)
    same(get(m + "/f"), "f+")
    assert not any("protattr" in n for n in os.listxattr(lab.upper + "/f"))


@case
def protecting_flags_of_lowers_hold(lab):
    names = ["i", "a", "di/x", "da/x"]
    for name in names:
        put(lab.lower(1) + "/" + name, name)
    low = [lab.lower(1) + "/" + n for n in ("i", "di", "a", "da")]
    subprocess.run(["chattr", "+A", *low], check=True)
    try:
        subprocess.run(["chattr", "+i", *low[:2]], check=True)
        subprocess.run(["chattr", "+a", *low[2:]], check=True)
        m = lab.mount()
        for name in ("i", "a"):
            fails(errno.EPERM, put, m + "/" + name, "x")
            fails(errno.EPERM, os.unlink, m + "/" + name)
        with open(m + "/a", "a") as f:
            f.write("+")
        same(get(m + "/a"), "a+")
        fails(errno.EPERM, put, m + "/di/new")
        put(m + "/da/new")
        for name in ("di/x", "da/x"):
            fails(errno.EPERM, os.unlink, m + "/" + name)
            put(m + "/" + name, "y")
        same(os.getxattr(lab.upper + "/di", "trusted.overlay.protattr"), b"i")
        same(os.getxattr(lab.upper + "/a", "trusted.overlay.protattr"), b"a")
        assert all("A" in shown_flags(m + n) for n in ("/i", "/a", "/di", "/da"))
        lab.again()
        fails(errno.EPERM, put, m + "/a", "x")
        fails(errno.EPERM, put, m + "/di/new")
        subprocess.run(["chattr", "-a", "-i", m + "/a", m + "/di"], check=True)
        put(m + "/a", "x")
        put(m + "/di/new")
        subprocess.run(["chattr", "-i", m + "/i"], check=True)
        put(m + "/i", "x")
    finally:
        subprocess.run(["chattr", "-ia", *low], check=True)


@case
def create_and_replace_at_once(lab):
    put(lab.lower(1) + "/f")
    os.setxattr(lab.lower(1) + "/f", "user.there", b"")
    m = lab.mount()
    fails(errno.EEXIST, os.setxattr, m + "/f", "user.there", b"", 3)
    fails(errno.ENODATA, os.setxattr, m + "/f", "user.missing", b"", 3)
    fails(errno.EINVAL, os.setxattr, m + "/f", "user.there", b"", 4)
    same(os.listdir(lab.upper), [])


@case
def handles_by_o_path_outlive_the_name(lab):
    for name in ("low", "onto"):
        put(lab.lower(1) + "/" + name, name)
    m = lab.mount()
    put(m + "/up", "up")
    put(m + "/from", "from")
    handles = {n: os.open(m + "/" + n, os.O_PATH) for n in ("low", "up", "onto")}
    numbers = {n: os.fstat(fd).st_ino for n, fd in handles.items()}
    os.unlink(m + "/low")
    os.unlink(m + "/up")
    os.rename(m + "/from", m + "/onto")
    for name, fd in handles.items():
        again = f"/proc/self/fd/{fd}"
        same((os.fstat(fd).st_ino, os.fstat(fd).st_size), (numbers[name], len(name)))
        same(get(again), name)
        os.chmod(again, 0o604)
        os.setxattr(again, "user.k", b"v")
        with open(again, "r+") as f:
            f.write("+")
        same((get(again)[0], os.getxattr(again, "user.k"), oct(os.fstat(fd).st_mode)), ("+", b"v", "0o100604"))
        same(os.fstat(fd).st_nlink, 0)
    same((get(lab.lower(1) + "/low"), get(m + "/onto")), ("low", "from"))
    for fd in handles.values():
        os.close(fd)


@case
def mounts_of_the_mount_may_map_ids(lab):
    put(lab.lower(1) + "/f", "f")
    os.chown(lab.lower(1) + "/f", 33, 34)
    os.chmod(lab.lower(1), 0o777)
    os.chmod(lab.upper, 0o777)
    m = lab.mount()
    other = os.path.join(lab.base, "other")
    os.mkdir(other)
    call(libc.mount, m.encode(), other.encode(), None, 4096, None)
    try:
        idmapped(other, 200000)
        same((os.stat(other + "/f").st_uid, os.stat(m + "/f").st_uid), (200033, 33))
        as_user(200007, [], put, other + "/new")
        as_user(200033, [], put, other + "/f", "x")
        same((os.stat(m + "/new").st_uid, os.stat(lab.upper + "/new").st_gid), (7, 7))
        os.chown(other + "/f", 200005, 200006)
        same((os.stat(m + "/f").st_uid, os.stat(lab.upper + "/f").st_gid), (5, 6))
        fails(errno.EOVERFLOW, as_user, 7, [], put, other + "/nobody")
        os.chmod(m + "/new", 0o600)
        fails(errno.EACCES, as_user, 200009, [], put, other + "/new", "x")
    finally:
        while libc.umount2(other.encode(), 2) == 0:
            pass


@case
def copies_share_blocks_where_the_file_system_can(lab):
    """FICLONE: the layers on one xfs."""
    image = os.path.join(lab.base, "image")
    with open(image, "wb") as f:
        f.truncate(400 << 20)
    subprocess.run(["mkfs.xfs", "-q", "-m", "reflink=1", image], check=True)
    disk = os.path.join(lab.base, "disk")
    os.mkdir(disk)
    subprocess.run(["mount", "-o", "loop", image, disk], check=True)
    try:
        lab.layers = [disk + "/l1"]
        lab.upper, lab.work = disk + "/upper", disk + "/work"
        for path in (lab.layers[0], lab.upper, lab.work):
            os.mkdir(path)
        with open(disk + "/l1/f", "wb") as f:
            f.write(random.Random(1).randbytes(1 << 20) * 64)
        with open(disk + "/l1/small", "wb") as f:
            f.write(b"x" * 40000)
        m = lab.mount()
        os.sync()
        free = os.statvfs(disk).f_bavail
        for name in ("f", "small"):
            with open(m + "/" + name, "ab") as f:
                f.write(b"end")
                os.fsync(f.fileno())
        os.sync()
        taken = (free - os.statvfs(disk).f_bavail) * os.statvfs(disk).f_bsize
        assert taken < 8 << 20, f"{taken} bytes of 64 MiB were copied"
        with open(m + "/f", "rb") as f, open(disk + "/l1/f", "rb") as g:
            same(f.read(), g.read() + b"end")
    finally:
        lab.unmount()
        libc.umount2(disk.encode(), 2)


@case
def files_without_a_name(lab):
    lab.lower(1)
    m = lab.mount()
    fd = os.open(m, os.O_TMPFILE | os.O_RDWR, 0o600)
    os.write(fd, b"text")
    call(libc.linkat, -100, b"/proc/self/fd/%d" % fd, -100, (m + "/named").encode(), 0x400)
    os.close(fd)
    same(get(m + "/named"), "text")
    same(get(lab.again() + "/named"), "text")


# Load


@case
def random_data_against_a_model(lab):
    rng = random.Random(7)
    start = bytes(rng.randrange(256) for _ in range(300000))
    with open(lab.lower(1) + "/f", "wb") as f:
        f.write(start)
    m = lab.mount()
    model, limit = bytearray(start), 400000
    fd = os.open(m + "/f", os.O_RDWR)

    def grow(size):
        model.extend(bytes(max(0, size - len(model))))

    for step in range(4000):
        offset, length = rng.randrange(limit), rng.randrange(1, 30000)
        kind = rng.choice(["read", "read", "write", "write", "truncate", "map", "punch", "copy", "append", "reopen"])
        if kind == "read":
            same(os.pread(fd, length, offset), bytes(model[offset:offset + length]))
        elif kind == "write":
            data = os.urandom(length)
            same(os.pwrite(fd, data, offset), length)
            grow(offset)
            model[offset:offset + length] = data
        elif kind == "truncate":
            os.ftruncate(fd, offset)
            grow(offset)
            del model[offset:]
        elif kind == "map" and len(model) > 5000:
            with mmap.mmap(fd, len(model)) as area:
                at = rng.randrange(len(model) - 4000)
                same(area[at:at + 4000], bytes(model[at:at + 4000]))
                area[at:at + 100] = b"m" * 100
                model[at:at + 100] = b"m" * 100
        elif kind == "punch":
            call(libc.fallocate64, fd, 3, ctypes.c_long(offset), ctypes.c_long(length))
            end = min(len(model), offset + length)
            if offset < end:
                model[offset:end] = bytes(end - offset)
        elif kind == "copy" and len(model) > 80000:
            done = os.copy_file_range(fd, fd, 10000, 0, 60000)
            model[60000:60000 + done] = model[0:done]
        elif kind == "append":
            other = os.open(m + "/f", os.O_WRONLY | os.O_APPEND)
            os.write(other, b"tail")
            os.close(other)
            model += b"tail"
        elif kind == "reopen":
            os.close(fd)
            fd = os.open(m + "/f", os.O_RDWR)
        same(os.fstat(fd).st_size, len(model))
    os.close(fd)
    with open(lab.again() + "/f", "rb") as f:
        same(f.read(), bytes(model))
    with open(lab.lower(1) + "/f", "rb") as f:
        same(f.read(), start)


@case
def many_processes_at_once(lab):
    for number in range(200):
        put(lab.lower(1 + number % 3) + f"/d{number % 8}/f{number % 25}", str(number))
    m = lab.mount()
    children = []
    for seed in range(6):
        child = os.fork()
        if child == 0:
            rng = random.Random(seed)
            for step in range(2500):
                a, b = (f"{m}/d{rng.randrange(8)}/f{rng.randrange(25)}" for _ in range(2))
                try:
                    rng.choice([
                        lambda: put(a, "x" * rng.randrange(9000)), lambda: get(a), lambda: os.unlink(a),
                        lambda: os.rename(a, b), lambda: os.link(a, b), lambda: os.mkdir(a),
                        lambda: os.rmdir(a), lambda: os.listdir(os.path.dirname(a)),
                        lambda: renameat2(a, b, 2), lambda: os.symlink("t", a), lambda: os.chmod(a, 0o640),
                        lambda: os.truncate(a, rng.randrange(5000)), lambda: os.stat(a)])()
                except OSError as error:
                    if error.errno not in (2, 17, 18, 20, 21, 39, 22, 40, 1):
                        os._exit(error.errno)
            os._exit(0)
        children.append(child)
    same([os.waitstatus_to_exitcode(os.waitpid(c, 0)[1]) for c in children], [0] * 6)

    def tree(root):
        return {os.path.relpath(os.path.join(d, n), root): (
            os.lstat(os.path.join(d, n)).st_mode,
            get(os.path.join(d, n)) if stat.S_ISREG(os.lstat(os.path.join(d, n)).st_mode) else None)
            for d, ds, fs in os.walk(root) for n in ds + fs}

    live = tree(m)
    same(tree(lab.again()), live)
    lab.unmount()
    same(tree(lab.kernel()), live)


# What the kernel hands on, and what it does not


@case
def what_fuse_never_hands_on(lab):
    put(lab.lower(1) + "/f", "x" * 9000)
    m = lab.mount()
    fd, other = os.open(m + "/f", os.O_RDWR), os.open(m + "/g", os.O_RDWR | os.O_CREAT)
    for mode in (8, 32):  # COLLAPSE_RANGE, INSERT_RANGE
        fails(errno.ENOTSUP, call, libc.fallocate64, fd, mode, ctypes.c_long(0), ctypes.c_long(4096))
    fails(errno.ENOTSUP, call, libc.ioctl, other, ctypes.c_ulong(0x40049409), fd)  # FICLONE
    call(libc.syncfs, fd)
    same(os.copy_file_range(fd, other, 9000), 9000)
    same(get(m + "/g"), "x" * 9000)
    os.close(fd)
    os.close(other)


@case
def locks_hold_through_copy_up(lab):
    put(lab.lower(1) + "/f", "f")
    m = lab.mount()
    reading = os.open(m + "/f", os.O_RDONLY)
    fcntl.flock(reading, fcntl.LOCK_EX)
    writing = os.open(m + "/f", os.O_RDWR)
    fails(errno.EAGAIN, fcntl.flock, writing, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.write(writing, b"g")
    fails(errno.EAGAIN, fcntl.flock, writing, fcntl.LOCK_SH | fcntl.LOCK_NB)
    fcntl.lockf(writing, fcntl.LOCK_EX)
    if os.fork() == 0:
        try:
            fcntl.lockf(os.open(m + "/f", os.O_RDWR), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os._exit(0)
        os._exit(1)
    same(os.wait()[1], 0)
    os.close(reading)
    os.close(writing)


@case
def shared_mapping_reaches_the_upper(lab):
    put(lab.lower(1) + "/f", "x" * 8192)
    m = lab.mount()
    fd = os.open(m + "/f", os.O_RDWR)
    with mmap.mmap(fd, 8192) as memory:
        memory[5000] = ord("y")
        memory.flush()
    os.close(fd)
    same((get(m + "/f")[5000], get(lab.upper + "/f")[5000], get(lab.lower(1) + "/f")[5000]), ("y", "y", "x"))


# Identity


@case
def lowers_of_several_file_systems(lab):
    for number in (1, 2, 3):
        call(libc.mount, b"tmpfs", lab.lower(number).encode(), b"tmpfs", 0, b"mode=755")
        put(lab.lower(number) + f"/f{number}", str(number))
        put(lab.lower(number) + f"/d/g{number}", str(number))
    try:
        m = lab.mount()
        seen = {}
        for directory, _, _ in os.walk(m):
            for entry in os.scandir(directory):
                info = os.lstat(entry.path)
                same((entry.inode(), info.st_dev), (info.st_ino, os.stat(m).st_dev))
                assert info.st_ino not in seen, (entry.path, seen[info.st_ino])
                seen[info.st_ino] = entry.path
        before = os.stat(m + "/f2").st_ino
        os.chmod(m + "/f2", 0o600)
        same(os.stat(m + "/f2").st_ino, before)
        os.rename(m + "/f3", m + "/moved")
        same(get(m + "/moved"), "3")
    finally:
        lab.unmount()
        for number in (1, 2, 3):
            libc.umount2(lab.lower(number).encode(), 2)


@case
def reused_numbers_meet_no_old_node(lab):
    lab.lower(1)
    m = lab.mount()
    for step in range(60):
        fd = os.open(m + "/f", os.O_RDWR | os.O_CREAT | os.O_EXCL)
        os.write(fd, b"old%d" % step)
        os.unlink(m + "/f")
        if step % 2:
            os.close(fd)
        put(m + "/f", "new")
        same((get(m + "/f"), os.stat(m + "/f").st_nlink, os.stat(m + "/f").st_size), ("new", 1, 3))
        if step % 2 == 0:
            same((os.pread(fd, 9, 0), os.fstat(fd).st_nlink), (b"old%d" % step, 0))
            os.close(fd)
        os.unlink(m + "/f")


@case
def upper_links_are_one_inode(lab):
    put(lab.lower(1) + "/f", "f")
    m = lab.mount()
    os.link(m + "/f", m + "/g")
    os.mkdir(m + "/d")
    os.link(m + "/g", m + "/d/h")
    for _ in range(2):
        same({os.stat(m + n).st_ino for n in ("/f", "/g", "/d/h")}, {os.stat(m + "/f").st_ino})
        same([os.stat(m + n).st_nlink for n in ("/f", "/g", "/d/h")], [3, 3, 3])
        m = lab.again()
    with open(m + "/g", "a") as f:
        f.write("+")
    os.unlink(m + "/f")
    same((get(m + "/d/h"), os.stat(m + "/g").st_nlink), ("f+", 2))


@case
def the_last_of_several_links_is_the_node_of_the_others(lab):
    lab.lower(1)
    for name in ("a", "b", "c"):
        put(f"{lab.upper}/{name}/1", "hello")
        os.link(f"{lab.upper}/{name}/1", f"{lab.upper}/{name}/2")
    os.link(f"{lab.upper}/c/1", f"{lab.upper}/c/3")
    put(lab.upper + "/b/new", "new")
    # The second name is first asked for when the first is gone, and what was read there is cached.
    m = lab.mount("passthrough=off")
    fds = {name: os.open(f"{m}/{name}/1", os.O_RDWR) for name in "abc"}
    os.unlink(m + "/a/1")
    os.rename(m + "/b/new", m + "/b/1")
    os.unlink(m + "/c/1")
    same(get(m + "/c/3"), "hello")
    os.unlink(m + "/c/3")
    for name, fd in fds.items():
        other = os.open(f"{m}/{name}/2", os.O_RDONLY)
        same(os.pread(other, 99, 0), b"hello")
        os.pwrite(fd, b"WORLD and more", 0)
        os.fchmod(fd, 0o600)
        same((os.pread(other, 99, 0), os.pread(fd, 99, 0)), (b"WORLD and more", b"WORLD and more"))
        info = os.stat(f"{m}/{name}/2")
        same((info.st_size, info.st_mode & 0o777, info.st_nlink), (14, 0o600, 1))
        same(os.fstat(fd).st_ino, info.st_ino)
        os.close(other)
        os.close(fd)


@case
def removed_files_get_no_new_name(lab):
    put(lab.lower(1) + "/lower", "low")
    put(lab.lower(1) + "/hard", "hard")
    os.link(lab.lower(1) + "/hard", lab.lower(1) + "/link")
    put(lab.upper + "/upper", "up")
    m = lab.mount()

    def name(fd, path):
        call(libc.linkat, -100, b"/proc/self/fd/%d" % fd, -100, path.encode(), 0x400)

    for path in ("lower", "hard", "upper"):
        fd = os.open(f"{m}/{path}", os.O_RDONLY)
        os.unlink(f"{m}/{path}")
        fails(errno.ENOENT, name, fd, m + "/again")
        os.close(fd)
    same(os.listdir(m), ["link"])


@case
def seekdir_while_names_come_and_go(lab):
    for number in range(400):
        put(lab.lower(1 + number % 2) + f"/d/f{number}")
    m = lab.mount()
    libc.opendir.restype = libc.readdir64.restype = ctypes.c_void_p
    libc.telldir.restype = ctypes.c_long
    stream = ctypes.c_void_p(libc.opendir((m + "/d").encode()))

    def names(limit=10**6):
        result = []
        while len(result) < limit:
            entry = libc.readdir64(stream)
            if not entry:
                break
            result.append(ctypes.string_at(entry + 19).decode())
        return result

    first = names(150)
    place = libc.telldir(stream)
    rest = names()
    gone = first[10:30] + rest[10:30]
    for name in gone:
        os.unlink(m + "/d/" + name)
    put(m + "/d/new")
    libc.seekdir(stream, ctypes.c_long(place))
    again = names()
    # Whether names that came or went meanwhile are told is left open.
    same([n for n in again if n not in gone + ["new"]], rest[:10] + rest[30:])
    libc.rewinddir(stream)
    same(sorted(names()), sorted([".", ".."] + os.listdir(m + "/d")))
    libc.closedir(stream)


# Copy-up under load


@case
def copy_up_shows_no_half_file(lab):
    text = os.urandom(1 << 20) * 24
    with open(lab.lower(1) + "/big", "wb") as f:
        f.write(text)
    m = lab.mount()
    go, children = os.pipe(), []
    for number in range(4):
        child = os.fork()
        if child == 0:
            os.close(go[1])
            os.read(go[0], 1)
            if number < 2:
                fd = os.open(m + "/big", os.O_RDWR)
                os.pwrite(fd, b"%d" % number, number)
                os._exit(0)
            for _ in range(6):
                with open(m + "/big", "rb") as f:
                    if f.read()[2:] != text[2:]:
                        os._exit(1)
                for path in (lab.upper + "/big",):
                    if os.path.lexists(path) and os.stat(path).st_size != len(text):
                        os._exit(2)
            os._exit(0)
        children.append(child)
    os.close(go[0])
    os.close(go[1])
    same([os.waitstatus_to_exitcode(os.waitpid(c, 0)[1]) for c in children], [0] * 4)
    with open(m + "/big", "rb") as f:
        same(f.read() == b"01" + text[2:], True)
    same(os.listdir(lab.upper), ["big"])


@case
def full_upper_is_told_and_lived_through(lab):
    put(lab.lower(1) + "/big", "x" * 3000000)
    put(lab.lower(1) + "/small", "s")
    space = lab.base + "/space"
    os.mkdir(space)
    call(libc.mount, b"tmpfs", space.encode(), b"tmpfs", 0, b"size=2m")
    lab.upper, lab.work = space + "/upper", space + "/work"
    os.mkdir(lab.upper)
    os.mkdir(lab.work)
    try:
        m = lab.mount()
        fails(errno.ENOSPC, os.open, m + "/big", os.O_RDWR)
        same((os.listdir(lab.upper), len(get(m + "/big"))), ([], 3000000))
        fd = os.open(m + "/new", os.O_RDWR | os.O_CREAT)
        try:
            for _ in range(3):
                os.write(fd, bytes(1 << 20))
            raise AssertionError("no ENOSPC")
        except OSError as error:
            same(error.errno, errno.ENOSPC)
        os.close(fd)
        os.unlink(m + "/new")
        put(m + "/small", "changed")
        same(get(m + "/small"), "changed")
        same([n for n in os.listdir(lab.work + "/work") if not is_whiteout(lab.work + "/work/" + n)], [])
    finally:
        lab.unmount()
        libc.umount2(space.encode(), 2)


@case
def mounts_on_a_file_stay_when_it_is_copied_up(lab):
    put(lab.lower(1) + "/d/f", "below")
    os.makedirs(lab.lower(1) + "/d/sub")
    put(lab.base + "/over", "above")
    m = lab.mount()
    fd, sub = os.open(m + "/d/f", os.O_RDONLY), os.open(m + "/d/sub", os.O_RDONLY)
    call(libc.mount, (lab.base + "/over").encode(), (m + "/d/f").encode(), None, 4096, None)
    call(libc.mount, b"tmpfs", (m + "/d/sub").encode(), b"tmpfs", 0, None)
    put(m + "/d/sub/mark")
    try:
        os.fchmod(fd, 0o600)
        os.fchmod(sub, 0o700)
        put(m + "/d/other")
        os.listdir(m + "/d")
        same((get(m + "/d/f"), os.listdir(m + "/d/sub")), ("above", ["mark"]))
    finally:
        for name in ("/d/f", "/d/sub"):
            libc.umount2((m + name).encode(), 0)
        os.close(fd)
        os.close(sub)
    same((get(m + "/d/f"), oct(os.stat(m + "/d/f").st_mode & 0o777)), ("below", "0o600"))


# Command line


@case
def forms_of_the_command_line(lab):
    put(lab.base + "/odd:name,x/f", "odd")
    put(lab.base + "/plain/g", "g")
    odd = lab.base + "/odd:name,x"
    for text in (odd.replace(":", "\\:").replace(",", "\\,"), odd.replace(":", "\\\\:").replace(",", "\\\\,")):
        m = lab.mount(upper=False, lowers=[text, lab.base + "/plain"])
        same((get(m + "/f"), get(m + "/g")), ("odd", "g"))
        lab.unmount()
    for words in (["none", lab.mp, "-o", "ro,lowerdir=plain,dev,suid"], ["-olowerdir=plain,,nodev,", lab.mp],
                  ["-o", "lowerdir=plain", "-o", "rw,defaults,x-y=z,lazytime", lab.mp]):
        result = subprocess.run([lab.program] + words, cwd=lab.base, capture_output=True)
        same((words, result.returncode, result.stdout + result.stderr), (words, 0, b""))
        same(os.listdir(lab.mp), ["g"])
        lab.unmount()
    for words, part in ((["-o", "lowerdir=plain,nonsense", lab.mp], b"nonsense"), (["-o", "upperdir=x", lab.mp], b"lowerdir"),
                        (["-o", "lowerdir=gone", lab.mp], b"gone"), (["-o", "lowerdir=plain,upperdir=plain", lab.mp], b"workdir")):
        result = subprocess.run([lab.program] + words, cwd=lab.base, capture_output=True)
        same((result.returncode, result.stderr.count(b"\n"), part in result.stderr), (1, 1, True))


@case
def the_mount_point_may_lie_in_a_lower_layer(lab):
    # The mount would ask itself, and nobody would answer.
    inside = put(lab.lower(1) + "/d/mp/f", "f").removesuffix("/f")
    lab.mp, own = inside, lab.mp
    put(lab.lower(1) + "/d/g", "g")
    lab.mount()
    try:
        same(sorted(os.listdir(inside + "/d")), ["g", "mp"])
        same(get(inside + "/d/mp/f"), "f")
        put(inside + "/d/mp/f", "changed")
        os.rename(inside + "/d/mp/f", inside + "/d/h")
        same((get(lab.upper + "/d/h"), os.listdir(inside + "/d/mp")), ("changed", []))
    finally:
        lab.unmount()
    same(get(inside + "/f"), "f")
    os.mkdir(lab.upper + "/mp")
    result = subprocess.run([lab.program, "-o", lab.text(), lab.upper + "/mp"], capture_output=True)
    same((result.returncode, b"lies in the upper directory" in result.stderr), (1, True))
    lab.mp = own


# Other programs


@case
def uppers_go_to_and_fro_between_programs(lab):
    put(lab.lower(1) + "/a/f", "f")
    put(lab.lower(1) + "/a/g", "g")
    put(lab.lower(1) + "/gone/x")
    put(lab.lower(1) + "/link", "l")

    def change(m, number):
        put(f"{m}/new{number}", str(number))
        with open(m + "/a/f", "a") as f:
            f.write(str(number))
        shutil.rmtree(m + "/gone")
        os.mkdir(m + "/gone")
        put(f"{m}/gone/{number}")
        os.rename(f"{m}/new{number}", f"{m}/a/n{number}")

    for number, program in enumerate([lab.program, "fuse-overlayfs"] * 3):
        # The peer warns of an option of its own.
        m = lab.mp
        subprocess.run([program, "-o", lab.text(), m], check=True, stderr=subprocess.DEVNULL)
        change(m, number)
        text = "f" + "".join(map(str, range(number + 1)))
        same((get(m + "/a/f"), os.listdir(m + "/gone")), (text, [str(number)]))
        same(sorted(os.listdir(m + "/a")), sorted(["f", "g"] + [f"n{n}" for n in range(number + 1)]))
        same(sorted(os.listdir(m)), ["a", "gone", "link"])
        lab.unmount()


# Ends


@case
def signals_unmount(lab):
    put(lab.lower(1) + "/f", "f")
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, None):
        child = subprocess.Popen([lab.program, "-f", "-o", lab.text(), lab.mp])
        while not os.path.ismount(lab.mp):
            time.sleep(0.005)
        same(get(lab.mp + "/f"), "f")
        if number is None:
            lab.unmount()
        else:
            child.send_signal(number)
        same((number, child.wait(5), os.path.ismount(lab.mp)), (number, 0 if number is None else 1, False))


@case
def killed_and_mounted_again(lab):
    put(lab.lower(1) + "/f", "f")
    m = lab.mount()
    put(m + "/new", "written")
    os.unlink(m + "/f")
    os.kill(lab.daemon(), signal.SIGKILL)
    time.sleep(0.1)
    lab.close_broken = libc.umount2(m.encode(), 2)
    os.makedirs(lab.work + "/work/#left/over")
    m = lab.mount()
    same((os.listdir(m), get(m + "/new")), (["new"], "written"))
    assert not os.path.exists(lab.work + "/work/#left")


@case
def lazily_unmounted_daemon_serves_on(lab):
    put(lab.lower(1) + "/f", "f")
    m = lab.mount()
    fd = os.open(m + "/f", os.O_RDWR)
    daemon = lab.daemon()
    call(libc.umount2, m.encode(), 2)
    os.write(fd, b"g")
    m = lab.mount()
    same(get(m + "/f"), "g")
    os.close(fd)
    for _ in range(100):
        if not os.path.exists(f"/proc/{daemon}"):
            break
        time.sleep(0.02)
    assert not os.path.exists(f"/proc/{daemon}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("pattern", nargs="?", default=".")
    parser.add_argument("--dir", default="/var/tmp")
    arguments = parser.parse_args()
    os.umask(0)
    good = bad = 0
    for function in CASES:
        name = function.__name__.replace("_", " ")
        if not re.search(arguments.pattern, name):
            continue
        lab = Lab(os.path.abspath(arguments.program), os.path.join(arguments.dir, f"forms-{os.getpid()}"))
        try:
            function(lab)
            good += 1
            print("ok", name, flush=True)
        except Exception as error:
            bad += 1
            lines = traceback.extract_tb(error.__traceback__)
            where = [l for l in lines if l.name == function.__name__]
            print(f"FAILED {name}: {error!r} at line {where[-1].lineno if where else '?'}", flush=True)
        finally:
            lab.close()
    print(f"{good} passed, {bad} failed")
    sys.exit(1 if bad else 0)


main()
