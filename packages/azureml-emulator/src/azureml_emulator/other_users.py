"""What other users of the machine can reach of a running emulator: for test suites, on Linux.

Starts from the processes that the emulator has started, not from a list of its parts, so that a socket which is added
later is found. `check` tries everything as the user `nobody`, which only root can do.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

from azureml_emulator.control import daemon
from azureml_emulator.control.ready_file import ReadyFile, ReadyRecord

_LISTENING: Final = "0A"
_ACCEPTS: Final = 0x10000
_NOBODY: Final = "nobody"
_SECONDS: Final = 300
# Runs with the standard library only. Reads what to try as JSON, prints what it got as JSON.
_PROGRAM: Final = r"""
import http.client, json, os, socket, ssl, sys

wanted, got = json.load(sys.stdin), []
insecure = ssl._create_unverified_context()


def way(port):
    # A server with TLS does not answer this in HTTP.
    try:
        with socket.create_connection(("127.0.0.1", port), 60) as client:
            client.sendall(b"GET / HTTP/1.0\r\n\r\n")
            is_plain = client.recv(5) == b"HTTP/"
    except ConnectionResetError:
        is_plain = False
    if is_plain:
        return lambda: http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    return lambda: http.client.HTTPSConnection("127.0.0.1", port, timeout=60, context=insecure)


for port in wanted["ports"]:
    make = way(port)
    for method, route, headers in wanted["requests"]:
        connection = make()
        try:
            connection.request(method, route, b"{}" if method == "POST" else None, headers)
            reply = connection.getresponse()
            got.append([f"{method} {route} {headers} on port {port}", reply.status, reply.read().decode("latin-1")])
        except (OSError, http.client.HTTPException):
            pass
        finally:
            connection.close()
for path in wanted["paths"]:
    for attempt in (os.listdir, lambda path: open(path, "rb").read(1), lambda path: open(path, "ab")):
        try:
            got.append([f"opened {path}", 200, str(attempt(path))])
        except OSError:
            pass
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(path)
            got.append([f"connected to {path}", 200, ""])
        except OSError:
            pass
print(json.dumps(got))
"""
_ROUTES: Final = (
    *(
        "/",
        "/health",
        "/version",
        "/metrics",
        "/graphql",
        "/static-files/index.html",
        "/get-artifact?path=x&run_uuid=x",
    ),
    *("/api/2.0/mlflow/experiments/search?max_results=1", "/ajax-api/2.0/mlflow/experiments/search?max_results=1"),
    *("/api/2.0/mlflow/experiments/create", "/api/2.0/mlflow/runs/create", "/api/2.0/mlflow/runs/search"),
    *("/api/2.0/mlflow-artifacts/artifacts", "/ajax-api/2.0/mlflow/upload-artifact?run_uuid=x&path=x"),
    *(
        "/score",
        "/swagger.json",
        "/docs",
        "/modeldata/log",
        "/secrets.json",
        "/..%2F..%2Fsecrets.json",
        "/pages/open/x",
    ),
    *("/_emulator/health", "/_emulator/summary", "/_emulator/metrics", "/_emulator/listeners", "/subscriptions"),
    *("/_emulator/control/mlflow-link", "/msi/token?resource=x", "/endpoints/x/y/score", "/batch/x/y/jobs"),
)
_SENSITIVE: Final = (
    "/",
    "/api/2.0/mlflow/experiments/search?max_results=1",
    "/endpoints/x/y/score",
    "/_emulator/summary",
)
_FORGED: Final = ({"Authorization": "Bearer x", "X-IDENTITY-HEADER": "x"}, {"Host": "evil.example"})


class NoOtherUser(Exception):
    """There is nothing to try, or this process cannot become another user; the message says why."""


def check(state: Path) -> list[str]:
    """What `nobody` got from the emulator that runs on a state folder, one line each. Raises NoOtherUser.

    Refused is a request that gets 401, 403, or 404 without content but an error.
    """
    processes = process_tree(_running(state).pid)
    ports, sockets = listening(processes)
    files = [state, *state.iterdir(), *(file for file in state.glob("*/*"))]
    environments = [Path(f"/proc/{process}/environ") for process in processes]
    paths = [*files, *(path for socket in sockets for path in (socket, socket.parent)), *environments]
    plain = [(method, route, {}) for method in ("GET", "POST") for route in _ROUTES]
    requests = [*plain, *(("GET", route, headers) for route in _SENSITIVE for headers in _FORGED)]
    wanted = {"ports": sorted(ports), "requests": requests, "paths": sorted({str(path) for path in paths})}
    got = _as_nobody(wanted)
    return [
        f"{what}: {status} {content[:80]!r}"
        for what, status, content in got
        if not (status in {401, 403} or (status == 404 and (not content or content.startswith('{"error"'))))
    ]


def unlisted(state: Path) -> list[str]:
    """Sockets of the emulator that runs on a state folder, and of what it started, without a reason or in reach."""
    record = _running(state)
    ports, sockets = listening(process_tree(record.pid))
    listed = {each["port"]: each["reason"] for each in daemon.listeners(record)}
    reachable = [f"Unix socket {path}" for path in sockets if path.parent.stat().st_mode & 0o077]
    return [f"port {port}" for port in sorted(ports) if not listed.get(port)] + reachable


def process_tree(root: int) -> set[int]:
    """A process and all that descend from it."""
    parents = {}
    for file in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(file.parent.name)] = int(file.read_text().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
    found = {root}
    while more := {process for process, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def listening(processes: set[int]) -> tuple[set[int], set[Path]]:
    """The TCP ports and the Unix sockets that processes listen on.

    Ports of a network of their own are not in reach of this one. Paths of Unix sockets are, whatever the network.
    """
    inodes = {inode for process in processes for inode in _sockets(process)}
    ports = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:] if Path(table).exists() else []:
            fields = line.split()
            if fields[3] == _LISTENING and fields[9] in inodes:
                ports.add(int(fields[1].rpartition(":")[2], 16))
    rows = [line.split(maxsplit=7) for table in _socket_tables(processes) for line in table.splitlines()[1:]]
    named = [row for row in rows if len(row) == 8 and int(row[3], 16) & _ACCEPTS and row[6] in inodes]
    return ports, {Path(row[7]) for row in named}


def _running(state: Path) -> ReadyRecord:
    record = ReadyFile(state).read()
    if record is None:
        raise NoOtherUser(f"no emulator runs on {state}")
    return record


def _sockets(process: int) -> set[str]:
    found = set()
    try:
        for descriptor in Path(f"/proc/{process}/fd").iterdir():
            name = str(descriptor.readlink())
            if name.startswith("socket:["):
                found.add(name[len("socket:[") : -1])
    except (FileNotFoundError, ProcessLookupError):
        pass
    return found


def _socket_tables(processes: set[int]) -> list[str]:
    """The tables of Unix sockets, one of each network that the processes are in."""
    found = {}
    for process in processes:
        try:
            network = Path(f"/proc/{process}/ns/net").readlink()
            found[network] = found.get(network) or Path(f"/proc/{process}/net/unix").read_text()
        except OSError:
            # It has ended.
            continue
    return list(found.values())


def _as_nobody(wanted: dict[str, Any]) -> list[tuple[str, int, str]]:
    line = [_interpreter(), "-c", _PROGRAM]
    done = subprocess.run(
        line, input=json.dumps(wanted), capture_output=True, text=True, check=True, timeout=_SECONDS, **_nobody()
    )
    return json.loads(done.stdout)


def _interpreter() -> str:
    """A Python that `nobody` can run; the one of this process is often in a private folder."""
    for path in (sys.executable, shutil.which("python3", path="/usr/bin:/usr/local/bin:/bin")):
        if path is None:
            continue
        try:
            subprocess.run([path, "-c", "import ssl"], check=True, capture_output=True, **_nobody())
        except (PermissionError, FileNotFoundError, subprocess.CalledProcessError) as error:
            if isinstance(error, PermissionError) and error.errno == 1:
                raise NoOtherUser("only root can try what another user reaches") from error
            continue
        return path
    raise NoOtherUser("no interpreter of this machine can be run by the user nobody")


def _nobody() -> dict[str, Any]:
    return {"user": _NOBODY, "group": "nogroup", "extra_groups": [], "cwd": "/", "env": {}}
