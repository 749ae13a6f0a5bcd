#!/usr/bin/env python3
"""Kills strata-overlay inside every change of a tree, before each of its system calls that change
something, mounts again, and expects the tree as it was before or as it is after; never anything else.

Usage, as root: overlay-cuts.py PROGRAM [--dir DIR] [PATTERN]
"""
import argparse, ctypes, os, re, shutil, signal, stat, subprocess, sys, time

libc = ctypes.CDLL(None, use_errno=True)
CHANGES = ("linkat,unlinkat,renameat,renameat2,mkdirat,mknodat,symlinkat,fsetxattr,lsetxattr,fremovexattr,"
           "fchownat,fchmod,fchmodat,utimensat,ftruncate,fallocate,pwrite64,copy_file_range,fdatasync")


def put(path, text="x"):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as f:
        f.write(text)


def rename2(a, b, flags):
    if libc.renameat2(-100, a.encode(), -100, b.encode(), flags) < 0:
        raise OSError(ctypes.get_errno(), "renameat2")


def layers(base):
    """What every case starts from: lowers, then changes made through the mount."""
    for path in ("d/f", "d/g", "d/sub/h", "gone/f", "over", "empty1/f", "r/s"):
        put(f"{base}/l1/{path}", path)
    put(f"{base}/l2/d/deep", "deep")
    os.symlink("t", f"{base}/l1/d/link")
    os.mkfifo(f"{base}/l1/d/pipe")
    os.link(f"{base}/l1/d/f", f"{base}/l1/d/f2")
    os.setxattr(f"{base}/l1/d/f", "user.t", b"v")


def prepare(m):
    shutil.rmtree(m + "/gone")
    os.unlink(m + "/over")
    os.unlink(m + "/empty1/f")
    put(m + "/new/file", "new")
    os.mkdir(m + "/newempty")
    put(m + "/upper", "upper")


CASES = {
    "write to a lower file": lambda m: put(m + "/d/f", "changed"),
    "append to a lower file": lambda m: os.truncate(m + "/d/g", 20),
    "chmod of a lower file": lambda m: os.chmod(m + "/d/g", 0o600),
    "chown of a lower link": lambda m: os.chown(m + "/d/link", 5, 6, follow_symlinks=False),
    "chmod of a lower fifo": lambda m: os.chmod(m + "/d/pipe", 0o600),
    "chmod of a deep directory": lambda m: os.chmod(m + "/d/sub", 0o700),
    "attribute of a lower file": lambda m: os.setxattr(m + "/d/g", "user.a", b"b"),
    "unlink of a lower file": lambda m: os.unlink(m + "/d/g"),
    "unlink of an upper file": lambda m: os.unlink(m + "/upper"),
    "new file": lambda m: os.close(os.open(m + "/d/created", os.O_CREAT | os.O_EXCL)),
    "new file over a whiteout": lambda m: os.close(os.open(m + "/over", os.O_CREAT | os.O_EXCL)),
    "new directory": lambda m: os.mkdir(m + "/d/made"),
    "new directory over a whiteout": lambda m: os.mkdir(m + "/gone"),
    "new link over a whiteout": lambda m: os.symlink("x", m + "/over"),
    "hard link of a lower file": lambda m: os.link(m + "/d/g", m + "/linked"),
    "hard link over a whiteout": lambda m: os.link(m + "/upper", m + "/over"),
    "rmdir of a new directory": lambda m: os.rmdir(m + "/newempty"),
    "rmdir of an emptied directory": lambda m: os.rmdir(m + "/empty1"),
    "rename of a lower file": lambda m: os.rename(m + "/d/g", m + "/d/moved"),
    "rename of a lower file onto a lower one": lambda m: os.rename(m + "/d/g", m + "/d/f"),
    "rename of a lower file onto a whiteout": lambda m: os.rename(m + "/d/g", m + "/over"),
    "rename of an upper file onto a whiteout": lambda m: os.rename(m + "/upper", m + "/over"),
    "rename of a directory": lambda m: os.rename(m + "/new", m + "/new2"),
    "rename of a directory onto a removed one": lambda m: os.rename(m + "/new", m + "/gone"),
    "rename of a directory onto an emptied one": lambda m: os.rename(m + "/new", m + "/empty1"),
    "exchange of lower files": lambda m: rename2(m + "/d/g", m + "/d/sub/h", 2),
    "exchange of file and directory": lambda m: rename2(m + "/upper", m + "/new", 2),
}


def snapshot(root):
    tree = {}
    for directory, dirs, files in os.walk(root):
        for name in dirs + files:
            path = os.path.join(directory, name)
            info = os.lstat(path)
            text = None
            if stat.S_ISREG(info.st_mode):
                with open(path) as f:
                    text = f.read()
            elif stat.S_ISLNK(info.st_mode):
                text = os.readlink(path)
            try:
                xattrs = {n: os.getxattr(path, n, follow_symlinks=False)
                          for n in os.listxattr(path, follow_symlinks=False)}
            except OSError:
                xattrs = None
            tree[os.path.relpath(path, root)] = (oct(info.st_mode), info.st_uid, info.st_gid, text, xattrs)
    return tree


class Mount:
    def __init__(self, program, base, kernel=False):
        self.mp = base + "/mp"
        text = f"lowerdir={base}/l1:{base}/l2,upperdir={base}/upper,workdir={base}/work"
        if kernel:
            if libc.mount(b"overlay", self.mp.encode(), b"overlay", 0, text.encode()) < 0:
                raise SystemExit(f"the kernel does not mount {base}: {os.strerror(ctypes.get_errno())}")
            return
        self.daemon = subprocess.Popen([program, "-f", "-o", text, self.mp])
        for _ in range(4000):
            if os.path.ismount(self.mp):
                return
            time.sleep(0.005)
        raise SystemExit("no mount")

    def trace(self, *arguments, log="/dev/null"):
        self.tracer = subprocess.Popen(
            ["strace", "-f", "-o", log, "-p", str(self.daemon.pid), *arguments], stderr=subprocess.PIPE)
        self.tracer.stderr.readline()
        time.sleep(0.05)

    def count(self, log):
        """Notes every call that changes something."""
        self.trace("-e", f"trace={CHANGES}", log=log)

    def cut(self, call, number):
        """Kills the daemon before its `number`th `call` from now."""
        self.trace("-e", f"trace={call}", "-e", f"inject={call}:signal=SIGKILL:when={number}")

    def dies(self):
        """Whether the daemon has ended, or does so in 3 s: it may have answered before it was killed."""
        try:
            self.daemon.wait(3)
            return True
        except subprocess.TimeoutExpired:
            return False

    def end(self):
        if hasattr(self, "tracer"):
            self.tracer.kill()
            self.tracer.wait()
            self.tracer.stderr.close()
        libc.umount2(self.mp.encode(), 2)
        if hasattr(self, "daemon"):
            self.daemon.wait()


def trial(program, base, change, cut=None):
    """Without `cut`: the tree before and after the change, and the calls that it is made of. With one:
    whether it came to that, what is left, what the kernel shows of that, and what lies in work."""
    shutil.rmtree(base, ignore_errors=True)
    for name in ("l1", "l2", "upper", "work", "mp"):
        os.makedirs(f"{base}/{name}")
    layers(base)
    mount = Mount(program, base)
    prepare(mount.mp)
    before = snapshot(mount.mp)
    mount.end()
    if cut is None:
        mount = Mount(program, base)
        mount.count(base + "/log")
        change(mount.mp)
        time.sleep(0.1)
        with open(base + "/log") as f:
            calls = re.findall(r"^[0-9]+ +([a-z0-9]+)\(", f.read(), re.M)
        after = snapshot(mount.mp)
        mount.end()
        return before, after, calls
    mount = Mount(program, base)
    mount.cut(*cut)
    try:
        change(mount.mp)
    except OSError:
        pass
    killed = mount.dies()
    mount.end()
    mount = Mount(program, base)
    left = snapshot(mount.mp)
    debris = [n for n in os.listdir(f"{base}/work/work")]
    mount.end()
    mount = Mount(program, base, kernel=True)
    kernels = snapshot(mount.mp)
    mount.end()
    return killed, left, kernels, debris


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("pattern", nargs="?", default=".")
    parser.add_argument("--dir", default="/var/tmp")
    arguments = parser.parse_args()
    program, base = os.path.abspath(arguments.program), f"{arguments.dir}/cuts-{os.getpid()}"
    os.umask(0)
    good = bad = 0
    for name, change in CASES.items():
        if not re.search(arguments.pattern, name):
            continue
        before, after, calls = trial(program, base, change)
        cuts, problems = [(c, n + 1) for c in sorted(set(calls)) for n in range(calls.count(c))], []
        for cut in cuts:
            killed, left, kernels, debris = trial(program, base, change, cut)
            if not killed:
                problems.append((cut, "was not reached"))
            # A file that is written may be empty in between: two calls of the caller.
            if left not in (before, after) and not (name.startswith("write") and emptied(left, before)):
                problems.append((cut, differing(left, before)))
            if kernels != left:
                problems.append((cut, "the kernel sees", differing(left, kernels)))
            if debris:
                problems.append((cut, "left in work", debris))
        print("FAILED" if problems else "ok", name, f"({len(cuts)} cuts)", problems[:3] or "", flush=True)
        good, bad = good + (not problems), bad + bool(problems)
    shutil.rmtree(base, ignore_errors=True)
    print(f"{good} passed, {bad} failed")
    sys.exit(1 if bad else 0)


def differing(a, b):
    return [(k, a.get(k), b.get(k)) for k in sorted(set(a) | set(b)) if a.get(k) != b.get(k)]


def emptied(left, before):
    changed = [k for k in set(left) | set(before) if left.get(k) != before.get(k)]
    return len(changed) == 1 and left[changed[0]][3] == ""


main()
