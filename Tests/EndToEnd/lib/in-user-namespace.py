#!/usr/bin/env python3
"""Runs a command as root of a new user and mount namespace in which ids 0 to 65535 are 100000 and on.

Usage, as root: in-user-namespace.py COMMAND...
"""
import ctypes, os, sys

NEWUSER, NEWNS, PRIVATE, RECURSIVE = 0x10000000, 0x20000, 1 << 18, 1 << 14
libc = ctypes.CDLL(None, use_errno=True)
ready, mapped = os.pipe(), os.pipe()
child = os.fork()
if child == 0:
    os.close(mapped[1])
    if libc.unshare(NEWUSER | NEWNS) < 0:
        os._exit(125)
    os.write(ready[1], b"x")
    os.read(mapped[0], 1)
    os.setresgid(0, 0, 0)
    os.setgroups([])
    os.setresuid(0, 0, 0)
    libc.mount(b"none", b"/", None, PRIVATE | RECURSIVE, None)
    os.execvp(sys.argv[1], sys.argv[1:])
os.close(mapped[0])
os.close(ready[1])
if os.read(ready[0], 1):
    for kind in ("uid", "gid"):
        with open(f"/proc/{child}/{kind}_map", "w") as file:
            file.write("0 100000 65536")
    os.write(mapped[1], b"x")
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
