"""The engine of one Spark step: a Sail server that is reached by a Unix socket. `python server.py SOCKET READY`.

Spark Connect runs Python for everybody who reaches its port. So this process is started in a private network, where
nobody else does, and passes on what arrives at the socket, whose folder only its user may enter. READY is a descriptor
that gets one byte when the server can be connected to. Standard input is a pipe from the driver: when it ends, so does
this process, whatever functions of the step run in it. The emulator copies this file beside the plan of the step, to be
run by an interpreter without the emulator.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import sys
import threading

_LOOPBACK = "127.0.0.1"
_PIECE_BYTES = 1 << 16
_DEATH_SIGNAL = 1


def main(path: str, ready: int) -> None:
    """Serve until the driver ends."""
    _end_with_driver()
    # Its threads start when it is imported.
    from pysail.spark import SparkConnectServer

    server = SparkConnectServer(_LOOPBACK, 0)
    server.start()
    address = server.listening_address
    if address is None:
        sys.exit("Sail did not start.")
    asyncio.run(_serve(path, address[1], ready))


def _end_with_driver() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_DEATH_SIGNAL, signal.SIGKILL)

    def wait() -> None:
        while os.read(0, 1):
            pass
        os._exit(0)

    threading.Thread(target=wait, daemon=True).start()


async def _serve(path: str, port: int, ready: int) -> None:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            upper_reader, upper_writer = await asyncio.open_connection(_LOOPBACK, port)
        except OSError:
            writer.close()
            return
        ways = [
            asyncio.create_task(_pass_on(reader, upper_writer)),
            asyncio.create_task(_pass_on(upper_reader, writer)),
        ]
        await asyncio.wait(ways, return_when=asyncio.FIRST_EXCEPTION)
        writer.close()
        upper_writer.close()
        await asyncio.gather(*ways, return_exceptions=True)

    listener = await asyncio.start_unix_server(connected, path)
    os.write(ready, b"+")
    os.close(ready)
    async with listener:
        await listener.serve_forever()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass on one direction until it ends, which leaves the other one open."""
    while piece := await reader.read(_PIECE_BYTES):
        writer.write(piece)
        await writer.drain()
    with contextlib.suppress(OSError):
        writer.write_eof()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
