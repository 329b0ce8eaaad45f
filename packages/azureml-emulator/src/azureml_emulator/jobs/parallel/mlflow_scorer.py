"""The entry script of a batch deployment that has only an MLflow model, like the one that Azure generates.

It is copied beside the plan of each run, and imports nothing of the emulator. Each file is read by its type and scored
by one call of predict(). It returns lines of comma-separated text: the index of the row (tables only), the prediction,
the name of the file.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any

import mlflow.pyfunc
import numpy as np
import pandas as pd
from mlflow.types import DataType

_PARQUET = (".parquet", ".pqt")
_IMAGES = (".png", ".jpg", ".jpeg", ".tiff", ".bmp", ".gif")
model: mlflow.pyfunc.PyFuncModel


class InputFileError(Exception):
    """A file that the model cannot score, which ends the whole run."""

    ends_run = True


def init() -> None:
    """Load the model below AZUREML_MODEL_DIR."""
    global model
    root = Path(os.environ["AZUREML_MODEL_DIR"])
    descriptions = sorted(root.rglob("MLmodel"))
    if not descriptions:
        raise FileNotFoundError(f"There is no MLmodel file below {root}: this is not an MLflow model.")
    model = mlflow.pyfunc.load_model(str(descriptions[0].parent))


def run(mini_batch: Sequence[str]) -> list[str]:
    """Score files. Raises InputFileError for one that cannot be read as the model's signature requires."""
    return [line for file in map(Path, mini_batch) for line in _scored(file)]


def _scored(file: Path) -> list[str]:
    kind = file.suffix.lower()
    if kind != ".csv" and kind not in _PARQUET and kind not in _IMAGES:
        raise InputFileError(f"Error processing input file: '{file}'. File type '{kind.lstrip('.')}' is not supported")
    try:
        if kind in _IMAGES:
            return [_line(_plain(model.predict(_image(file))), file.name)]
        predictions = _plain(model.predict(_table(file, kind)))
    except Exception as error:  # the author's model and data raise whatever they like
        raise InputFileError(f"Error processing input file: '{file}'. Exception: {error}") from error
    return [_line(row, prediction, file.name) for row, prediction in enumerate(predictions)]


def _table(file: Path, kind: str) -> pd.DataFrame:
    if kind in _PARQUET:
        return pd.read_parquet(file)
    schema = model.metadata.get_input_schema()
    if schema is None or schema.is_tensor_spec() or not schema.has_input_names():
        return pd.read_csv(file)
    columns = set(pd.read_csv(file, nrows=0).columns)
    types = {column.name: column.type for column in schema.inputs if column.name in columns}
    moments = [name for name, given in types.items() if given == DataType.datetime]
    text: dict[Hashable, Any] = {
        name: given.to_pandas()
        for name, given in types.items()
        if isinstance(given, DataType) and given != DataType.datetime
    }
    return pd.read_csv(file, dtype=text, parse_dates=moments)


def _image(file: Path) -> np.ndarray:
    from PIL import Image

    schema = model.metadata.get_input_schema()
    if schema is None or not schema.is_tensor_spec():
        return np.asarray(Image.open(file), dtype=np.uint8)
    return np.asarray(Image.open(file), dtype=schema.input_types()[0]).reshape(schema.inputs[0].shape)


def _plain(answer: Any) -> list[Any]:
    """One value per row; a list of them where the model answers several columns."""
    if isinstance(answer, pd.DataFrame):
        answer = answer.iloc[:, 0] if answer.shape[1] == 1 else answer.to_numpy()
    if isinstance(answer, np.ndarray) and answer.ndim > 1 and answer.shape[1] == 1:
        answer = answer[:, 0]
    return answer.tolist() if isinstance(answer, pd.Series | np.ndarray) else list(answer)


def _line(*values: Any) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(values)
    return text.getvalue()
