"""A model package opened for scoring: arrays into onnxruntime, probabilities out."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as runtime_errors  # ty: ignore[import-not-found]

from mlops.models.package import MODEL_FILE
from mlops.models.package_documents import SCHEMA_FILE, Schema, read_document
from mlops.settings.measures import Unmeasurable

INPUT: Final = "features"
OUTPUT: Final = "probability"
_PROVIDERS: Final = ["CPUExecutionProvider"]
_BLOCK_ROWS: Final = 65_536
# onnxruntime's errors have no common base but Exception.
_RUNTIME_ERRORS: Final = (
    runtime_errors.Fail,
    runtime_errors.InvalidArgument,
    runtime_errors.InvalidGraph,
    runtime_errors.InvalidProtobuf,
    runtime_errors.NoSuchFile,
    runtime_errors.NotImplemented,
    runtime_errors.RuntimeException,
    ValueError,
)


@dataclass(frozen=True)
class Scorer:
    """An opened package."""

    folder: Path
    schema: Schema
    session: onnxruntime.InferenceSession

    @property
    def threshold(self) -> float:
        """From which probability on a row is decided as 1."""
        return self.schema.decision.threshold

    def score(self, features: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """Score features [rows, features] → probabilities [rows].

        Raises Unmeasurable when the model fails, or answers anything but one probability a row.
        """
        blocks = [self._score(features[at : at + _BLOCK_ROWS]) for at in range(0, len(features), _BLOCK_ROWS)]
        return np.concatenate(blocks) if blocks else np.empty(0)

    def milliseconds(self, row: npt.NDArray[np.float32]) -> float:
        """How long one row [1, features] takes, without the time for which other programs had the processor."""
        # One thread does all of it, this one.
        start = time.thread_time()
        self._score(row)
        return 1000 * (time.thread_time() - start)

    def _score(self, features: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        try:
            (answer,) = self.session.run([OUTPUT], {INPUT: features})
        except _RUNTIME_ERRORS as error:
            raise Unmeasurable(f"{MODEL_FILE} cannot score the rows: {_first_line(error)}") from error
        probability = np.asarray(answer, dtype=np.float64)
        if probability.shape != (len(features), 1):
            raise Unmeasurable(
                f"{MODEL_FILE} answers {probability.shape} for {len(features)} rows, not one number a row"
            )
        wrong = int((~((probability >= 0) & (probability <= 1))).sum())
        if wrong:
            raise Unmeasurable(
                f"{MODEL_FILE} answers no probability for {wrong} of {len(features)} rows (NaN or not 0 to 1)"
            )
        return probability[:, 0]


def open_scorer(folder: Path) -> Scorer:
    """Open a package. Raises Unmeasurable when its schema or its model cannot be read."""
    schema = read_document(folder, SCHEMA_FILE, Schema)
    options = onnxruntime.SessionOptions()
    # One thread is fastest for single rows, and single rows are what is timed.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    try:
        session = onnxruntime.InferenceSession(folder / MODEL_FILE, options, providers=["CPUExecutionProvider"])
    except _RUNTIME_ERRORS as error:
        raise Unmeasurable(f"{MODEL_FILE} cannot be opened: {_first_line(error)}") from error
    return Scorer(folder, schema, session)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
