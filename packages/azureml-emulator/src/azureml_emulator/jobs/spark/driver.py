"""Runs the entry of a Spark step, whose session is one of a Sail server of its own. `python driver.py PLAN`.

The entry says `SparkSession.builder.getOrCreate()`, as it does on Azure, and gets the session that this program has
connected. The emulator copies this file beside the plan of the step, to be run by an interpreter without the emulator:
it imports the standard library, and what `pip install` in its messages names.
"""

from __future__ import annotations

import atexit
import importlib.util
import json
import os
import runpy
import subprocess
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import Any

# A name that no resolver knows: what does not come by the socket of this step reaches no other server.
_REMOTE = "sc://sail.invalid"
_MODULES = ("pysail", "pyspark", "grpc", "grpc_status", "pandas", "pyarrow")
_PACKAGES = "pysail 'pyspark-client>=4.2,<5' 'pandas<3' pyarrow"
_NOT_INSTALLED, _SERVER_ENDED = 3, 4
_NEEDS_JAVA = ("JVM_ATTRIBUTE_NOT_SUPPORTED", "NOT_IMPLEMENTED", "UnsupportedOperationException")
_ADVICE = (
    "The emulator runs Spark steps on Sail, by Spark Connect: there are no RDDs, no SparkContext and no Java. Use data "
    "frames, and mapInArrow or mapInPandas for Python code; they run on Azure as well."
)


def main(plan_file: str) -> None:
    """Start the server, connect to it, run the entry. Raises SystemExit."""
    plan = json.loads(Path(plan_file).read_text(encoding="utf-8"))
    missing = [name for name in _MODULES if importlib.util.find_spec(name) is None]
    if missing:
        print(
            f"This step runs on Spark, for which its interpreter, {sys.executable}, has no {', '.join(missing)}. "
            "Install the emulator's extra, mlops-template-azureml-emulator[spark], where it is the emulator's own "
            f"interpreter, else: pip install {_PACKAGES}",
            file=sys.stderr,
        )
        sys.exit(_NOT_INSTALLED)
    server = _Server(plan["server"])
    # After the threads of the entry have ended as well.
    atexit.register(server.stop)
    server.start(plan["socket"])
    _connect(plan["socket"], plan["conf"])
    _run(plan["entry"], plan["arguments"])


class _Server:
    """The process of the server. When it ends before it is stopped, this process ends too."""

    def __init__(self, command: list[str]) -> None:
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None
        self._is_stopped = threading.Event()
        self._owner = os.getpid()

    def start(self, path: str) -> None:
        """Start it, and wait until it can be connected to."""
        ready, theirs = os.pipe()
        # Sail reports every session otherwise.
        environment = {"RUST_LOG": "warn", **os.environ}
        self._process = subprocess.Popen(
            [*self._command, path, str(theirs)], stdin=subprocess.PIPE, pass_fds=(theirs,), env=environment
        )
        os.close(theirs)
        with os.fdopen(ready, "rb") as stream:
            is_ready = stream.read(1) == b"+"
        if not is_ready:
            code = self._process.wait()
            print(f"The Sail server of this step did not start ({_ending(code)}).", file=sys.stderr)
            sys.exit(_SERVER_ENDED)
        threading.Thread(target=self._watch, args=(self._process,), daemon=True).start()

    def stop(self) -> None:
        """End it at once: it has nothing to save, and waits for open connections otherwise."""
        self._is_stopped.set()
        # A process that the entry has forked ends in its own time.
        if self._process is not None and os.getpid() == self._owner:
            self._process.kill()
            self._process.wait()

    def _watch(self, process: subprocess.Popen[bytes]) -> None:
        code = process.wait()
        if self._is_stopped.is_set():
            return
        sys.stdout.flush()
        print(
            f"The Sail server of this step has ended ({_ending(code)}). Functions of mapInArrow and mapInPandas run in "
            "it: one of them has ended the process, or the memory of this machine did not suffice.",
            file=sys.stderr,
            flush=True,
        )
        # The library would try for minutes to reach the server again.
        os._exit(_SERVER_ENDED)


def _connect(path: str, conf: dict[str, str]) -> None:
    """Make the session that the entry finds, and send all later ones of this process to the same server."""
    os.environ["SPARK_REMOTE"] = _REMOTE
    from pyspark.sql import SparkSession
    from pyspark.sql.connect.client import core

    def to_channel(builder: Any) -> Any:
        # Else the authority of requests is the path, which Sail refuses.
        builder.setChannelOption("grpc.default_authority", "localhost")
        return builder._insecure_channel(f"unix:{path}")

    # A class of its own for the connection would be forgotten with the session when the entry stops it.
    default = getattr(core, "DefaultChannelBuilder", core.ChannelBuilder)
    setattr(default, "toChannel", to_channel)  # noqa: B010 - the class of some versions declares another signature
    SparkSession.builder.config(map=conf).getOrCreate()


def _run(entry: str, arguments: list[str]) -> None:
    """Run the entry as `spark-submit` does. Raises what it raises."""
    sys.argv = [entry, *arguments]
    # The folder of this file is none of the step's.
    sys.path[0] = str(Path(entry).absolute().parent)
    sys.excepthook = _explain
    runpy.run_path(entry, run_name="__main__")


def _explain(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print a traceback that begins in the entry, and what to do where Sail cannot do what was asked for."""
    own = {__file__, runpy.__file__, f"<frozen {runpy.__name__}>"}
    first = trace
    while first is not None and first.tb_frame.f_code.co_filename in own:
        first = first.tb_next
    sys.__excepthook__(kind, error.with_traceback(first or trace), first or trace)
    if any(word in f"{kind.__name__} {error}" for word in _NEEDS_JAVA):
        print(_ADVICE, file=sys.stderr)


def _ending(code: int) -> str:
    return f"killed by signal {-code}" if code < 0 else f"exit code {code}"


if __name__ == "__main__":
    main(sys.argv[1])
