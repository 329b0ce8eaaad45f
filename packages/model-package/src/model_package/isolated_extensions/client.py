"""Asks the process of extensions/: every answer is checked, and what goes wrong is an ExtensionError that says what.

The process gets copies of the files, of the model package and of the rows, so that the digest names what judged, and
nothing that is judged can be changed. Once it ended, took too long or broke the rules it is not started again.
"""

from __future__ import annotations

import io
import shutil
import tempfile
import threading
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from model_package.errors import ExtensionError, MeasurementError, ModelError
from model_package.isolated_extensions.description import Description, first_problem
from model_package.isolation.process import ConfinedProcess, ProcessFailed
from model_package.tasks.extensions import (
    FOLDER,
    LISTS,
    MEASURES_FILE,
    METRICS_FILE,
    TASKS_FILE,
    BatchedFunction,
    Extensions,
    GateMeasure,
    MonitorMeasure,
    digest_of,
)

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import polars as pl

    Doubles = npt.NDArray[np.float64]

Answer = TypeVar("Answer")
_SERVER = "model_package.isolated_extensions.server"
_DESCRIBE = "describe"
_REASON_CHARACTERS = 400
_GIGABYTE = 1 << 30
# Threads take memory that counts, and win nothing for what is measured here.
_SETTINGS = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "POLARS_MAX_THREADS": "2",
    "MALLOC_ARENA_MAX": "2",
}
# What the code of a task may raise as the template's own tasks do; anything else is its own fault.
_RAISED = {each.__name__: each for each in (ModelError, MeasurementError, KeyError, ValueError)}
_NUMBER = TypeAdapter(float)


@dataclass(frozen=True)
class Limits:
    """What code of extensions/ may take: seconds of an answer, and memory of its process.

    `load_seconds` are for starting and importing, `answer_bytes` is how long an answer may be, `processor_seconds` how
    long the process may work in all, `file_bytes` how much it may write into a file.
    """

    seconds: float = 120
    load_seconds: float = 120
    memory_bytes: int = 8 * _GIGABYTE
    answer_bytes: int = _GIGABYTE // 4
    processor_seconds: int = 3_600
    file_bytes: int = _GIGABYTE


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True)
class IsolatedLoading:
    """Loads a folder in a process of its own; equal where the limits are."""

    limits: Limits

    def __call__(self, folder: Path) -> Extensions:
        """Return what a folder adds, with functions that ask the process. Raises ExtensionError."""
        files = {file.name: file.read_bytes() for file in sorted(folder.glob("*.py"))}
        if not files:
            return Extensions()
        # Imported here, and below: it loads numpy.
        from model_package.isolated_extensions.remote_task import remote_task

        process = ExtensionProcess(files, self.limits)
        found = process.described
        return Extensions(
            metrics=tuple(each.metric(RemoteMetric(process, each.name)) for each in found.metrics),
            gates=tuple(
                GateMeasure(each.name, each.title, each.better, process.gate(each.name)) for each in found.gates
            ),
            monitor=tuple(
                MonitorMeasure(each.name, each.title, each.better, process.monitor(each.name), each.section)
                for each in found.monitor
            ),
            tasks=tuple(remote_task(each, process.ask_task) for each in found.tasks),
            digest=digest_of(files),
        )


class _Refusal(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    kind: str
    file: str
    reason: str


class ExtensionProcess:
    """The process of some files of extensions/. Safe to use from several threads, which take turns."""

    def __init__(self, files: Mapping[str, bytes], limits: Limits) -> None:
        """Start it and read what the files add. Raises ExtensionError."""
        self._limits = limits
        self._lock = threading.Lock()
        self._over = ""
        self._packages: dict[Path, str] = {}
        self._folder = tempfile.TemporaryDirectory(prefix="extensions-")
        self._inputs = Path(self._folder.name).resolve()
        weakref.finalize(self, self._folder.cleanup)
        for name, content in files.items():
            (self._inputs / FOLDER).mkdir(exist_ok=True)
            (self._inputs / FOLDER / name).write_bytes(content)
        bounds = (limits.memory_bytes, limits.processor_seconds, limits.file_bytes)
        self._process = ConfinedProcess(
            _SERVER, lambda home: [str(self._inputs), str(home), *map(str, bounds)], _SETTINGS
        )
        file = next((name for name in LISTS if name in files), next(iter(files)))
        self._names = frozenset(files)
        self.described = self.ask(file, "loading", _DESCRIBE, Description.model_validate, {})

    def ask(self, file: str, name: str, do: str, check: Callable[[Any], Answer], values: Mapping[str, Any]) -> Answer:
        """Return the checked answer of one part of a file. Raises ExtensionError, or what a task may raise."""
        from model_package.isolation.values import pack, unpack

        with self._lock:
            if self._over:
                raise ExtensionError(file, f"{name} was not measured: {self._over}")
            try:
                question, limits = pack({"do": do, "with": values}), self._limits
                seconds = limits.load_seconds if do == _DESCRIBE else limits.seconds
                found = self._process.ask(*question, seconds, limits.answer_bytes)
                refused = _Refusal.model_validate(found[0]["refused"]) if "refused" in found[0] else None
                answer = None if refused else check(unpack(*found))
            except ProcessFailed as error:
                self._over = _one_line(f"extensions/ ended at {name}: {error}")
            except ValidationError as error:
                self._over = _one_line(f"{name} answered what it must not: {first_problem(error)}")
            except ValueError as error:
                self._over = _one_line(f"{name} answered what it must not: {error}")
            else:
                if refused is None:
                    return cast(Answer, answer)
                raise self._raised(file, name, refused)
            self._process.end()
        raise ExtensionError(file, f"{self._over}; correct it")

    def ask_task(self, name: str, do: str, check: Callable[[Any], Answer], values: Mapping[str, Any]) -> Answer:
        """Return the checked answer of a task."""
        return self.ask(TASKS_FILE, name, do, check, values)

    def gate(self, name: str) -> Callable[[Path, Any], float]:
        """Return a gate's measure as a function of a package's folder and rows."""

        def measure(package: Path, rows: pl.DataFrame) -> float:
            values = {"name": name, "package": self._copied(package), "rows": _ipc(rows)}
            return self.ask(MEASURES_FILE, name, "gate", _NUMBER.validate_python, values)

        return measure

    def monitor(self, name: str) -> Callable[[Any], float]:
        """Return monitoring's measure as a function of rows."""

        def measure(rows: pl.DataFrame) -> float:
            values = {"name": name, "rows": _ipc(rows)}
            return self.ask(MEASURES_FILE, name, "monitor", _NUMBER.validate_python, values)

        return measure

    def _copied(self, package: Path) -> str:
        """Return where the process finds a copy of a model package."""
        with self._lock:
            if package not in self._packages:
                name = f"package-{len(self._packages)}"
                # The link itself, not what it leads to.
                shutil.copytree(package, self._inputs / name, symlinks=True)
                self._packages[package] = name
            return self._packages[package]

    def _raised(self, file: str, name: str, refused: _Refusal) -> Exception:
        reason = _one_line(refused.reason)
        if refused.kind == ExtensionError.__name__:
            return ExtensionError(refused.file if refused.file in self._names else file, reason)
        if file == TASKS_FILE and refused.kind in _RAISED:
            return _RAISED[refused.kind](reason)
        return ExtensionError(file, f"{name} raised {_one_line(refused.kind)}: {reason}; correct it")


@dataclass(frozen=True, eq=False)
class RemoteMetric(BatchedFunction):
    """A metric whose values the process computes."""

    process: ExtensionProcess
    name: str

    def measure(self, target: Doubles, answer: Any, weights: Any) -> Doubles:
        """Return its value for every weighting [weightings]. Raises ExtensionError."""
        from model_package.isolated_extensions.remote_task import checked_floats

        values = {"name": self.name, "target": target, "answer": answer, "weights": weights}
        check = partial(checked_floats, shape=(len(weights),))
        return self.process.ask(METRICS_FILE, self.name, "metric", check, values)


def _ipc(rows: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    rows.write_ipc(buffer)
    return buffer.getvalue()


def _one_line(text: str) -> str:
    """Return the words of a text that came from the process, without what steers a terminal."""
    return "".join(each for each in " ".join(text.split())[:_REASON_CHARACTERS] if each.isprintable())
