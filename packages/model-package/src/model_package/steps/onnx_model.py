"""A model that a train step exported to ONNX itself, from PyTorch or anything else, between two steps.

The folder holds the graph, and the framework's own answers to the validation part: the step that packages the model
compares the graph with them, without the framework. Needs numpy and onnxruntime only.
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from model_package.errors import ModelError
from model_package.package import MODEL_FILE
from model_package.runtime import Scorer
from model_package.schema import Schema
from model_package.tasks import task_of

EXPECTED_FILE = "expected.npy"

Doubles = npt.NDArray[np.float64]


def save_graph(graph: bytes, expected: npt.NDArray[np.floating], folder: Path, schema: Schema) -> None:
    """Write a graph with the framework's answers to the validation part, as the task has them.

    Raises PackageError for a graph that does not fit the schema, ModelError for answers that the task does not allow.
    """
    Scorer(schema, graph)
    save_expected(expected, folder, schema)
    (folder / MODEL_FILE).write_bytes(graph)


def save_expected(expected: npt.NDArray[np.floating], folder: Path, schema: Schema) -> None:
    """Write the framework's answers to the validation part. Raises ModelError for what the task does not allow."""
    answers = task_of(schema).checked_answer(np.asarray(expected, dtype=np.float64), len(expected))
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / EXPECTED_FILE, answers, allow_pickle=False)


def has_graph(folder: Path) -> bool:
    """Return whether a train step wrote an ONNX graph into the folder."""
    return (folder / MODEL_FILE).is_file()


def load_graph(folder: Path, schema: Schema) -> Scorer:
    """Open the graph. Raises PackageError when it does not fit the schema."""
    return Scorer(schema, folder / MODEL_FILE)


def expected_answers(folder: Path, rows: int) -> Doubles:
    """Return the framework's answers to the validation part. Raises ModelError if they are missing or too few."""
    file = folder / EXPECTED_FILE
    advice = "write the model with save_graph or save_pyfunc of model_package.steps and run the train step again"
    try:
        found = np.load(file, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise ModelError(f"{EXPECTED_FILE} beside the model cannot be read: {error}; {advice}") from error
    if len(found) != rows:
        raise ModelError(f"{EXPECTED_FILE} has {len(found):,} answers, the validation part {rows:,} rows; {advice}")
    return found
