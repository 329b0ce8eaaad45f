"""Receives descriptors from another process in the event loop: no thread waits for a socket that another one may close.

There is no limit of time: a busy machine may take its own, and the end of the other process is noticed.
"""

from __future__ import annotations

import asyncio
import socket

_PIECE_BYTES = 1 << 16


async def receive(control: socket.socket) -> tuple[bytes, list[int]]:
    """What arrives next on a socket that does not block: bytes, empty at its end, and at most one descriptor.

    Raises OSError.
    """
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    loop.add_reader(control.fileno(), readable.set)
    try:
        await readable.wait()
    finally:
        loop.remove_reader(control.fileno())
    sent, descriptors, _, _ = socket.recv_fds(control, _PIECE_BYTES, 1)
    return sent, descriptors
