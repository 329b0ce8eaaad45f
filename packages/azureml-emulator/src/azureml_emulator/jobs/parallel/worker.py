"""A worker process of a parallel run: imports the entry script, calls init() once and run() per mini-batch. A program.

    python -m azureml_emulator.jobs.parallel.worker READ WRITE SCRIPT ARGUMENT…

READ and WRITE are file descriptors: it reads one line of JSON per mini-batch, and writes one per result. Standard
output and standard error belong to the script. Standard library only, unless the input is a table.
"""

from __future__ import annotations

import importlib.util
import inspect
import io
import json
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from azureml_emulator.jobs.parallel.tables import Piece, read_piece

_MODULE = "azureml_entry_script"


class ScriptError(Exception):
    """The entry script violates its contract; the message is for its author."""


@dataclass(frozen=True)
class BatchContext:
    """The second argument of run(), if it takes one."""

    minibatch_index: int
    partition_key_value: dict[str, Any] | None = None


def main(arguments: Sequence[str]) -> int:
    """Process mini-batches until none is left. Returns the exit code, 1 when the script could not be initialised."""
    requests = os.fdopen(int(arguments[0]), encoding="utf-8")
    replies = os.fdopen(int(arguments[1]), "w", encoding="utf-8", buffering=1)
    script = Path(arguments[2]).absolute()
    sys.argv = [str(script), *arguments[3:]]
    sys.path.insert(0, str(script.parent))
    try:
        module = _load(script)
        module.init()
        run = _accepting_context(module.run)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - every error of the script is reported to its author
        _reply(replies, event="broken", error=_describe(error), trace=traceback.format_exc())
        return 1
    _reply(replies, event="ready")
    for line in requests:
        _reply(replies, **_outcome(run, json.loads(line)))
    shutdown = getattr(module, "shutdown", None)
    if shutdown is not None:
        shutdown()
    return 0


def _load(script: Path) -> ModuleType:
    if not script.is_file():
        there = ", ".join(sorted(path.name for path in script.parent.glob("*.py"))) or "no Python file"
        raise ScriptError(f"the entry script '{script.name}' is not in the code folder (there is: {there})")
    specification = importlib.util.spec_from_file_location(_MODULE, script)
    if specification is None or specification.loader is None:
        raise ScriptError(f"the entry script '{script.name}' is not a Python file")
    module = importlib.util.module_from_spec(specification)
    sys.modules[_MODULE] = module
    specification.loader.exec_module(module)
    missing = [name for name in ("init", "run") if not callable(getattr(module, name, None))]
    if missing:
        raise ScriptError(f"the entry script '{script.name}' has no function {missing[0]}()")
    return module


def _accepting_context(run: Callable[..., Any]) -> Callable[[Any, BatchContext], Any]:
    if len(inspect.signature(run).parameters) > 1:
        return run
    return lambda batch, _: run(batch)


def _outcome(run: Callable[[Any, BatchContext], Any], request: dict[str, Any]) -> dict[str, Any]:
    try:
        batch = list(request["files"]) if request["piece"] is None else read_piece(Piece(**request["piece"]))
        items = len(batch)
        result = run(batch, BatchContext(request["index"], request["keys"]))
        returned = _write(result, Path(request["rows"]))
    except (Exception, SystemExit) as error:  # noqa: BLE001 - every error of the script is reported to its author
        event = "broken" if getattr(error, "ends_run", False) else "failed"
        return {"event": event, "error": _describe(error), "trace": traceback.format_exc()}
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return {"event": "done", "items": items, "returned": returned}


def _write(result: Any, file: Path) -> int:
    """Write the result of run(), one line per item; blanks separate the columns of a data frame. Returns the count."""
    if hasattr(result, "to_csv") and hasattr(result, "columns"):
        result.to_csv(file, sep=" ", header=False, index=False)
        return len(result)
    if not isinstance(result, list | tuple) and not hasattr(result, "tolist"):
        raise ScriptError(f"run() must return a list, a tuple, an array or a data frame, not {type(result).__name__}")
    file.write_text("".join(f"{item}\n" for item in result), encoding="utf-8")
    return len(result)


def _describe(error: BaseException) -> str:
    return str(error) if isinstance(error, ScriptError) else f"{type(error).__name__}: {error}"


def _reply(stream: io.TextIOBase | Any, **document: Any) -> None:
    stream.write(json.dumps(document) + "\n")
    stream.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
