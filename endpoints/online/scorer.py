"""Answers a request's bytes with the reply's bytes: everything of scoring that needs no web server.

The model is the package's ONNX graph, the rules for a request come from its schema.json: this code is the
same for every model.
"""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from package_digest import MODEL_FILE, SCHEMA_FILE, PackageError, find_package, verify
from request_reader import InvalidRequestError, read_matrix
from request_schema import RequestSchema

INPUT_NAME = "features"
OUTPUT_NAME = "probability"
UNREGISTERED = "unregistered"
OK = 200
BAD_REQUEST = 400
# One row is scored in microseconds: threads inside the model only cost, requests run side by side instead.
THREADS_A_REQUEST = 1


class ModelError(Exception):
    """The model answered something that is no probability: a fault of the model, not of the request."""


@dataclass(frozen=True, slots=True)
class ScoredRows:
    """What the model was given, float32 [rows, features], and P(target = 1), float64 [rows]."""

    features: NDArray[np.float32]
    probability: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Reply:
    """What goes back to the caller: a status (200 or 400) and a JSON body; `scored` is None for a 400.

    It took so many seconds to read the request, and so many for the model to answer.
    """

    status: int
    body: bytes
    scored: ScoredRows | None = None
    read_seconds: float = 0.0
    model_seconds: float = 0.0


class Scorer:
    """A loaded model package. Safe to use from several threads."""

    def __init__(self, package: Path, model: str = UNREGISTERED, version: str = UNREGISTERED) -> None:
        """Load the package in the folder `package`; raises PackageError or SchemaError if unusable."""
        self.package = package
        self.model = model
        self.version = version
        self.schema = RequestSchema.load(package / SCHEMA_FILE)
        self._session = _session_of(package / MODEL_FILE, len(self.schema.names))

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Load the package that a deployment's environment variables name, and check its digest when given.

        Reads AZUREML_MODEL_DIR, MODEL_NAME, MODEL_VERSION and MODEL_DIGEST.
        """
        if "AZUREML_MODEL_DIR" not in environment:
            raise PackageError("AZUREML_MODEL_DIR is not set: give the deployment a registered model")
        package = find_package(Path(environment["AZUREML_MODEL_DIR"]))
        if digest := environment.get("MODEL_DIGEST"):
            verify(package, digest)
        return cls(
            package,
            environment.get("MODEL_NAME") or UNREGISTERED,
            environment.get("MODEL_VERSION") or UNREGISTERED,
        )

    def answer(self, body: bytes) -> Reply:
        """Score the request in `body` (JSON). Raises ModelError only when the model itself is broken."""
        begun = time.perf_counter()
        try:
            matrix = read_matrix(body, self.schema)
        except InvalidRequestError as error:
            return Reply(BAD_REQUEST, _as_json(error.document()), read_seconds=time.perf_counter() - begun)
        read = time.perf_counter()
        probability = self.probabilities(matrix)
        scored = time.perf_counter()
        document = _as_json(self._document(probability))
        return Reply(OK, document, ScoredRows(matrix, probability), read - begun, scored - read)

    def probabilities(self, matrix: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return P(target = 1) per row of `matrix`, float32 [rows, features]."""
        (output,) = self._session.run([OUTPUT_NAME], {INPUT_NAME: matrix})
        probability = np.asarray(output, dtype=np.float64).reshape(-1)
        if probability.shape[0] != matrix.shape[0] or not ((probability >= 0) & (probability <= 1)).all():
            raise ModelError(
                f"`{OUTPUT_NAME}` must hold one probability from 0 to 1 a row, the model answered otherwise: "
                "roll back to the previous model version and evaluate this one again"
            )
        return probability

    def decisions(self, probability: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return 1 for each probability from the model's threshold on, else 0."""
        return (probability >= self.schema.threshold).astype(np.int64)

    def _document(self, probability: NDArray[np.float64]) -> dict[str, Any]:
        return {
            "model": self.model,
            "model_version": self.version,
            "threshold": self.schema.threshold,
            "predictions": [
                {"probability": value, "decision": decision}
                for value, decision in zip(probability.tolist(), self.decisions(probability).tolist(), strict=True)
            ],
        }


def _session_of(path: Path, width: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS_A_REQUEST
    options.inter_op_num_threads = THREADS_A_REQUEST
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    inputs = {each.name: each for each in session.get_inputs()}
    outputs = {each.name for each in session.get_outputs()}
    if set(inputs) != {INPUT_NAME} or OUTPUT_NAME not in outputs:
        raise PackageError(
            f"{path} must have the one input `{INPUT_NAME}` and an output `{OUTPUT_NAME}`, it has "
            f"inputs {sorted(inputs)} and outputs {sorted(outputs)}: package the model again"
        )
    columns = inputs[INPUT_NAME].shape[-1]
    if isinstance(columns, int) and columns != width:
        raise PackageError(f"{path} takes {columns} features, {SCHEMA_FILE} lists {width}: package the model again")
    return session


def _as_json(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, separators=(",", ":"), allow_nan=False).encode()
