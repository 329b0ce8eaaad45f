"""A `uv` for the PATH of replayed jobs: `uv run mlops …` is a preforked process, other commands do nothing.

What a job would install is on this machine already, and its linters, tests and demo run elsewhere, so `npm` and
`python3` do nothing either. The program passes its words, variables, folder and streams to a server in the test
process; callers cannot tell the resulting process from one that was started normally.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock, Thread
from typing import Any, Final

from prefork_programs import run_connected

_OTHERS: Final = ("npm", "python3")
_NOTHING: Final = "#!/bin/sh\n"
# A shell starts faster than Python, and most calls do nothing.
_UV: Final = """#!/bin/sh
[ "$1 $2" = "run mlops" ] && [ "$3" != demo ] || exit 0
shift
exec {client} "$@"
"""
_CLIENT: Final = """#!{python} -IS
import json, os, socket, sys
given = {{"words": sys.argv[1:], "variables": dict(os.environ), "folder": os.getcwd()}}
text = json.dumps(given).encode()
with socket.socket(socket.AF_UNIX) as connection:
    connection.connect({address!r})
    socket.send_fds(connection, [len(text).to_bytes({length}, "big")], [0, 1, 2])
    connection.sendall(text)
    code = connection.recv(1)
sys.exit(code[0] if code else {broken})
"""
_PROGRAM_MODE: Final = 0o755
_BACKLOG: Final = 16
_LENGTH_BYTES: Final = 8
_BROKEN: Final = 70


@dataclass(frozen=True)
class Call:
    """A call of `mlops`: arguments, folder, exit code, duration."""

    words: tuple[str, ...]
    folder: Path
    code: int
    seconds: float


class PreforkUv:
    """The folder of programs for the PATH, and all calls of `mlops` in the order in which they ended."""

    def __init__(self, programs: Path, address: Path) -> None:
        self.programs = programs
        self._calls: list[Call] = []
        self._lock = Lock()
        client = programs / "mlops-client"
        facts = {"python": sys.executable, "address": str(address), "length": _LENGTH_BYTES, "broken": _BROKEN}
        texts = {client: _CLIENT.format(**facts), programs / "uv": _UV.format(client=shlex.quote(str(client)))}
        for program, text in (texts | {programs / name: _NOTHING for name in _OTHERS}).items():
            program.write_text(text)
            program.chmod(_PROGRAM_MODE)

    @property
    def calls(self) -> tuple[Call, ...]:
        """All calls so far."""
        with self._lock:
            return tuple(self._calls)

    def serve(self, listener: socket.socket) -> None:
        """Serve until the listener is closed."""
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection:
            given, streams = _received(connection)
            began = time.monotonic()
            words, folder = tuple(given["words"]), Path(given["folder"])
            try:
                code = run_connected(words, folder, given["variables"], streams)
            finally:
                for stream in streams:
                    os.close(stream)
            call = Call(words[1:], folder, code, time.monotonic() - began)
            with self._lock:
                self._calls.append(call)
            connection.sendall(bytes([code]))


@contextmanager
def prefork_uv() -> Generator[PreforkUv]:
    """A `uv` to prepend to the PATH while the block runs."""
    # Not in the folder of a test: the path of a socket is limited to about 100 characters.
    folder = Path(tempfile.mkdtemp(prefix="uv-"))
    address = folder / "socket"
    try:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(address))
            listener.listen(_BACKLOG)
            programs = folder / "bin"
            programs.mkdir()
            uv = PreforkUv(programs, address)
            Thread(target=uv.serve, args=(listener,), daemon=True).start()
            yield uv
            listener.shutdown(socket.SHUT_RDWR)
    finally:
        shutil.rmtree(folder)


def _received(connection: socket.socket) -> tuple[dict[str, Any], list[int]]:
    head, streams, _, _ = socket.recv_fds(connection, _LENGTH_BYTES, 3)
    length = int.from_bytes(head, "big")
    text = b""
    while len(text) < length:
        part = connection.recv(length - len(text))
        if not part:
            break
        text += part
    return json.loads(text), streams
