"""The fork server: a process that imports heavy modules once, and forks a child for every program. A program.

Run as `python -P -m azureml_emulator.processes.fork_server` with a socket as standard input; standard library only.
Messages are frames (4 bytes of length, then JSON). Requests: {"op": "import", "modules"} and {"op": "run", "id",
"arguments", "folder", "environment", "log", "network"}. Reports: {"event": "imported", "modules", "failed", "unsafe"},
{"event": "started", "id", "pid"} and {"event": "exited", "id", "code"}, where a negative code is a signal. The server
ends, and its children with it, when the other side of the socket closes.
"""

from __future__ import annotations

import atexit
import builtins
import ctypes
import errno
import gc
import importlib
import io
import json
import os
import runpy
import select
import signal
import socket
import struct
import sys
import threading
import traceback
import types
from contextlib import redirect_stderr, redirect_stdout, suppress
from importlib.machinery import SourceFileLoader
from pathlib import Path
from typing import Any, NoReturn

from azureml_emulator.processes.private_network import join_private_network

FRAME = struct.Struct(">I")
# These start threads at import, but work in a forked child. They are imported first, so that threads of any other
# module are noticed.
_FORK_AWARE = ("numpy", "scipy.linalg", "onnxruntime")
# Housekeeping threads of pyarrow and polars, which a child can do without.
_HARMLESS_THREADS = frozenset({"jemalloc_bg_thd", "polars-ooc-clea"})
_PR_SET_PDEATHSIG = 1
_LOG_MODE = 0o600
_RECEIVE_BYTES = 65536


def main() -> None:
    """Serve the socket on standard input until it closes."""
    end_with_parent(os.getppid())
    connection = socket.socket(fileno=os.dup(0))
    with Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    Server(connection).serve()


class Server:
    """One connection and the running children."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._children: dict[int, str] = {}
        self._received = b""
        self._wake_reader, self._wake_writer = os.pipe()
        os.set_blocking(self._wake_writer, False)
        os.set_blocking(self._wake_reader, False)
        self._threads = 0

    def serve(self) -> None:
        """Handle requests and exits of children, one by one, until the connection closes."""
        signal.set_wakeup_fd(self._wake_writer)
        signal.signal(signal.SIGCHLD, _wake_up)
        while True:
            ready, _, _ = select.select([self._connection, self._wake_reader], [], [])
            if self._wake_reader in ready:
                os.read(self._wake_reader, _RECEIVE_BYTES)
                self._reap()
            if self._connection in ready and not self._read():
                break
        for pid in self._children:
            with suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)

    def _read(self) -> bool:
        try:
            chunk = self._connection.recv(_RECEIVE_BYTES)
        except ConnectionError:
            return False
        self._received += chunk
        while len(self._received) >= FRAME.size:
            (length,) = FRAME.unpack_from(self._received)
            if len(self._received) < FRAME.size + length:
                break
            body = self._received[FRAME.size : FRAME.size + length]
            self._received = self._received[FRAME.size + length :]
            self._handle(json.loads(body))
        return bool(chunk)

    def _handle(self, request: dict[str, Any]) -> None:
        if request["op"] == "import":
            self._import(request["modules"])
        else:
            self._run(request)

    def _import(self, modules: list[str]) -> None:
        done, failed = [], []
        for name in _FORK_AWARE:
            _try_import(name)
        self._threads = max(self._threads, _count_threads())
        for name in modules:
            (done if _try_import(name) else failed).append(name)
            if _count_threads() > self._threads:
                # A fork does not copy threads: code in a child that waits for one would wait forever.
                self._report({"event": "imported", "modules": done, "failed": failed, "unsafe": name})
                return
        gc.collect()
        gc.freeze()
        self._report({"event": "imported", "modules": done, "failed": failed, "unsafe": None})

    def _run(self, request: dict[str, Any]) -> None:
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            self._run_child(parent, request)
        self._children[pid] = request["id"]
        self._report({"event": "started", "id": request["id"], "pid": pid})

    def _run_child(self, parent: int, request: dict[str, Any]) -> NoReturn:
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            os.setsid()
            if request["network"] is not None:
                # Before the next line, which another network would undo.
                join_private_network(request["network"])
            end_with_parent(parent)
            self._connection.close()
            os.close(self._wake_reader)
            os.close(self._wake_writer)
            _redirect(request["log"])
            os.chdir(request["folder"])
            os.environ.clear()
            os.environ.update(request["environment"])
            _reseed()
            gc.enable()
            code = run_arguments(request["arguments"])
        except BaseException:  # noqa: BLE001 - the child must never return into the server's loop
            traceback.print_exc()
        finally:
            _leave(code)

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            identifier = self._children.pop(pid, None)
            if identifier is not None:
                code = os.waitstatus_to_exitcode(status)
                self._report({"event": "exited", "id": identifier, "code": code})

    def _report(self, report: dict[str, Any]) -> None:
        body = json.dumps(report).encode()
        with suppress(BrokenPipeError, ConnectionError):
            self._connection.sendall(FRAME.pack(len(body)) + body)


def end_with_parent(parent: int) -> None:
    """On Linux: ask the kernel to kill this process when its parent dies; end now if it is already gone."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)


def run_arguments(arguments: list[str]) -> int:
    """Run `python script.py …` or `python [-P] -m module …` as the interpreter would. Returns the exit code."""
    try:
        safe_path = arguments[1] == "-P"
        if safe_path:
            arguments = [arguments[0], *arguments[2:]]
        if arguments[1] == "-m":
            sys.argv = arguments[2:]
            if not safe_path:
                sys.path.insert(0, str(Path.cwd()))
            runpy.run_module(arguments[2], run_name="__main__", alter_sys=True)
        else:
            _run_script(arguments[1:])
    except SystemExit as ending:
        return _exit_code(ending)
    except KeyboardInterrupt:
        return -signal.SIGINT
    except BaseException as error:  # noqa: BLE001 - as the interpreter does: print it and exit with 1
        _print_without_server(error)
        return 1
    return 0


def _run_script(arguments: list[str]) -> None:
    script = Path(arguments[0]).absolute()
    sys.argv = arguments
    sys.path.insert(0, str(script.resolve().parent))
    if not script.is_file():
        print(
            f"{sys.executable}: can't open file '{script}': [Errno 2] No such file or directory",
            file=sys.stderr,
        )
        raise SystemExit(errno.ENOENT)
    module = types.ModuleType("__main__")
    module.__file__ = str(script)
    module.__loader__ = SourceFileLoader("__main__", str(script))
    module.__builtins__ = builtins  # ty: ignore[missing-attribute]
    with io.open_code(str(script)) as stream:
        code = compile(stream.read(), str(script), "exec", dont_inherit=True)
    sys.modules["__main__"] = module
    exec(code, module.__dict__)  # noqa: S102 - running the step is what this process is for


def _exit_code(ending: SystemExit) -> int:
    if ending.code is None:
        return 0
    if isinstance(ending.code, int):
        return ending.code
    print(ending.code, file=sys.stderr)
    return 1


def _print_without_server(error: BaseException) -> None:
    """Print the traceback from the first frame of the program on."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    sys.excepthook(type(error), error.with_traceback(trace), trace)


def _redirect(log: str) -> None:
    descriptor = os.open(log, os.O_APPEND | os.O_CREAT | os.O_WRONLY, _LOG_MODE)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)


def _reseed() -> None:
    """Seed numpy's generator anew in the child, as the `random` module does by itself."""
    numpy_random = sys.modules.get("numpy.random")
    if numpy_random is not None:
        numpy_random.seed()


def _leave(code: int) -> NoReturn:
    """End the child as the interpreter would: join threads, run exit handlers, flush streams."""
    try:
        threading._shutdown()  # ty: ignore[missing-attribute]
        atexit._run_exitfuncs()
    finally:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()
        if code < 0:
            signal.signal(-code, signal.SIG_DFL)
            os.kill(os.getpid(), -code)
        os._exit(code & 0xFF)


def _try_import(name: str) -> bool:
    """Import a module without showing its output. Returns whether it succeeded."""
    sink = io.StringIO()
    try:
        with redirect_stdout(sink), redirect_stderr(sink):
            importlib.import_module(name)
    except Exception:  # noqa: BLE001 - any failure means only that the module is not preloaded
        return False
    return True


def _count_threads() -> int:
    tasks = Path("/proc/self/task")
    if not tasks.is_dir():
        return threading.active_count()
    names = [(task / "comm").read_text().strip() for task in tasks.iterdir()]
    return sum(1 for name in names if name not in _HARMLESS_THREADS)


def _wake_up(_signal: int, _frame: types.FrameType | None) -> None:
    """Do nothing: SIGCHLD only has to wake up the loop."""


if __name__ == "__main__":
    main()
