"""The model of a package, opened for scoring: features into onnxruntime, predictions out. Knows no request and no file.

One session serves everything: endpoints, batch scoring, packaging and gates. What a valid prediction is, the task says.
"""

from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as runtime_errors  # ty: ignore[import-not-found]

from model_package.binary_classification import OUTPUT, checked_answer, decide
from model_package.errors import ModelError, PackageError
from model_package.package import MODEL_FILE, read_schema
from model_package.rows.encoding import INPUT, ModelInput, Tensors, as_tensors, input_names
from model_package.schema import Schema

# One row is scored in microseconds: threads inside the model only cost, requests run side by side instead.
_THREADS = 1
# Rows per run: a matrix of a few megabytes, whatever is asked for at once.
_BLOCK_ROWS = 65_536
# onnxruntime's errors have no common base but Exception.
_RUNTIME_ERRORS = (
    runtime_errors.Fail,
    runtime_errors.InvalidArgument,
    runtime_errors.InvalidGraph,
    runtime_errors.InvalidProtobuf,
    runtime_errors.NoSuchFile,
    runtime_errors.NotImplemented,
    runtime_errors.RuntimeException,
    ValueError,
)


class Scorer:
    """A loaded model. Safe to use from several threads."""

    def __init__(self, schema: Schema, model: Path | bytes) -> None:
        """Open the ONNX graph in a file, or given as bytes. Raises PackageError when it does not fit the schema."""
        self.schema = schema
        self._session = _opened(model)
        _check_ports(self._session, schema)

    @classmethod
    def open(cls, package: Path) -> Self:
        """Open the package in a folder. Raises PackageError or SchemaError when it cannot be used."""
        return cls(read_schema(package), package / MODEL_FILE)

    def score(self, rows: ModelInput) -> npt.NDArray[np.float64]:
        """Return P(target = 1) per row.

        Raises ModelError when the model fails, or answers anything but one probability per row.
        """
        tensors = as_tensors(rows)
        if len(tensors) <= _BLOCK_ROWS:
            return self._run(tensors)
        blocks = [self._run(tensors[at : at + _BLOCK_ROWS]) for at in range(0, len(tensors), _BLOCK_ROWS)]
        return np.concatenate(blocks)

    def decide(self, probability: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.int64]:
        """Return the decision of each probability at the model's own threshold."""
        return decide(probability, self.schema.threshold)

    def _run(self, tensors: Tensors) -> npt.NDArray[np.float64]:
        try:
            (answer,) = self._session.run([OUTPUT], tensors.as_inputs())
        except _RUNTIME_ERRORS as error:
            raise ModelError(f"{MODEL_FILE} cannot score the rows: {_first_line(error)}") from error
        return checked_answer(answer, len(tensors))


def _opened(model: Path | bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = _THREADS
    options.inter_op_num_threads = _THREADS
    source = model if isinstance(model, bytes) else str(model)
    try:
        return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    except _RUNTIME_ERRORS as error:
        raise PackageError(f"{MODEL_FILE} cannot be opened: {_first_line(error)}") from error


def _check_ports(session: onnxruntime.InferenceSession, schema: Schema) -> None:
    inputs = {each.name: each for each in session.get_inputs()}
    outputs = sorted(each.name for each in session.get_outputs())
    needed = input_names(schema)
    if set(inputs) != set(needed) or OUTPUT not in outputs:
        raise PackageError(
            f"{MODEL_FILE} must have the inputs {', '.join(needed)} and an output `{OUTPUT}`, it has "
            f"inputs {sorted(inputs)} and outputs {outputs}: package the model again"
        )
    columns, width = inputs[INPUT].shape[-1] if INPUT in inputs else 0, len(schema.matrix_columns)
    if isinstance(columns, int) and columns != width:
        raise PackageError(f"{MODEL_FILE} takes {columns} features, schema.json lists {width}: package the model again")


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
