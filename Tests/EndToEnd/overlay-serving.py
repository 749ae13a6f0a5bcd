#!/usr/bin/env python3
"""How strata-overlay serves: named cases, each on a mount of its own.

Usage: overlay-serving.py PROGRAM --dir DIR CASE...
"""
import argparse, errno, os, random, signal, subprocess, sys, threading, time


class Mount:
    """A mount in the foreground over one lower directory, and its daemon."""

    def __init__(self, program, top, files, *options):
        self.top = top
        self.lower, self.upper, self.work, self.path = (
            os.path.join(top, name) for name in ("lower", "upper", "work", "merged"))
        for directory in (self.lower, self.upper, self.work, self.path):
            os.makedirs(directory)
        for name, data in files.items():
            os.makedirs(os.path.dirname(os.path.join(self.lower, name)), exist_ok=True)
            with open(os.path.join(self.lower, name), "wb") as file:
                file.write(data)
        self.program, self.options = program, options
        self.errors = open(os.path.join(top, "errors"), "w+b")
        self.start(f"lowerdir={self.lower},upperdir={self.upper},workdir={self.work}")

    def start(self, text):
        self.daemon = subprocess.Popen(
            [self.program, "-f", *self.options, "-o", text, self.path], stderr=self.errors)
        deadline = time.monotonic() + 10
        while not os.path.ismount(self.path):
            assert time.monotonic() < deadline and self.daemon.poll() is None, self.said()
            time.sleep(0.005)

    def file(self, name):
        return os.path.join(self.path, name)

    def said(self):
        with open(self.errors.name, "rb") as file:
            return file.read().decode()

    def counters(self):
        """The counters that SIGUSR1 prints, by name."""
        before = len(self.said())
        self.daemon.send_signal(signal.SIGUSR1)
        deadline = time.monotonic() + 5
        while len(self.said()) == before and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.05)
        lines = [line[2:] for line in self.said()[before:].splitlines() if line.startswith("# ")]
        found = {line.split(":")[0]: line.split(":", 1)[1].split()[0].rstrip(",:") for line in lines}
        return {name: int(word) if word.isdigit() else word for name, word in found.items()}

    def unmount(self):
        subprocess.run(["umount", self.path], check=True)
        return self.daemon.wait(timeout=10)


def given(mount):
    sizes = [0, 1, 100, 4095, 4096, 4097, 8192, 65536, 131071, 131072, 131073, 400000]
    rng = random.Random(5)
    files = {f"f{size}": rng.randbytes(size) for size in sizes}
    with mount(files) as m:
        for name, data in files.items():
            with open(m.file(name), "rb") as file:
                assert file.read() == data, name
                assert os.fstat(file.fileno()).st_size == len(data), name
        # 0 is not worth it, and the last two are too long.
        assert m.counters()["FILES GIVEN AT OPEN"] == len(sizes) - 3
        for name, data in files.items():
            before = open(m.file(name), "rb")
            with open(m.file(name), "r+b") as file:
                file.seek(len(data) // 2)
                file.write(b"changed")
            expected = data[: len(data) // 2] + b"changed" + data[len(data) // 2 + 7 :]
            assert before.read() == expected, name
            before.close()
            with open(m.file(name), "rb") as file:
                assert file.read() == expected, name
            os.truncate(m.file(name), 3)
            with open(m.file(name), "rb") as file:
                assert file.read() == expected[:3], name
        assert m.unmount() == 0
    with mount(files) as m:
        # First touched by a change, then read.
        for name, data in files.items():
            os.truncate(m.file(name), len(data) // 2)
            with open(m.file(name), "rb") as file:
                assert file.read() == data[: len(data) // 2], name
        assert m.counters()["FILES GIVEN AT OPEN"] == 0
        assert m.unmount() == 0


def small_files(rng, count=300):
    return {f"n{number:03}": rng.randbytes(rng.choice([1, 900, 4096, 20000, 65536]))
            for number in range(count)}


def read_ahead(mount):
    """Once a listed directory's files are being opened, the others come before they are asked for."""
    rng = random.Random(11)
    files = small_files(rng) | {"empty": b"", "long": rng.randbytes(70000)}
    for order in (list, sorted, lambda names: rng.sample(names, len(names))):
        with mount(files) as m:
            for name in order(os.listdir(m.path)):
                with open(m.file(name), "rb") as file:
                    assert file.read() == files[name], name
            counters = m.counters()
            assert counters["FILES GIVEN AHEAD"] > 0, counters
            assert counters["FILES GIVEN AHEAD"] + counters["FILES GIVEN AT OPEN"] == len(files) - 1
            assert m.unmount() == 0
    with mount(files) as m:
        # Who opens one or two files of a directory reads no more, listed or not.
        for name in os.listdir(m.path)[:2]:
            open(m.file(name), "rb").close()
        assert m.counters()["FILES GIVEN AHEAD"] == 0
        assert m.unmount() == 0
    with mount(files, "-o", "readahead=off") as m:
        for name in os.listdir(m.path):
            open(m.file(name), "rb").close()
        assert m.counters()["FILES GIVEN AHEAD"] == 0
        assert m.unmount() == 0


def read_ahead_and_changed(mount):
    """What is read ahead never covers what somebody wrote meanwhile, in whichever way."""
    rng = random.Random(12)
    for _ in range(4):
        files = small_files(rng)
        with mount(files) as m:
            names = os.listdir(m.path)
            wanted, wrong = dict(files), []
            busy = {name: threading.Lock() for name in names}

            def check(name):
                try:
                    with open(m.file(name), "rb") as file:
                        found = file.read()
                except FileNotFoundError:
                    found = None
                if found != wanted[name]:
                    wrong.append(name)

            def read():
                for name in names:
                    with busy[name]:
                        check(name)

            def change(seed):
                rng = random.Random(seed)
                for name in rng.sample(names, 150):
                    with busy[name]:
                        data = wanted[name]
                        if data is None:
                            continue
                        match rng.randrange(5):
                            case 0:
                                with open(m.file(name), "r+b", buffering=0) as file:
                                    file.write(b"new")
                                wanted[name] = b"new" + data[3:]
                            case 1:
                                os.truncate(m.file(name), len(data) // 2)
                                wanted[name] = data[:len(data) // 2]
                            case 2:
                                with open(m.file(name), "ab") as file:
                                    file.write(b"end")
                                wanted[name] = data + b"end"
                            case 3:
                                with open(m.file("fresh" + name), "wb") as file:
                                    file.write(b"fresh")
                                os.rename(m.file("fresh" + name), m.file(name))
                                wanted[name] = b"fresh"
                            case 4:
                                os.unlink(m.file(name))
                                wanted[name] = None
                        check(name)

            threads = [threading.Thread(target=read)]
            threads += [threading.Thread(target=change, args=(seed,)) for seed in (1, 2)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            read()
            assert not wrong, wrong
            assert m.counters()["FILES GIVEN AHEAD"] > 0
            with open("/proc/sys/vm/drop_caches", "w") as file:
                file.write("3")
            read()
            assert not wrong, wrong
            assert m.unmount() == 0


def listed_ahead(mount):
    """Directories that are prepared before a walk lists them show what is there when it does."""
    rng = random.Random(13)
    files = {f"a{top}/b{low:02}/f{number:02}": bytes(number)
             for top in range(3) for low in range(20) for number in range(30)}

    def found(m, step=lambda: None):
        result = {}
        for directory, _, names in os.walk(m.path):
            for name in names:
                path = os.path.join(directory, name)
                result[os.path.relpath(path, m.path)] = os.lstat(path).st_size
            step()
        return result

    with mount(files) as m:
        assert found(m) == {name: len(data) for name, data in files.items()}
        counters = m.counters()
        assert counters["LISTINGS AHEAD"] > 30, counters
        assert m.unmount() == 0
    with mount(files, "-o", "readahead=off") as m:
        assert found(m) == {name: len(data) for name, data in files.items()}
        assert m.counters()["LISTINGS AHEAD"] == 0
        assert m.unmount() == 0
    with mount(files) as m:
        # What changes just ahead of the walk; each name once, so that its end is known.
        left = rng.sample(sorted(files), len(files))
        wanted = {name: len(data) for name, data in files.items()}

        def change():
            for name in [left.pop() for _ in range(min(12, len(left)))]:
                match rng.randrange(5):
                    case 0:
                        os.unlink(m.file(name))
                        del wanted[name]
                    case 1:
                        os.truncate(m.file(name), 77)
                        wanted[name] = 77
                    case 2:
                        os.rename(m.file(name), m.file(name + "r"))
                        wanted[name + "r"] = wanted.pop(name)
                    case 3:
                        with open(m.file(name + "n"), "wb") as file:
                            file.write(b"new")
                        os.rename(m.file(name + "n"), m.file(name))
                        wanted[name] = 3
                    case 4:
                        os.chmod(m.file(name), 0o640)

        found(m, change)
        assert found(m) == wanted
        # Walks that are broken off, by those who forget as well.
        for _ in range(12):
            with open("/proc/sys/vm/drop_caches", "w") as file:
                file.write("2")
            walk = os.walk(m.path)
            for _ in range(rng.randrange(4, 30)):
                next(walk)
        assert found(m) == wanted
        assert m.unmount() == 0


def bounded_nodes(mount):
    """Above its limit the kernel is asked to forget; what is in use stays as it is."""
    files = {f"d{low:02}/f{number:03}": b"x" * number for low in range(50) for number in range(100)}
    with mount(files, "-o", "node-limit=1000") as m:
        held = open(m.file("d07/f003"), "rb")
        here = os.open(m.file("d09"), os.O_PATH)
        os.makedirs(os.path.join(m.top, "other"))
        with open(os.path.join(m.top, "other/f"), "w") as file:
            file.write("mounted")
        subprocess.run(
            ["mount", "--bind", os.path.join(m.top, "other"), m.file("d11")], check=True)
        for _ in range(3):
            for directory, _, names in os.walk(m.path):
                for name in names:
                    os.lstat(os.path.join(directory, name))
        deadline = time.monotonic() + 5
        while m.counters()["NODES"] > 1500 and time.monotonic() < deadline:
            time.sleep(0.05)
            os.lstat(m.file("d01/f001"))
        assert m.counters()["NODES"] <= 1500, m.counters()
        assert held.read() == b"xxx"
        assert len(os.listdir(f"/proc/self/fd/{here}")) == 100
        with open(m.file("d11/f")) as file:
            assert file.read() == "mounted"
        held.close()
        os.close(here)
        subprocess.run(["umount", m.file("d11")], check=True)
        for name, data in list(files.items())[::37]:
            with open(m.file(name), "rb") as file:
                assert file.read() == data, name
        assert m.unmount() == 0


def append(path):
    """A process that appends to a file and so has it copied up."""
    code = "import sys; open(sys.argv[1], 'ab').write(b'end')"
    return subprocess.Popen([sys.executable, "-c", code, path])


def large_copy_up(mount):
    data = random.Random(3).randbytes(1 << 20) * 400
    with mount({"large": data, "other": b"o", "third": b"t"}, "-o", "volatile") as m:
        # Meanwhile others are served, and two who want the same file get one copy.
        first, second = append(m.file("large")), append(m.file("large"))
        longest = 0
        while first.poll() is None or second.poll() is None:
            started = time.monotonic()
            with open(m.file("third"), "ab") as file:
                file.write(b"x")
            os.stat(m.file("other"))
            longest = max(longest, time.monotonic() - started)
            time.sleep(0.002)
        assert (first.returncode, second.returncode) == (0, 0)
        assert longest < 0.25, f"another request took {longest} s"
        with open(m.file("large"), "rb") as file:
            assert file.read() == data + b"endend"
        assert sorted(os.listdir(m.upper)) == ["large", "third"]
        assert os.listdir(os.path.join(m.work, "work")) == []
        assert m.unmount() == 0


def killed_copy_up(mount):
    data = random.Random(4).randbytes(1 << 20) * 600
    with mount({"large": data}) as m:
        child = append(m.file("large"))
        time.sleep(0.15)
        child.kill()
        started = time.monotonic()
        child.wait(timeout=10)
        took = time.monotonic() - started
        assert took < 1, f"outlived SIGKILL by {took} s"
        # A signal that does not kill ends nothing.
        code = """import ctypes, os, signal, sys
signal.signal(signal.SIGUSR1, lambda *_: None)
print(flush=True)
fd = ctypes.CDLL(None).open(sys.argv[1].encode(), os.O_WRONLY | os.O_APPEND)
os.write(fd, b"end")"""
        child = subprocess.Popen(
            [sys.executable, "-c", code, m.file("large")], stdout=subprocess.PIPE)
        child.stdout.readline()
        time.sleep(0.1)
        child.send_signal(signal.SIGUSR1)
        assert child.wait(timeout=60) == 0
        with open(m.file("large"), "rb") as file:
            assert file.read() == data + b"end"
        assert m.unmount() == 0


def changes_of_large_files(mount):
    data = random.Random(6).randbytes(1 << 20) * 2
    names = ["mode", "rename", "link", "xattr", "cut", "grow", "emptied", "time"]
    with mount({name: data for name in names}) as m:
        os.chmod(m.file("mode"), 0o600)
        os.rename(m.file("rename"), m.file("renamed"))
        os.link(m.file("link"), m.file("linked"))
        os.setxattr(m.file("xattr"), "user.x", b"y")
        os.truncate(m.file("cut"), 700000)
        os.truncate(m.file("grow"), len(data) + 5)
        open(m.file("emptied"), "wb").close()
        os.utime(m.file("time"), (1, 2))
        expected = {
            "mode": data, "renamed": data, "link": data, "linked": data, "xattr": data,
            "cut": data[:700000], "grow": data + bytes(5), "emptied": b"", "time": data}
        assert sorted(os.listdir(m.path)) == sorted(expected)
        for name, content in expected.items():
            with open(m.file(name), "rb") as file:
                assert file.read() == content, name
            with open(os.path.join(m.upper, name), "rb") as file:
                assert file.read() == content, name
        assert os.listdir(os.path.join(m.work, "work")) == []
        # A refusal leaves nothing either.
        try:
            os.setxattr(m.file("time"), "user.none", b"", os.XATTR_REPLACE)
            raise AssertionError("replaced what was not there")
        except OSError:
            pass
        fd = os.open(m.file("mode"), os.O_RDWR)
        os.fsync(fd)
        os.close(fd)
        assert m.unmount() == 0


def passed_through(mount):
    data = random.Random(8).randbytes(300000)
    with mount({"low": data}) as m:
        assert m.counters()["PASSTHROUGH"] == 0
        with open(m.file("new"), "w+b") as file:
            file.write(data)
            file.flush()
            assert os.fstat(file.fileno()).st_size == len(data)
            with open(m.file("new"), "rb") as other:
                assert other.read() == data
        reader = open(m.file("low"), "rb", buffering=0)
        assert reader.read(10) == data[:10]
        # Opened through the cache, and so for as long as it is open.
        with open(m.file("low"), "r+b") as writer:
            writer.write(b"changed")
        reader.seek(0)
        assert reader.readall() == b"changed" + data[7:]
        reader.close()
        time.sleep(0.1)
        with open(m.file("low"), "r+b") as writer:
            writer.write(b"CHANGED")
        with open(m.file("low"), "rb") as file:
            assert file.read() == b"CHANGED" + data[7:]
        # Whoever writes to a setuid program makes it an ordinary one.
        os.chmod(m.file("new"), 0o4777)
        assert os.stat(m.file("new")).st_mode & 0o7777 == 0o4777
        code = "import os, sys; os.setuid(1000); open(sys.argv[1], 'r+b').write(b'x')"
        os.chmod(m.top, 0o755)
        subprocess.run([sys.executable, "-c", code, m.file("new")], check=True)
        assert os.stat(m.file("new")).st_mode & 0o7777 == 0o777
        assert os.stat(os.path.join(m.upper, "new")).st_mode & 0o7777 == 0o777
        with open(os.path.join(m.lower, "low"), "rb") as file:
            assert file.read() == data, "the lower was written"
        assert m.counters()["PASSTHROUGH"] > 3
        assert m.unmount() == 0
    with mount({"low": data}, "-o", "passthrough=off") as m:
        with open(m.file("low"), "r+b") as writer:
            writer.write(b"changed")
        assert m.counters()["PASSTHROUGH"] == 0
        assert m.unmount() == 0


def read_only(mount):
    """Where nothing can be changed the kernel reads large lower files by itself."""
    rng = random.Random(14)
    files = {f"f{size}": rng.randbytes(size) for size in (100, 65536, 65537, 300000)}
    for options, passed in ((("-o", "ro"), 4), (("-o", "ro,passthrough=off"), 0)):
        with mount(files, *options) as m:
            for _ in range(2):
                for name, data in files.items():
                    with open(m.file(name), "rb") as file:
                        assert file.read() == data, name
                        with open(m.file(name), "rb") as other:
                            assert other.read(10) == data[:10]
                            assert os.fstat(other.fileno()).st_size == len(data)
            for name in files:
                try:
                    open(m.file(name), "r+b")
                    raise AssertionError("opened for writing")
                except OSError as error:
                    assert error.errno == 30, error
            # Two files, two rounds, two opens each.
            assert m.counters()["PASSTHROUGH"] == 2 * passed
            assert m.unmount() == 0


def awake(mount):
    """On two cores a thread of low priority is busy while one client asks, and only then."""
    def idle_threads(m):
        for task in os.listdir(f"/proc/{m.daemon.pid}/task"):
            with open(f"/proc/{m.daemon.pid}/task/{task}/stat") as file:
                fields = file.read().rsplit(")", 1)[1].split()
            if fields[16] == "19":
                yield int(fields[11]) + int(fields[12])

    two = os.cpu_count() == 2 and len(os.sched_getaffinity(0)) == 2
    for options, expected in (([], two), (["-o", "spin=0"], False)):
        with mount({"f": b"f"}, *options) as m:
            for number in range(3000):
                os.close(os.open(m.file(f"new{number}"), os.O_CREAT | os.O_WRONLY))
            assert bool(list(idle_threads(m))) == expected, list(idle_threads(m))
            time.sleep(0.1)
            before = list(idle_threads(m))
            time.sleep(0.5)
            assert list(idle_threads(m)) == before, (before, list(idle_threads(m)))
            assert m.unmount() == 0


def counted(mount):
    with mount({"f": b"f" * 1000, "g": b"g"}) as m:
        before = m.counters()
        with open(m.file("f"), "r+b") as file:
            file.write(b"x")
        os.listdir(m.path)
        for name in ("g", "absent"):
            os.path.exists(m.file(name))
        after = m.counters()
        assert after["OPERATIONS"] >= before["OPERATIONS"] + 4, (before, after)
        assert after["COPY-UPS"] == 1 and "COPY-UPS: 1, 1000 bytes" in m.said(), m.said()
        assert 1000 < after["MEMORY"] < 50000 and "TRANSPORT: protocol 7." in m.said(), m.said()
        assert m.unmount() == 0


def broken_layers(mount):
    """Each failure is told in one line that names the layer, and the daemon lives."""
    with mount({}) as m:
        below = os.path.join(m.top, "below")
        os.makedirs(os.path.join(below, "d"))
        for name in ("f", "d/g"):
            with open(os.path.join(below, name), "w") as file:
                file.write(name)
        assert m.unmount() == 0
        # A lower that is another program's, which dies; and one that is whole.
        other = subprocess.Popen([m.program, "-f", "-o", "lowerdir=" + below, m.lower])
        while not os.path.ismount(m.lower):
            time.sleep(0.005)
        try:
            m.start(f"lowerdir={m.lower}:{below},upperdir={m.upper},workdir={m.work}")
            assert sorted(os.listdir(m.path)) == ["d", "f"]
            other.kill()
            other.wait()
            for call in (lambda: open(m.file("f")), lambda: open(m.file("d/g"), "a"), lambda: os.listdir(m.file("d"))):
                try:
                    call()
                    raise AssertionError("worked")
                except OSError as error:
                    assert error.errno == errno.EIO, error
            with open(m.file("new"), "w") as file:
                file.write("new")
            assert m.said().count("\n") == 1 and f"lower directory {m.lower}\n" in m.said(), m.said()
            assert m.unmount() == 0
        finally:
            subprocess.run(["umount", "-l", m.lower])
    # A file system whose device is cut short gives EIO for what lay behind.
    with mount({}) as m:
        assert m.unmount() == 0
        image = os.path.join(m.top, "image")
        with open(image, "wb") as file:
            file.truncate(32 << 20)
        subprocess.run(["mkfs.ext4", "-q", "-F", "-O", "^has_journal", "-E", "lazy_itable_init=0", image], check=True)
        subprocess.run(["mount", "-o", "loop", image, m.lower], check=True)
        try:
            os.mkdir(os.path.join(m.lower, "d"))
            for number in range(3):
                with open(os.path.join(m.lower, f"d/f{number}"), "wb") as file:
                    file.write(bytes([number + 1]) * 4000000)
            subprocess.run(["mount", "-o", "remount,ro", m.lower], check=True)
            m.start(f"lowerdir={m.lower},upperdir={m.upper},workdir={m.work}")
            assert len(os.listdir(m.file("d"))) == 3
            os.truncate(image, 200 << 10)
            with open("/proc/sys/vm/drop_caches", "w") as file:
                file.write("3")
            failed = 0
            for call in (lambda: open(m.file("d/f0"), "rb").read(), lambda: os.chmod(m.file("d/f1"), 0o600)):
                try:
                    call()
                except OSError as error:
                    assert error.errno == errno.EIO, error
                    failed += 1
            assert failed == 2 and f"lower directory {m.lower}\n" in m.said(), (failed, m.said())
            assert os.listdir(os.path.join(m.work, "work")) == []
            with open(m.file("new"), "w") as file:
                file.write("new")
            assert m.unmount() == 0
        finally:
            subprocess.run(["umount", "-l", m.lower])


def ends(mount):
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        with mount({"f": b"f"}) as m:
            m.daemon.send_signal(number)
            assert m.daemon.wait(timeout=5) == 1
            assert not os.path.ismount(m.path)
        with mount({"f": b"f"}) as m:
            file = open(m.file("f"), "r+b")
            m.daemon.send_signal(number)
            deadline = time.monotonic() + 5
            while os.path.ismount(m.path):
                assert time.monotonic() < deadline
                time.sleep(0.01)
            file.write(b"g")
            file.flush()
            file.seek(0)
            assert file.read() == b"g" and m.daemon.poll() is None
            file.close()
            assert m.daemon.wait(timeout=5) == 1
    with mount({"f": b"f"}) as m:
        started = time.monotonic()
        assert m.unmount() == 0
        assert time.monotonic() - started < 0.5


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--dir", required=True)
    parser.add_argument("cases", nargs="+")
    arguments = parser.parse_args()
    number = 0

    class Scoped(Mount):
        def __init__(self, files, *options):
            nonlocal number
            number += 1
            super().__init__(
                arguments.program, os.path.join(arguments.dir, f"m{number}"), files, *options)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            if os.path.ismount(self.path):
                subprocess.run(["umount", "-l", self.path])
            if self.daemon.poll() is None:
                self.daemon.kill()

    for case in arguments.cases:
        globals()[case](Scoped)
        print(f"{case}: passed")


main()
