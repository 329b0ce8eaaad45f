"""A network of this machine that has only loopback and belongs to one process and its children; Linux only.

As a program, `python private_network.py COMMAND…` executes a command in such a network. It may be copied to where an
interpreter without the emulator finds it, so it imports the standard library only. A network belongs to a thread:
enter it before anything starts threads, which some libraries do at import.
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


if __name__ == "__main__":
    enter_private_network()
    os.execv(sys.argv[1], sys.argv[1:])  # noqa: S606 - no shell is wanted
