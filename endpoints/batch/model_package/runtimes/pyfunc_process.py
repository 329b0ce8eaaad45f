"""An MLflow pyfunc model, which runs code of its own: in a process without credentials, never in the caller's.

Loading such a model unpickles or imports what its folder holds. So its files are first compared with the digest that
the training job recorded, and then opened in a process whose environment is empty but for what Python needs, whose
home is an empty folder, and which on Linux can neither read other files nor reach a network. What comes back are
numbers. Needs mlflow and pandas, and the model's own libraries, in that process alone.
"""

import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from model_package.digest import folder_digest
from model_package.errors import ModelError, PackageError
from model_package.evaluation import PYFUNC
from model_package.isolation.process import ConfinedProcess, ProcessFailed
from model_package.package import PYFUNC_FOLDER
from model_package.rows.encoding import Tensors
from model_package.schema import Schema

_SETTINGS = {
    # Allowed here, where it can do no harm, and only after the digest was compared.
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}
_OPEN_SECONDS = 300
_SCORE_SECONDS = 600

Doubles = npt.NDArray[np.float64]


class PyfuncProcess:
    """A pyfunc model in a process of its own. Safe to use from several threads, which take turns."""

    name: ClassVar = PYFUNC
    # So many rows as a table are a few tens of megabytes.
    block_rows: ClassVar = 8_192

    def __init__(self, schema: Schema, folder: Path, digest: str) -> None:
        """Open the MLflow model in a folder whose digest must be `digest`.

        Raises PackageError for other files, before anything is loaded, and for a model that cannot be loaded.
        """
        self._schema, self._folder, self._digest = schema, folder.resolve(), digest
        self._lock = threading.Lock()
        self._process_seconds = 0.0
        self._process = self._started()

    def run(self, rows: Tensors) -> Doubles:
        """Return the model's answer [rows, ...]. Raises ModelError when it fails; the next call starts it anew."""
        texts = [column[:, 0].tolist() for column in rows.texts]
        document = {"shape": rows.features.shape, "texts": texts}
        with self._lock:
            try:
                if self._process.ended:
                    self._process = self._started()
                reply = self._process.ask(document, rows.features.tobytes(), _SCORE_SECONDS)
            except (ModelError, PackageError) as error:
                raise ModelError(f"{PYFUNC_FOLDER}/ cannot score the rows: {error}") from error
            self._process_seconds += reply.seconds
        if reply.error:
            raise ModelError(f"{PYFUNC_FOLDER}/ cannot score the rows: {reply.error}")
        return reply.numbers

    def processor_seconds(self) -> float:
        """Return the processor time of this thread and of the model's process while it scored."""
        return time.thread_time() + self._process_seconds

    def _started(self) -> "_Process":
        found = folder_digest(self._folder)
        if found != self._digest:
            raise PackageError(
                f"the files of {PYFUNC_FOLDER}/ have digest {found}, and the training job recorded "
                f"{self._digest or 'none'}: nothing was loaded; train and register the model again"
            )
        process = _Process(self._folder)
        try:
            reply = process.ask({"schema": self._schema.as_document()}, b"", _OPEN_SECONDS)
        except ModelError as error:
            raise PackageError(f"{PYFUNC_FOLDER}/ cannot be opened: {error}") from error
        if reply.error:
            process.end()
            raise PackageError(
                f"{PYFUNC_FOLDER}/ cannot be opened: {reply.error}; the environment that opens it "
                "needs mlflow-skinny, pandas and the model's own libraries (environments/)"
            )
        return process


@dataclass(frozen=True, slots=True, eq=False)
class _Reply:
    """What the process answered: numbers, or why there are none; and the processor time that this took."""

    seconds: float
    numbers: Doubles
    error: str


class _Process:
    """One run of runtimes/pyfunc_main.py."""

    def __init__(self, folder: Path) -> None:
        self._process = ConfinedProcess(
            "model_package.runtimes.pyfunc_main", lambda home: [str(folder), str(home)], _SETTINGS
        )
        self._seconds = 0.0

    @property
    def ended(self) -> bool:
        """Whether it can answer nothing any more."""
        return self._process.ended

    def ask(self, document: dict[str, Any], array: bytes, seconds: float) -> _Reply:
        """Return its answer. Raises ModelError when it ends, hangs, or answers something else."""
        try:
            return self._reply(*self._process.ask(document, array, seconds))
        except ProcessFailed as error:
            raise ModelError(str(error)) from error
        except (ValueError, KeyError, TypeError) as error:
            self.end()
            raise ModelError("it answered something that is no message") from error

    def end(self) -> None:
        """End it."""
        self._process.end()

    def _reply(self, document: dict[str, Any], array: bytes) -> _Reply:
        used, self._seconds = document["seconds"] - self._seconds, document["seconds"]
        if "error" in document:
            return _Reply(used, np.empty(0), str(document["error"]))
        return _Reply(used, np.frombuffer(array, np.float64).reshape(document.get("shape", (-1,))), "")
