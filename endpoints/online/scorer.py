"""Turns a request's bytes into the reply's bytes: the part of scoring that needs no web server.

model_package reads the request, validates its values and runs the model; this module only builds the reply, and is
the same for every model.
"""

import json
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from model_package.errors import InvalidRows, PackageError
from model_package.evaluation import ONNX
from model_package.package import UNREGISTERED, find_package, verify
from model_package.rows.encoding import Tensors
from model_package.rows.records import RecordReader
from model_package.rows.requests import read_request, too_large
from model_package.rows.rules import RowRules
from model_package.runtime import Scorer as Runtime

OK = 200
BAD_REQUEST = 400
_ENCODER = json.JSONEncoder(separators=(",", ":"), allow_nan=False)


class ScoredRows(NamedTuple):
    """The model's input, and its answer as the task defines it, float64 [rows, ...]."""

    rows: Tensors
    answer: NDArray[np.float64]


class Reply(NamedTuple):
    """The reply to the caller: a status (200 or 400) and a JSON body; `scored` is None for a 400.

    The two durations are the seconds for reading the request and for running the model.
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
        self._runtime = Runtime.open(package)
        self.schema = self._runtime.schema
        self._rules = RowRules(self.schema)
        self._records = RecordReader(self._rules)
        self.task = self._runtime.task
        # Whether a request takes microseconds; another model than ONNX runs in a process of its own.
        self.is_fast = self._runtime.runtime == ONNX
        head = _as_json({"model": model, "model_version": version, **self.task.reply_facts()})
        # What every reply begins with; the predictions are one more field.
        self._head = head.removesuffix(b"}") + b',"predictions":'

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Load the package that a deployment's environment variables name, and check its digest if given.

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
        """Score the request in `body` (JSON). Raises ModelError only if the model itself is broken."""
        begun = time.perf_counter()
        try:
            rows = self._records.read(body) or read_request(body, self._rules)
        except InvalidRows as error:
            return _refused(error, time.perf_counter() - begun)
        read = time.perf_counter()
        answer = self._runtime.score(rows)
        scored = time.perf_counter()
        document = self._head + _as_json(self.task.predictions(answer)) + b"}"
        return Reply(OK, document, ScoredRows(rows, answer), read - begun, scored - read)

    def refuse_size(self, size: int) -> Reply:
        """The reply to a body of `size` bytes, more than are read, which therefore was not kept."""
        return _refused(too_large(size), 0.0)


def _refused(error: InvalidRows, read_seconds: float) -> Reply:
    return Reply(BAD_REQUEST, _as_json(_refusal(error)), read_seconds=read_seconds)


def _refusal(error: InvalidRows) -> dict[str, Any]:
    return {
        "error": {
            "code": "InvalidInput",
            "message": str(error),
            "details": [asdict(finding) for finding in error.findings],
            "total": error.total,
        }
    }


def _as_json(document: Any) -> bytes:
    return _ENCODER.encode(document).encode()
