"""Runs the entry of a Spark step, with a session of Sail or of Spark on Java. `python driver.py PLAN`.

The entry says `SparkSession.builder.getOrCreate()`, as it does on Azure, and gets the session that this program has
made: of a Sail server of its own where Sail is installed, else of a Java machine where PySpark and Java are. The
emulator copies this file beside the plan of the step, to be run by an interpreter without the emulator: it imports the
standard library, and what `pip install` in its messages names.
"""

from __future__ import annotations

import atexit
import importlib.util
import json
import os
import re
import runpy
import shutil
import subprocess
import sys
import threading
import traceback
from collections.abc import Iterator
from functools import partial
from itertools import takewhile
from pathlib import Path
from types import TracebackType
from typing import Any

# A name that no resolver knows: what does not come by the socket of this step reaches no other server.
_REMOTE = "sc://sail.invalid"
_MODULES = ("pysail", "pyspark", "grpc", "grpc_status", "pandas", "pyarrow")
_PACKAGES = "pysail 'pyspark-client>=4.2,<5' 'pandas<3' pyarrow"
_SAIL, _JAVA = "sail", "java"
_NOT_INSTALLED, _SERVER_ENDED = 3, 4
_NEEDS_JAVA = ("JVM_ATTRIBUTE_NOT_SUPPORTED", "NOT_IMPLEMENTED", "UnsupportedOperationException")
_ADVICE = (
    "The emulator runs Spark steps on Sail, by Spark Connect: there are no RDDs, no SparkContext and no Java. Use data "
    "frames, and mapInArrow or mapInPandas for Python code; they run on Azure as well."
)
_NO_DELTA = "DATA_SOURCE_NOT_FOUND"
_DELTA_ADVICE = (
    "Of Spark's own formats, Delta is none: name its package in `conf` as spark.jars.packages, with the extension and "
    "the catalog that its documentation names, or run the step on Sail, which has it."
)
# Only this user's processes get in: ports are those of loopback, and ask for a secret of this session.
_CLOSED = {
    "spark.authenticate": "true",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
    "spark.ui.enabled": "false",
}
# The error of a function says all that its log would.
_QUIET = {"spark.log.level": "FATAL", "spark.ui.showConsoleProgress": "false"}
# What Python wrote about a function that raised, without what Java writes after it.
_RAISED = re.compile(
    r"^Traceback \(most recent call last\):\n(?P<frames>(?:[ ^~]+[^\n]*\n)+)(?P<error>.+?)(?=\n\s+at |\n*\Z)",
    re.MULTILINE | re.DOTALL,
)
_FRAME = re.compile(r'  File "(?P<file>[^"]+)".*\n(?:(?!  File )[ ^~]+.*\n)*')


def main(plan_file: str) -> None:
    """Make the session, run the entry. Raises SystemExit."""
    plan = json.loads(Path(plan_file).read_text(encoding="utf-8"))
    try:
        engine = _engine(plan.get("engine"))
    except LookupError as error:
        print(error.args[0], file=sys.stderr)
        sys.exit(_NOT_INSTALLED)
    if engine == _SAIL:
        _refuse_java_libraries(plan["conf"])
        server = _Server(plan["server"])
        # After the threads of the entry have ended as well.
        atexit.register(server.stop)
        server.start(plan["socket"])
        _connect(plan["socket"], plan["conf"])
    else:
        _start_java(plan["conf"], Path(plan_file).parent)
    sys.excepthook = partial(_explain, engine)
    _run(plan["entry"], plan["arguments"])


def _engine(asked: str | None) -> str:
    """Return the engine that is installed, Sail before Java. Raises LookupError, which says what to install."""
    missing = [name for name in _MODULES if importlib.util.find_spec(name) is None]
    if asked != _JAVA and not missing:
        return _SAIL
    sail = (
        "Install the emulator's extra, mlops-template-azureml-emulator[spark], where it is the emulator's own "
        f"interpreter, else: pip install {_PACKAGES}"
    )
    where = f"This step runs on Spark, for which its interpreter, {sys.executable}, has no"
    if asked == _SAIL or (asked is None and not _has_pyspark()):
        raise LookupError(f"{where} {', '.join(missing)}. {sail}")
    if not _has_pyspark():
        raise LookupError(f"{where} Spark on Java: pip install pyspark 'pandas<3' pyarrow")
    if missing := [name for name in ("pandas", "pyarrow") if importlib.util.find_spec(name) is None]:
        raise LookupError(f"{where} {', '.join(missing)}, which functions need: pip install 'pandas<3' pyarrow")
    home = os.environ.get("JAVA_HOME")
    if not (os.access(Path(home, "bin", "java"), os.X_OK) if home else shutil.which("java")):
        found = (
            f"JAVA_HOME is {home}, where there is none" if home else "there is no `java` on the path, and no JAVA_HOME"
        )
        raise LookupError(
            f"This step runs on PySpark, which needs Java: {found}. Install Java 17, such as by `apt-get install "
            f"openjdk-17-jre-headless`, or use Sail, which needs no Java. {sail}"
        )
    return _JAVA


def _refuse_java_libraries(conf: dict[str, str]) -> None:
    """Raise SystemExit for options that Sail would not say a word about."""
    if named := [name for name in conf if name.startswith("spark.jars")]:
        print(
            f"The conf has {', '.join(named)}, which are Java libraries: Sail runs none. Remove it (Delta tables need "
            "none on Sail), or start the emulator with --spark-engine java.",
            file=sys.stderr,
        )
        sys.exit(_NOT_INSTALLED)


def _has_pyspark() -> bool:
    """Whether PySpark is there with its Java libraries, which its client lacks."""
    found = importlib.util.find_spec("pyspark")
    return found is not None and any(Path(folder, "jars").is_dir() for folder in found.submodule_search_locations or ())


def _start_java(conf: dict[str, str], folder: Path) -> None:
    """Make the session that the entry finds, on all cores of this machine; the Java machine ends with this process."""
    os.environ.pop("SPARK_REMOTE", None)
    os.environ |= {
        "PYSPARK_PYTHON": sys.executable,
        "PYSPARK_DRIVER_PYTHON": sys.executable,
        "SPARK_LOCAL_IP": "127.0.0.1",
    }
    from pyspark.sql import SparkSession

    given = {**_QUIET, "spark.local.dir": str(folder), **conf, **_CLOSED}
    SparkSession.builder.master("local[*]").config(map=given).getOrCreate()


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
    runpy.run_path(entry, run_name="__main__")


def _explain(engine: str, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print a traceback that begins in the entry, and what to do where the engine cannot do what was asked for."""
    own = {__file__, runpy.__file__, f"<frozen {runpy.__name__}>"}
    first = trace
    while first is not None and first.tb_frame.f_code.co_filename in own:
        first = first.tb_next
    raised = next(filter(None, map(_raised, _chain(error))), None)
    if raised:
        print(_without_libraries(error.with_traceback(first or trace), raised), file=sys.stderr)
    else:
        sys.__excepthook__(kind, error.with_traceback(first or trace), first or trace)
    if engine == _SAIL and any(word in f"{kind.__name__} {error}" for word in _NEEDS_JAVA):
        print(_ADVICE, file=sys.stderr)
    elif _NO_DELTA in str(error) and "delta" in str(error):
        print(_DELTA_ADVICE, file=sys.stderr)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and what it was raised from."""
    while error is not None:
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _raised(error: BaseException) -> re.Match[str] | None:
    """Return what Spark says that a function has raised."""
    return _RAISED.search(str(error)) if type(error).__module__.startswith("pyspark.") else None


def _without_libraries(error: BaseException, raised: re.Match[str]) -> str:
    """Return how the entry got to Spark, then how its function got to what it raised, neither with Spark's own part."""
    # Spark puts frames of the function behind its own.
    called = [*takewhile(lambda each: not _is_library(each.filename), traceback.extract_tb(error.__traceback__))]
    frames = [each for each in _FRAME.finditer(raised["frames"]) if not _is_library(each["file"])]
    own = "" if _raised(error) else f"{type(error).__name__}: {error}\n"
    how, where = "".join(traceback.format_list(called)), "".join(each[0] for each in frames)
    return (
        f"Traceback (most recent call last):\n{how}{own}"
        f"A function that Spark ran on rows of a partition raised:\n{where}{raised['error']}\n"
        "Correct the function, or the rows that it does not expect."
    )


def _is_library(file: str) -> bool:
    """Whether a frame is one of Spark; Sail's own module has no path."""
    return file == "spark.py" or bool({"pyspark", "py4j", "pysail"} & set(Path(file).parts))


def _ending(code: int) -> str:
    return f"killed by signal {-code}" if code < 0 else f"exit code {code}"


if __name__ == "__main__":
    main(sys.argv[1])
