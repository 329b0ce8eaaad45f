"""One process of a parallel run: imports the entry script, calls init() once and run() for each mini-batch. A program.

    python -m azureml_emulator.jobs.parallel.worker READ WRITE SCRIPT ARGUMENT…

READ and WRITE are file descriptors: a JSON line for each mini-batch comes in, one for each outcome goes out.
Standard output and error belong to the script. Nothing but the standard library, unless the input is a table.
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

from azureml_emulator.jobs.parallel.mini_batches import DELIMITED, Piece

_MODULE = "azureml_entry_script"


class WrongScript(Exception):
    """The entry script breaks the contract; the message is for its author."""


@dataclass(frozen=True)
class BatchContext:
    """What a run() with a second parameter gets."""

    minibatch_index: int
    partition_key_value: dict[str, Any] | None = None


def main(arguments: Sequence[str]) -> int:
    """Serve mini-batches until no more come; the exit code is 1 when the script could not be made ready."""
    requests = os.fdopen(int(arguments[0]), encoding="utf-8")
    replies = os.fdopen(int(arguments[1]), "w", encoding="utf-8", buffering=1)
    script = Path(arguments[2]).absolute()
    sys.argv = [str(script), *arguments[3:]]
    sys.path.insert(0, str(script.parent))
    try:
        module = _load(script)
        module.init()
        run = _accepting_context(module.run)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever the script raises is its author's to read
        _reply(replies, event="broken", error=_told(error), trace=traceback.format_exc())
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
        raise WrongScript(f"the entry script '{script.name}' is not in the code folder (there is: {there})")
    specification = importlib.util.spec_from_file_location(_MODULE, script)
    if specification is None or specification.loader is None:
        raise WrongScript(f"the entry script '{script.name}' is no Python file")
    module = importlib.util.module_from_spec(specification)
    sys.modules[_MODULE] = module
    specification.loader.exec_module(module)
    missing = [name for name in ("init", "run") if not callable(getattr(module, name, None))]
    if missing:
        raise WrongScript(f"the entry script '{script.name}' has no function {missing[0]}()")
    return module


def _accepting_context(run: Callable[..., Any]) -> Callable[[Any, BatchContext], Any]:
    if len(inspect.signature(run).parameters) > 1:
        return run
    return lambda batch, _: run(batch)


def _outcome(run: Callable[[Any, BatchContext], Any], request: dict[str, Any]) -> dict[str, Any]:
    try:
        batch = list(request["files"]) if request["piece"] is None else _rows(Piece(**request["piece"]))
        items = len(batch)
        result = run(batch, BatchContext(request["index"]))
        returned = _write(result, Path(request["rows"]))
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever the script raises is its author's to read
        return {"event": "failed", "error": _told(error), "trace": traceback.format_exc()}
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return {"event": "done", "items": items, "returned": returned}


def _rows(piece: Piece) -> Any:
    """The rows of a piece of a table, as a pandas data frame."""
    if piece.reader != DELIMITED:
        from pyarrow import parquet

        return parquet.ParquetFile(piece.file).read_row_groups(range(piece.start, piece.end)).to_pandas()
    import pandas as pd

    with Path(piece.file).open("rb") as stream:
        header = stream.readline()
        stream.seek(piece.start)
        text = stream.read(piece.end - piece.start)
    return pd.read_csv(io.BytesIO(header + text), sep=piece.delimiter)


def _write(result: Any, file: Path) -> int:
    """Keep what run() returned as lines, and count it: a frame's rows separated by blanks, else an item a line."""
    if hasattr(result, "to_csv") and hasattr(result, "columns"):
        result.to_csv(file, sep=" ", header=False, index=False)
        return len(result)
    if not isinstance(result, list | tuple) and not hasattr(result, "tolist"):
        raise WrongScript(f"run() must return a list, a tuple, an array or a data frame, not {type(result).__name__}")
    file.write_text("".join(f"{item}\n" for item in result), encoding="utf-8")
    return len(result)


def _told(error: BaseException) -> str:
    return str(error) if isinstance(error, WrongScript) else f"{type(error).__name__}: {error}"


def _reply(stream: io.TextIOBase | Any, **document: Any) -> None:
    stream.write(json.dumps(document) + "\n")
    stream.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
