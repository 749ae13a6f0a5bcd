#!/usr/bin/env python3
"""How strata-overlay serves: named cases, each on a mount of its own.

Usage: overlay-serving.py PROGRAM --dir DIR CASE...
"""
import argparse, os, random, signal, subprocess, sys, time


class Mount:
    """A mount in the foreground over one lower directory, and its daemon."""

    def __init__(self, program, top, files, *options):
        self.top = top
        self.lower, self.upper, self.work, self.path = (
            os.path.join(top, name) for name in ("lower", "upper", "work", "merged"))
        for directory in (self.lower, self.upper, self.work, self.path):
            os.makedirs(directory)
        for name, data in files.items():
            with open(os.path.join(self.lower, name), "wb") as file:
                file.write(data)
        text = f"lowerdir={self.lower},upperdir={self.upper},workdir={self.work}"
        self.errors = open(os.path.join(top, "errors"), "w+b")
        self.daemon = subprocess.Popen(
            [program, "-f", *options, "-o", text, self.path], stderr=self.errors)
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
        return {line.split(":")[0]: int(line.split(":")[1].split()[0].rstrip(",")) for line in lines}

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
