"""The process of an MLflow pyfunc model: confines itself, loads the model, and answers rows until its input ends.

Started by runtimes/pyfunc_process.py with an environment without credentials. Whatever the model prints goes to
standard error; standard output carries messages alone.
"""

import os
import sys
import time
from pathlib import Path
from typing import Any, BinaryIO

from model_package.isolation.messages import receive, send
from model_package.isolation.sandbox import confine


def main() -> int:
    """Serve the model in the folder that the command line names, with a folder of its own to write to."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    folder, home = map(Path, sys.argv[1:])
    confine([folder], [home])
    document, _ = receive(sys.stdin.buffer)
    try:
        answer = _loaded(folder, document["schema"])
    except Exception as error:  # noqa: BLE001 - a model's code may raise anything; the scorer says it
        _refuse(answers, error)
        return 1
    send(answers, {"seconds": time.process_time()})
    while True:
        try:
            document, matrix = receive(sys.stdin.buffer)
        except EOFError:
            return 0
        try:
            found = answer(document, matrix)
        except Exception as error:  # noqa: BLE001 - as above
            _refuse(answers, error)
        else:
            send(answers, {"shape": found.shape, "seconds": time.process_time()}, found.tobytes())


def _loaded(folder: Path, schema_document: dict[str, Any]) -> Any:
    """Return what answers a message of rows: an array float64 [rows, ...]."""
    # Imported here, because a thread of numpy's that was started earlier would not be confined.
    import mlflow.pyfunc
    import numpy as np

    from model_package.rows.encoding import Tensors, text_tensor
    from model_package.rows.frames import as_frame
    from model_package.schema import BINARY_CLASSIFICATION, Schema

    schema = Schema.parse(schema_document, "schema")
    model = mlflow.pyfunc.load_model(str(folder))

    def answer(document: dict[str, Any], matrix: bytes) -> Any:
        features = np.frombuffer(matrix, np.float32).reshape(document["shape"])
        rows = Tensors(features, tuple(map(text_tensor, document["texts"])))
        found = np.asarray(model.predict(as_frame(rows, schema)), dtype=np.float64)
        # What `predict_proba` of scikit-learn says: the probabilities of both classes.
        if schema.task == BINARY_CLASSIFICATION and found.shape == (len(rows), 2):
            return np.ascontiguousarray(found[:, 1])
        return found

    return answer


def _refuse(answers: BinaryIO, error: Exception) -> None:
    lines = str(error).splitlines() or [""]
    send(answers, {"error": f"{type(error).__name__}: {lines[0]}".removesuffix(": "), "seconds": time.process_time()})


if __name__ == "__main__":
    sys.exit(main())
