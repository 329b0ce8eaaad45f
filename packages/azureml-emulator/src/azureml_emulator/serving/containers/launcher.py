"""The first process of a custom container: starts the command, in a network of its own, and hands out sockets of it.

Started as `python -m azureml_emulator.serving.containers.launcher NETWORK PORT COMMAND…`; NETWORK is `private` or
`shared`. Its standard input is a socket pair with the emulator, which asks for a socket with one byte and gets it as a
descriptor: a socket belongs to the network in which it was made, also in the hands of another process. So the ports of
the command are open to the emulator and to nobody else on this machine. The first descriptor, unasked, is a socket that
listens on PORT, the emulator's own, for what the command has to ask of it. Imports little of the emulator.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

from azureml_emulator.processes.private_network import enter_private_network

_PRIVATE = "private"
_LOOPBACK = "127.0.0.1"
_DEATH_SIGNAL, _SUBREAPER = 1, 36
_LISTENING = "0A"
# What the emulator asks for: a socket, or the ports that are listened on.
SOCKET, PORTS = b"s", b"p"
_NOT_FOUND, _NOT_EXECUTABLE = 127, 126
_INSTALL = ", where no image is pulled: install it here, or deploy this environment on Azure only."


def main(network: str, port: int, command: list[str]) -> int:
    """Run the command until it ends; its exit code, as a shell has it."""
    control = socket.socket(fileno=os.dup(0))
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    _prctl(_DEATH_SIGNAL, signal.SIGKILL)
    _prctl(_SUBREAPER, 1)
    if network == _PRIVATE:
        enter_private_network()
        _send_listener(control, port)
    # The signal that stops the group reaches the command by itself; this process must outlive it.
    signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        child = subprocess.Popen(command, preexec_fn=_as_command)  # noqa: PLW1509 - no threads yet
    except FileNotFoundError:
        print(f"The command '{command[0]}' is not on this machine{_INSTALL}", file=sys.stderr)
        return _NOT_FOUND
    except OSError as error:
        print(f"The command '{command[0]}' cannot be started: {error.strerror}.", file=sys.stderr)
        return _NOT_EXECUTABLE
    threading.Thread(target=_serve, args=(control, child), daemon=True).start()
    code = child.wait()
    if code == _NOT_FOUND:
        print(f"A program of the command is not on this machine{_INSTALL}", file=sys.stderr)
    _end_descendants()
    return code if code >= 0 else 128 - code


def _as_command() -> None:
    _prctl(_DEATH_SIGNAL, signal.SIGKILL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _serve(control: socket.socket, child: subprocess.Popen[bytes]) -> None:
    """Answer the emulator until it is gone, and then end the command."""
    with control, suppress(OSError):
        while asked := control.recv(1):
            if asked == PORTS:
                control.sendall(",".join(map(str, listening_ports())).encode() or b"-")
            elif asked == SOCKET:
                with socket.socket() as fresh:
                    socket.send_fds(control, [b"+"], [fresh.fileno()])
    child.kill()


def _send_listener(control: socket.socket, port: int) -> None:
    with socket.socket() as listener:
        listener.bind((_LOOPBACK, port))
        listener.listen()
        socket.send_fds(control, [b"+"], [listener.fileno()])


def listening_ports() -> list[int]:
    """The TCP ports on which anything in this network listens."""
    ports = set()
    for table in ("tcp", "tcp6"):
        for line in Path("/proc/self/net", table).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == _LISTENING:
                ports.add(int(fields[1].rpartition(":")[2], 16))
    return sorted(ports)


def _end_descendants() -> None:
    """What the command left behind ends with it, as in a container; this process is the parent of all of it."""
    if sys.platform != "linux":
        with suppress(ProcessLookupError):
            os.killpg(0, signal.SIGTERM)
        return
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    while left := children.read_text().split():
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        with suppress(ChildProcessError):
            os.wait()


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2]), sys.argv[3:]))
