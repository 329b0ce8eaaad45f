"""The process of one deployment: Microsoft's inference server on a free loopback port.

Started as `python -m azureml_emulator.serving.servers.launcher PORT_FILE SCRIPT`. Binds the socket itself, so that
no other process can take the port in between, and writes it to PORT_FILE. Imports nothing of the emulator.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import sys
from pathlib import Path

_LOOPBACK = "127.0.0.1"
_BACKLOG = 2048
# gunicorn accepts sockets as systemd passes them: from descriptor 3 on, announced by the variables LISTEN_*.
_FIRST_DESCRIPTOR = 3
_PR_SET_PDEATHSIG = 1


def main(port_file: Path, script: str) -> None:
    """Bind, announce the port, and become the inference server."""
    _die_with_parent()
    os.register_at_fork(after_in_child=_die_with_parent)
    port = _listen()
    fresh = port_file.with_suffix(".new")
    fresh.write_text(str(port))
    fresh.replace(port_file)
    sys.argv = [sys.argv[0], "--entry_script", script, "--port", str(port)]

    # Imported here, because it takes half a second and the port is visible meanwhile.
    from azureml_inference_server_http import amlserver

    amlserver.run()


def _listen() -> int:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # Accepted connections inherit this option. gunicorn writes head and body separately: with Nagle's algorithm the
    # body would wait for the acknowledgement of the head, which a client may delay by 40 ms.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    listener.bind((_LOOPBACK, 0))
    listener.listen(_BACKLOG)
    port = listener.getsockname()[1]
    os.dup2(listener.fileno(), _FIRST_DESCRIPTOR, inheritable=True)
    if listener.fileno() != _FIRST_DESCRIPTOR:
        listener.close()
    else:
        listener.detach()
    os.environ["LISTEN_FDS"] = "1"
    os.environ["LISTEN_PID"] = str(os.getpid())
    return port


def _die_with_parent() -> None:
    """Ask Linux to kill this process when its parent ends, so that a killed emulator leaves no servers behind."""
    if sys.platform != "linux":
        return
    parent = os.getppid()
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
