"""The model of a package, opened for scoring: features in, the task's answers out. Knows no request and no file.

One scorer serves everything: endpoints, batch scoring, packaging and gates. How the model is run is said by runtimes/;
what a valid prediction is, the task says.
"""

from pathlib import Path
from typing import Any, ClassVar, Protocol, Self

import numpy as np
import numpy.typing as npt

from model_package.evaluation import ONNX
from model_package.package import MODEL_FILE, PYFUNC_FOLDER, read_provenance, read_schema, runtime_of
from model_package.rows.encoding import ModelInput, Tensors, as_tensors
from model_package.runtimes.onnx_session import OnnxSession
from model_package.runtimes.pyfunc_process import PyfuncProcess
from model_package.schema import Schema
from model_package.tasks import task_of


class Model(Protocol):
    """What runs a model. Safe to use from several threads."""

    # The kind of model, as rules name it.
    name: ClassVar[str]
    # How many rows it is given at once, at most.
    block_rows: ClassVar[int]

    def run(self, rows: Tensors) -> Any:
        """Return the model's answer to the rows, unchecked. Raises ModelError when the model fails."""

    def processor_seconds(self) -> float:
        """Return the processor time that scoring from this thread has taken so far."""


class Scorer:
    """A loaded model. Safe to use from several threads."""

    def __init__(self, schema: Schema, model: Path | bytes | Model) -> None:
        """Take a model, or open the ONNX graph in a file or in bytes.

        Raises PackageError for a graph that does not fit the schema.
        """
        self.schema = schema
        self.task = task_of(schema)
        self._model = OnnxSession(schema, model, self.task.output) if isinstance(model, Path | bytes) else model

    @classmethod
    def open(cls, package: Path) -> Self:
        """Open the package in a folder. Raises PackageError or SchemaError when it cannot be used."""
        if runtime_of(package) == ONNX:
            return cls(read_schema(package), package / MODEL_FILE)
        schema, digest = read_schema(package), read_provenance(package).model_digest
        return cls(schema, PyfuncProcess(schema, package / PYFUNC_FOLDER, digest))

    @property
    def runtime(self) -> str:
        """What runs the model, as rules name it."""
        return self._model.name

    def score(self, rows: ModelInput) -> npt.NDArray[np.float64]:
        """Return the task's answer to each row.

        Raises ModelError when the model fails, or answers what the task does not allow.
        """
        tensors, most = as_tensors(rows), self._model.block_rows
        if len(tensors) <= most:
            return self._run(tensors)
        return np.concatenate([self._run(tensors[at : at + most]) for at in range(0, len(tensors), most)])

    def processor_seconds(self) -> float:
        """Return the processor time that scoring from this thread has taken so far, to be read before and after."""
        return self._model.processor_seconds()

    def _run(self, tensors: Tensors) -> npt.NDArray[np.float64]:
        return self.task.checked_answer(self._model.run(tensors), len(tensors))
