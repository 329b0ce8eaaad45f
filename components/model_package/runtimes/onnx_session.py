"""The ONNX graph of a package, opened with onnxruntime. Knows no task: it returns the output that it is asked for."""

import time
from pathlib import Path
from typing import Any, ClassVar

import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as runtime_errors  # ty: ignore[import-not-found]

from model_package.errors import ModelError, PackageError
from model_package.evaluation import ONNX
from model_package.package import MODEL_FILE
from model_package.rows.encoding import INPUT, Tensors, input_names
from model_package.schema import Schema

# One row is scored in microseconds: threads inside the model only cost, requests run side by side instead.
_THREADS = 1
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


class OnnxSession:
    """An ONNX graph in this process. Safe to use from several threads."""

    name: ClassVar = ONNX
    # A matrix of a few megabytes, whatever is asked for at once.
    block_rows: ClassVar = 65_536

    def __init__(self, schema: Schema, graph: Path | bytes, output: str) -> None:
        """Open the graph in a file, or given as bytes. Raises PackageError when it does not fit the schema."""
        self._outputs = [output]
        self._session = _opened(graph)
        # Without these, every run makes its own.
        self._options = onnxruntime.RunOptions()
        _check_ports(self._session, schema, output)

    def run(self, rows: Tensors) -> Any:
        """Return the graph's output for the rows. Raises ModelError when it fails."""
        try:
            (answer,) = self._session.run(self._outputs, rows.as_inputs(), self._options)
        except _RUNTIME_ERRORS as error:
            raise ModelError(f"{MODEL_FILE} cannot score the rows: {_first_line(error)}") from error
        return answer

    def processor_seconds(self) -> float:
        """Return the processor time that this thread has taken so far: the session runs in it."""
        return time.thread_time()


def _opened(graph: Path | bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = _THREADS
    options.inter_op_num_threads = _THREADS
    source = graph if isinstance(graph, bytes) else str(graph)
    try:
        return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    except _RUNTIME_ERRORS as error:
        raise PackageError(f"{MODEL_FILE} cannot be opened: {_first_line(error)}") from error


def _check_ports(session: onnxruntime.InferenceSession, schema: Schema, output: str) -> None:
    inputs = {each.name: each for each in session.get_inputs()}
    outputs = sorted(each.name for each in session.get_outputs())
    needed = input_names(schema)
    if set(inputs) != set(needed) or output not in outputs:
        raise PackageError(
            f"{MODEL_FILE} must have the inputs {', '.join(needed)} and an output `{output}`, it has "
            f"inputs {sorted(inputs)} and outputs {outputs}: package the model again"
        )
    columns, width = inputs[INPUT].shape[-1] if INPUT in inputs else 0, len(schema.matrix_columns)
    if isinstance(columns, int) and columns != width:
        raise PackageError(f"{MODEL_FILE} takes {columns} features, schema.json lists {width}: package the model again")


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
