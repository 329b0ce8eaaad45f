"""The process of one deployment: Microsoft's inference server on a Unix socket.

Started as `python -m azureml_emulator.serving.servers.launcher SCRIPT SOCKET`. Binds the socket itself, so that the
server cannot listen elsewhere. Imports nothing of the emulator.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import sys

_BACKLOG = 2048
# gunicorn accepts sockets as systemd passes them: from descriptor 3 on, announced by the variables LISTEN_*.
_FIRST_DESCRIPTOR = 3
_PR_SET_PDEATHSIG = 1


def main(script: str, path: str) -> None:
    """Bind, and become the inference server."""
    _die_with_parent()
    os.register_at_fork(after_in_child=_die_with_parent)
    _listen(path)
    sys.argv = [sys.argv[0], "--entry_script", script]

    # Imported here, because it takes half a second and the socket exists meanwhile.
    from azureml_inference_server_http import amlserver

    amlserver.run()


def _listen(path: str) -> None:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(path)
    listener.listen(_BACKLOG)
    os.dup2(listener.fileno(), _FIRST_DESCRIPTOR, inheritable=True)
    if listener.fileno() != _FIRST_DESCRIPTOR:
        listener.close()
    else:
        listener.detach()
    os.environ["LISTEN_FDS"] = "1"
    os.environ["LISTEN_PID"] = str(os.getpid())


def _die_with_parent() -> None:
    """Ask Linux to kill this process when its parent ends, so that a killed emulator leaves no servers behind."""
    if sys.platform != "linux":
        return
    parent = os.getppid()
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
