"""Runs programs in processes forked from a server that has imported the heavy libraries: real processes, no slow start.

The server imports libraries and the parts of `mlops` that most commands need. Tests of start-up itself (time, imports)
need a plain process instead. The fork server imports this module by its plain name (`pythonpath` in pyproject.toml).
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from multiprocessing.context import ForkServerContext, ForkServerProcess
from multiprocessing.reduction import DupFd
from pathlib import Path
from typing import Any, Final

from started_programs import watch

_IMPORTED: Final = [
    "prefork_programs",
    "mlops.promotion.promote",
    "mlops.rollout.deploy",
    "mlops.training.run",
    "azure.ai.ml",
    # What the SDK imports when it is first used.
    "azure.ai.ml.dsl._component_func",
    "azure.ai.ml.entities._job.pipeline._load_component",
    "azure.core.rest._requests_basic",
    "azure.identity",
    "azure.identity._credentials.app_service",
    "aiohttp",
    "click",
    "jinja2",
    "matplotlib.figure",
    "mlflow.onnx",
    "onnxruntime",
    "pandera.polars",
    "polars",
    "pydantic",
    "rich.console",
    "rich.table",
    "ruamel.yaml",
    "skl2onnx",
    "sklearn.ensemble",
    "sklearn.pipeline",
    "skops.io",
]


_NO_VARIABLES: Final[Mapping[str, str]] = {}
_TIMEOUT_SECONDS: Final = 200.0
_KILLED_BY_SIGNAL: Final = 128
_WRITE: Final = os.O_WRONLY | os.O_CREAT | os.O_APPEND


def run_module(
    name: str,
    *arguments: str,
    folder: Path | None = None,
    variables: Mapping[str, str] = _NO_VARIABLES,
    timeout: float = _TIMEOUT_SECONDS,
) -> subprocess.CompletedProcess[str]:
    """Run `python -m name arguments` in a folder with added variables; return its output and exit code."""
    return _run(("module", name, *arguments), folder or Path.cwd(), os.environ | variables, timeout)


def run_script(file: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `python file arguments`; return its output and exit code."""
    return _run(("script", str(file), *arguments), Path.cwd(), dict(os.environ), _TIMEOUT_SECONDS)


def start_module(name: str, *arguments: str, folder: Path, log: Path) -> ForkServerProcess:
    """Start `python -m name arguments` in a folder with its output appended to a file; it ends with this process."""
    return _started(("module", name, *arguments), folder, log)


def start_script(file: Path, *arguments: str, log: Path) -> ForkServerProcess:
    """Start `python file arguments`, as `start_module` does."""
    return _started(("script", str(file), *arguments), Path.cwd(), log)


def run_connected(module: Sequence[str], folder: Path, variables: Mapping[str, str], streams: Sequence[int]) -> int:
    """Run `python -m module…` with exactly these variables on open streams (in, out, err); return the exit code."""
    program = ("module", *module)
    held = [DupFd(stream) for stream in streams]
    process = _context().Process(target=_become_connected, args=(program, folder, dict(variables), held), daemon=True)
    process.start()
    process.join()
    code = process.exitcode or 0
    process.close()
    # Like a shell's exit code for a program that was killed by a signal.
    return code if code >= 0 else _KILLED_BY_SIGNAL - code


def forget_cloud() -> None:
    """Let azureml-mlflow, which comes with mlflow, read anew which cloud the environment names: it does at import."""
    for module in [name for name in sys.modules if name.startswith("azureml.mlflow")]:
        del sys.modules[module]


def _started(program: tuple[str, ...], folder: Path, log: Path) -> ForkServerProcess:
    given = (program, folder, dict(os.environ), log, log)
    process = _context().Process(target=_become, args=given, daemon=True)
    process.start()
    return process


def _context() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_IMPORTED)
    return context


def _run(
    program: tuple[str, ...], folder: Path, variables: dict[str, str], timeout: float
) -> subprocess.CompletedProcess[str]:
    with tempfile.TemporaryDirectory() as place:
        stdout, stderr = Path(place) / "out", Path(place) / "err"
        process = _context().Process(target=_become, args=(program, folder, variables, stdout, stderr))
        process.start()
        process.join(timeout)
        if process.is_alive():
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired(program, timeout, stdout.read_text(), stderr.read_text())
        code = process.exitcode or 0
        process.close()
        return subprocess.CompletedProcess(list(program), code, stdout.read_text(), stderr.read_text())


def _become(program: tuple[str, ...], folder: Path, variables: dict[str, str], stdout: Path, stderr: Path) -> None:
    """Become the program, with its output in files."""
    files = ((Path(os.devnull), os.O_RDONLY), (stdout, _WRITE), (stderr, _WRITE))
    _be(program, folder, variables, [os.open(file, flags, 0o600) for file, flags in files])


def _become_connected(program: tuple[str, ...], folder: Path, variables: dict[str, str], held: list[Any]) -> None:
    """Become the program, on open streams."""
    _be(program, folder, variables, [each.detach() for each in held])


def _be(program: tuple[str, ...], folder: Path, variables: dict[str, str], streams: list[int]) -> None:
    """Become the program: folder, variables, streams, arguments."""
    # Objects of the server are never garbage; scanning them would cost each program half a second.
    gc.freeze()
    os.setsid()
    os.environ.clear()
    os.environ.update(variables)
    os.chdir(folder)
    for number, handle in enumerate(streams):
        os.dup2(handle, number)
        os.close(handle)
    # The fork server gave this process streams on other files.
    sys.stdin = os.fdopen(0, closefd=False)
    sys.stdout = os.fdopen(1, "w", closefd=False)
    sys.stderr = os.fdopen(2, "w", closefd=False, buffering=1)
    watch()
    forget_cloud()
    kind, name, *arguments = program
    sys.argv = [name, *arguments]
    if kind == "module":
        runpy.run_module(name, run_name="__main__", alter_sys=True)
    else:
        sys.path.insert(0, str(Path(name).parent))
        runpy.run_path(name, run_name="__main__")
