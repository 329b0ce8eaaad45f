"""What batch scoring is compared with, each in a process of its own: mlflow's pyfunc, and onnxruntime by itself.

Imports do not count. The peer reads rows with pandas, predicts and writes them back, as its documentation has it:
all files at once, or one. onnxruntime alone scores a matrix that lies in memory, with one thread, as the endpoint has
it: nothing can cost less.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

_BEGIN = """
import json, sys, time
package, source, target = sys.argv[1:]
names = [each["name"] for each in json.load(open(package + "/schema.json"))["features"]]
"""
_END = """
seconds, processors = time.perf_counter() - begun, time.process_time() - used
print(json.dumps({"rows": rows, "seconds": seconds, "processors": processors}))
"""
_PYFUNC = """
import mlflow, pandas as pd
model = mlflow.pyfunc.load_model(package)
begun, used = time.perf_counter(), time.process_time()
frame = pd.read_parquet(source)
found = model.predict(frame[names].astype("float64"))
pd.DataFrame({"ID": frame["ID"], "probability": found["probability"].astype("float32")}).to_parquet(target)
rows = len(frame)
"""
_ALONE = """
import onnxruntime, polars as pl
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(package + "/model.onnx", options)
matrix = pl.read_parquet(source, columns=names).cast(pl.Float32).to_numpy(order="c")
begun, used = time.perf_counter(), time.process_time()
rows, batch = len(matrix), 50_000
for first in range(0, rows, batch):
    session.run(["probability"], {"features": matrix[first : first + batch]})
"""


@dataclass(frozen=True)
class Took:
    """What some rows took: seconds on the clock, and of processors."""

    rows: int
    seconds: float
    processors: float

    @property
    def rate(self) -> float:
        """Millions of rows a second."""
        return self.rows / self.seconds / 1e6

    @property
    def microseconds(self) -> float:
        """Processor time a row."""
        return 1e6 * self.processors / self.rows


def pyfunc(package: Path, source: Path, folder: Path) -> Took:
    """mlflow's pyfunc over a file of rows, or a folder of files."""
    return _run(_PYFUNC, package, source, folder)


def model_alone(package: Path, source: Path, folder: Path) -> Took:
    """Only onnxruntime, over rows of a file."""
    return _run(_ALONE, package, source, folder)


def _run(program: str, package: Path, source: Path, folder: Path) -> Took:
    command = [sys.executable, "-c", _BEGIN + program + _END, str(package), str(source), str(folder / "peer.parquet")]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return Took(**json.loads(done.stdout.splitlines()[-1]))
