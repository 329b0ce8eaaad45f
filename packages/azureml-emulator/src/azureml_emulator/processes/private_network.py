"""A network of this machine that has only loopback and belongs to one process and its children; Linux only.

As a program, `python private_network.py COMMAND…` executes a command in such a network, and with `--join PID` before
the command in that of another process. It may be copied to where an interpreter without the emulator finds it, so it
imports the standard library only. A network belongs to a thread: enter it before anything starts threads, which some
libraries do at import.
"""

from __future__ import annotations

import ctypes
import fcntl
import functools
import os
import socket
import struct
import subprocess
import sys
from pathlib import Path

_NEW_USER, _NEW_NETWORK = 0x10000000, 0x40000000
_SET_DUMPABLE = 4
_JOIN = "--join"
_GET_FLAGS, _SET_FLAGS, _UP = 0x8913, 0x8914, 0x1


@functools.cache
def has_private_networks() -> bool:
    """Whether this user may make a network on this machine; tried in a process of its own, once."""
    if sys.platform != "linux":
        return False
    tried = subprocess.run([sys.executable, "-I", __file__, "/bin/sh", "-c", ":"], capture_output=True, check=False)
    return tried.returncode == 0


def enter_private_network() -> None:
    """Leave the network of this machine for one that has only loopback. Raises OSError where that is impossible."""
    libc = ctypes.CDLL(None, use_errno=True)
    user, group = os.geteuid(), os.getegid()
    if libc.unshare(_NEW_NETWORK):
        # Without the right to do so, in a user namespace of its own, in which every user has it.
        if libc.unshare(_NEW_USER | _NEW_NETWORK):
            raise OSError(ctypes.get_errno(), "no private network can be made")
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        asked = struct.pack("16sH14x", b"lo", 0)
        _, flags = struct.unpack("16sH14x", fcntl.ioctl(any_socket, _GET_FLAGS, asked))
        fcntl.ioctl(any_socket, _SET_FLAGS, struct.pack("16sH14x", b"lo", flags | _UP))


def joining(pid: int, words: list[str]) -> list[str]:
    """The command that executes another one in the network of a process."""
    return [sys.executable, "-I", __file__, _JOIN, str(pid), *words]


def join_private_network(pid: int) -> None:
    """Enter the network of a process that this user has started. Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    folder = Path(f"/proc/{pid}/ns")
    kinds = [("net", _NEW_NETWORK)]
    if (folder / "user").stat().st_ino != Path("/proc/self/ns/user").stat().st_ino:
        kinds.insert(0, ("user", _NEW_USER))
    for kind, flag in kinds:
        with (folder / kind).open() as namespace:
            if libc.setns(namespace.fileno(), flag):
                raise OSError(ctypes.get_errno(), "the private network cannot be joined")
    # With other rights, a process is closed to its own user, who would miss /proc/self.
    libc.prctl(_SET_DUMPABLE, 1)


if __name__ == "__main__":
    command = sys.argv[1:]
    if command[0] == _JOIN:
        join_private_network(int(command[1]))
        command = command[2:]
    else:
        enter_private_network()
    os.execv(command[0], command)  # noqa: S606 - no shell is wanted
