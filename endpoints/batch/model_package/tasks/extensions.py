"""What a fork adds in extensions/: metrics, measures of gates and of monitoring, and tasks; loaded by file name.

Each file is plain Python that imports `model_package` and libraries, not its neighbours. Steps and endpoints find the
checked copy that ships inside their copy of model_package; the command names the project's own folder, and how to load
it (isolated_extensions). Nothing is loaded before something asks, and without the folder that costs one look.
"""

from __future__ import annotations

import importlib.util
import inspect
import re
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, TypeVar

from model_package.digest import content_sha256, listing_digest
from model_package.errors import ExtensionError
from model_package.tasks.task import Metric, Task

FOLDER = "extensions"
METRICS_FILE, MEASURES_FILE, TASKS_FILE = "metrics.py", "measures.py", "tasks.py"
# Each file, and the lists that it may define.
LISTS = {METRICS_FILE: ("METRICS",), MEASURES_FILE: ("GATES", "MONITOR"), TASKS_FILE: ("TASKS",)}
_NAME = re.compile(r"[a-z][a-z0-9_]*")


class BatchedFunction(ABC):
    """The function of a metric that answers for many weightings at once."""

    @abstractmethod
    def measure(self, target: Any, answer: Any, weights: Any) -> Any:
        """Return the value for every weighting: weights [weightings, rows] → [weightings]. Raises ExtensionError."""

    def __call__(self, target: Any, answer: Any, weights: Any) -> float:
        """Return the value for one weighting [rows]. Raises ExtensionError."""
        return float(self.measure(target, answer, weights[None, :])[0])


@dataclass(frozen=True, slots=True)
class GateMeasure:
    """A measure for gates.yml: `function` of a model package's folder and the held-out rows, a polars table.

    It is taken of challenger and champion, so that a rule may compare them.
    """

    name: str
    title: str
    better: Literal["higher", "lower"]
    function: Callable[[Path, Any], float]


@dataclass(frozen=True, slots=True)
class MonitorMeasure:
    """A measure for monitor.yml: `function` of a window's rows, a polars table of features and answers.

    `section` says what a broken rule means: data that cannot be trusted, or drift, which a newer model may fix.
    """

    name: str
    title: str
    better: Literal["higher", "lower"]
    function: Callable[[Any], float]
    section: Literal["quality", "drift"] = "drift"


@dataclass(frozen=True)
class Extensions:
    """Everything that a folder adds; `digest` identifies its files, "" where there is none."""

    metrics: tuple[Metric, ...] = ()
    gates: tuple[GateMeasure, ...] = ()
    monitor: tuple[MonitorMeasure, ...] = ()
    tasks: tuple[type[Task], ...] = ()
    digest: str = ""

    def metrics_of(self, task: str) -> tuple[Metric, ...]:
        """Return the metrics of a task."""
        return tuple(each for each in self.metrics if not each.tasks or task in each.tasks)


def load_extensions(folder: Path) -> Extensions:
    """Read a folder into this process. Raises ExtensionError."""
    files = sorted(folder.glob("*.py"))
    unknown = [file.name for file in files if file.name not in LISTS]
    if unknown:
        raise ExtensionError(unknown[0], f"is never loaded; move what it adds into {', '.join(LISTS)}")
    lists = {name: values for file in files for name, values in _lists_of(file).items()}
    found = Extensions(
        metrics=_checked(METRICS_FILE, "METRICS", lists, Metric),
        gates=_checked(MEASURES_FILE, "GATES", lists, GateMeasure),
        monitor=_checked(MEASURES_FILE, "MONITOR", lists, MonitorMeasure),
        tasks=_checked_tasks(lists),
        digest=digest_of({file.name: file.read_bytes() for file in files}),
    )
    for metric in found.metrics:
        if metric.function is None:
            raise ExtensionError(METRICS_FILE, f"{metric.name} has no function; write Metric(..., function=...)")
        _accepts(METRICS_FILE, metric.name, metric.function, "target, answer, weights")
    for gate in found.gates:
        _accepts(MEASURES_FILE, gate.name, gate.function, "package, rows")
    for measure in found.monitor:
        _accepts(MEASURES_FILE, measure.name, measure.function, "rows")
    return found


@dataclass
class _State:
    """Which folder is used and how it is loaded, and what it held when it was last read."""

    folder: Path
    load: Callable[[Path], Extensions]
    stamp: tuple[Any, ...] = ()
    loaded: Extensions = field(default_factory=Extensions)
    problem: tuple[str, str] | None = None


# The copy that ships with a step or an endpoint, inside its copy of this package.
SHIPPED = Path(__file__).parents[1] / FOLDER
_state = _State(SHIPPED, load_extensions)


def use_extensions(folder: Path, load: Callable[[Path], Extensions] = load_extensions) -> None:
    """Load from this folder from now on; it need not exist."""
    if folder != _state.folder or load != _state.load:
        _state.folder, _state.load, _state.stamp = folder, load, ()
        _state.loaded, _state.problem = Extensions(), None


def extensions() -> Extensions:
    """Return what the folder adds, read again after a change. Raises ExtensionError, with the file and what to do."""
    if not _state.folder.is_dir():
        return Extensions()
    files = sorted(_state.folder.glob("*.py"))
    stamp = tuple((file.name, (facts := file.stat()).st_mtime_ns, facts.st_size) for file in files)
    if stamp != _state.stamp:
        _state.stamp, _state.loaded, _state.problem = stamp, Extensions(), None
        try:
            _state.loaded = _state.load(_state.folder)
        except ExtensionError as error:
            _state.problem = (error.file, error.reason)
    if _state.problem is not None:
        raise ExtensionError(*_state.problem)
    return _state.loaded


def digest_of(files: Mapping[str, bytes]) -> str:
    """Return "sha256:<hex>" over the files of a folder, "" where there is none."""
    return listing_digest({name: content_sha256(content) for name, content in files.items()}) if files else ""


def refuse_collisions(file: str, what: str, names: Iterable[str], built_in: Container[str]) -> None:
    """Raise ExtensionError if a name of a fork is one that exists already."""
    for name in names:
        if name in built_in:
            raise ExtensionError(file, f"{name!r} is the name of a built-in {what}; choose another name")


def call(file: str, name: str, function: Callable[..., Any], *arguments: Any) -> float:
    """Return the number that a fork's function answers, NaN where it is not defined. Raises ExtensionError."""
    try:
        found = function(*arguments)
    except ExtensionError:
        # It says already which code failed, and how.
        raise
    # The fork's code may raise anything.
    except Exception as error:
        raise ExtensionError(file, f"{name} raised {_said(error)}; correct the function") from error
    try:
        return float(found)
    except (TypeError, ValueError) as error:
        raise ExtensionError(file, f"{name} returned {found!r:.60}, which is not a number; return a float") from error


def _lists_of(file: Path) -> dict[str, Any]:
    """Return the lists that a file defines. Raises ExtensionError if it cannot be imported, or defines none."""
    known, module = LISTS[file.name], _imported(file)
    found = {name: getattr(module, name) for name in known if hasattr(module, name)}
    if not found:
        raise ExtensionError(file.name, f"defines no {' and no '.join(known)}; list there what it adds")
    return found


def _imported(file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"{FOLDER}_{file.stem}", file)
    if spec is None or spec.loader is None:
        raise ExtensionError(file.name, "cannot be imported; is it a Python file?")
    module = importlib.util.module_from_spec(spec)
    # Dataclasses look their module up there.
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise ExtensionError(file.name, f"cannot be imported: {_said(error)}; correct it") from error
    return module


Kind = TypeVar("Kind", Metric, GateMeasure, MonitorMeasure)


def _checked(file: str, name: str, lists: Mapping[str, Any], kind: type[Kind]) -> tuple[Kind, ...]:
    found = _listed(file, name, lists)
    for each in found:
        if not isinstance(each, kind):
            raise ExtensionError(file, f"{name} holds {each!r:.60}; it may hold {kind.__name__}(...) only")
        if not _NAME.fullmatch(each.name):
            raise ExtensionError(file, f"{each.name!r} is no name; write lower-case letters, digits and _")
        if each.better not in ("higher", "lower"):
            raise ExtensionError(file, f'{each.name} is better {each.better!r}; write "higher" or "lower"')
    _refuse_repeated(file, [each.name for each in found])
    return found


def _checked_tasks(lists: Mapping[str, Any]) -> tuple[type[Task], ...]:
    found = _listed(TASKS_FILE, "TASKS", lists)
    for each in found:
        if not (inspect.isclass(each) and issubclass(each, Task)):
            raise ExtensionError(TASKS_FILE, f"TASKS holds {each!r:.60}; it may hold subclasses of Task only")
        if inspect.isabstract(each):
            missing = ", ".join(sorted(each.__abstractmethods__))
            raise ExtensionError(TASKS_FILE, f"{each.__name__} lacks {missing}; define them, or inherit from a task")
        if "name" not in vars(each) or not _NAME.fullmatch(str(each.name)):
            raise ExtensionError(TASKS_FILE, f'{each.__name__} has no name of its own; write name = "..."')
    _refuse_repeated(TASKS_FILE, [each.name for each in found])
    return found


def _listed(file: str, name: str, lists: Mapping[str, Any]) -> tuple[Any, ...]:
    found = lists.get(name, ())
    if not isinstance(found, list | tuple):
        raise ExtensionError(file, f"{name} is a {type(found).__name__}; write a list")
    return tuple(found)


def _refuse_repeated(file: str, names: list[str]) -> None:
    repeated = [name for name in names if names.count(name) > 1]
    if repeated:
        raise ExtensionError(file, f"{repeated[0]!r} is there twice; keep one of them")


def _accepts(file: str, name: str, function: Any, parameters: str) -> None:
    try:
        inspect.signature(function).bind(*parameters.split(", "))
    except (TypeError, ValueError) as error:
        raise ExtensionError(file, f"{name} must be called as f({parameters}): {error}; correct its def") from error


def _said(error: BaseException) -> str:
    """Return an exception in one line."""
    return " ".join(f"{type(error).__name__}: {error}".removesuffix(": ").split())[:200]
