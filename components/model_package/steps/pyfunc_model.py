"""An MLflow pyfunc model that cannot be exported to ONNX, between two steps.

The folder holds the MLflow model, its digest, and the framework's own answers to the validation part: the step that
packages the model compares what the saved model answers with them. The model is never loaded in a step's own process.
"""

import shutil
from pathlib import Path

import numpy as np
import numpy.typing as npt

from model_package.digest import folder_digest
from model_package.errors import ModelError
from model_package.package import MLFLOW_FILE, PYFUNC_FOLDER
from model_package.runtime import Scorer
from model_package.runtimes.pyfunc_process import PyfuncProcess
from model_package.schema import Schema
from model_package.steps.onnx_model import save_expected

DIGEST_FILE = "pyfunc.digest"


def save_pyfunc(model: Path, expected: npt.NDArray[np.floating], folder: Path, schema: Schema) -> None:
    """Copy an MLflow model folder, with the framework's answers to the validation part, as the task has them.

    Opens it once, as every later step will. Raises PackageError for a model that cannot be loaded there, ModelError for
    answers that the task does not allow.
    """
    PyfuncProcess(schema, model, folder_digest(model))
    save_expected(expected, folder, schema)
    target = folder / PYFUNC_FOLDER
    shutil.copytree(model, target)
    (folder / DIGEST_FILE).write_text(f"{folder_digest(target)}\n", encoding="utf-8")


def has_pyfunc(folder: Path) -> bool:
    """Return whether a train step wrote an MLflow model into the folder."""
    return (folder / PYFUNC_FOLDER / MLFLOW_FILE).is_file()


def load_pyfunc(folder: Path, schema: Schema) -> Scorer:
    """Open the model in a process of its own. Raises PackageError for other files than the train step wrote."""
    return Scorer(schema, PyfuncProcess(schema, folder / PYFUNC_FOLDER, pyfunc_digest(folder)))


def pyfunc_digest(folder: Path) -> str:
    """Return the digest that the train step recorded. Raises ModelError where it recorded none."""
    try:
        return (folder / DIGEST_FILE).read_text(encoding="utf-8").strip()
    except OSError as error:
        advice = "write the model with model_package.steps.pyfunc_model.save_pyfunc and run the train step again"
        raise ModelError(f"{DIGEST_FILE} beside {PYFUNC_FOLDER}/ cannot be read: {error}; {advice}") from error
