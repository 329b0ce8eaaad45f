"""Measures `mlops demo --to dev` as a whole process: first from an empty state, then again with nothing changed.

It works on a clone in a temporary folder, so that neither the checkout nor its emulator is touched.

    uv run python benchmarks/demo.py --data my.csv
    uv run python benchmarks/demo.py            (the embedded synthetic sample)
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from harness.figures import Figure, report

ROOT = Path(__file__).resolve().parent.parent
FIRST_SECONDS = 45.0
AGAIN_SECONDS = 15.0
ROC_AUC = 0.78
# The limit on the model holds for the real file; the synthetic sample promises only that a model learns.
SAMPLE_ROC_AUC = 0.7
PARITY = 1e-5


def main() -> int:
    """Measure and print."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--data", type=Path, help="a file with the example's schema")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder) / "project"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        try:
            first, first_seconds = demo(clone, arguments.data)
            again, again_seconds = demo(clone, arguments.data)
            parity = onnx_difference(clone)
        finally:
            down = [sys.executable, "-m", "mlops", "down"]
            subprocess.run(down, cwd=clone, check=True, capture_output=True)
    if again["model"] != first["model"]:
        raise SystemExit("The second run made another model although nothing had changed.")
    floor = ROC_AUC if arguments.data else SAMPLE_ROC_AUC
    figures = [
        Figure("mlops demo --to dev, first run", first_seconds, "s", FIRST_SECONDS),
        Figure("mlops demo --to dev, nothing changed", again_seconds, "s", AGAIN_SECONDS),
        Figure("ROC AUC on the held-out part", first["metrics"]["roc_auc"], "", floor, better="higher"),
        Figure("ONNX against scikit-learn, largest difference", parity * 1e6, "1e-6", PARITY * 1e6),
    ]
    return report("The demo", figures, as_json=arguments.json)


def demo(folder: Path, data: Path | None) -> tuple[dict[str, Any], float]:
    """One demo: its JSON and its wall time in seconds. Raises CalledProcessError when it fails."""
    command = [sys.executable, "-m", "mlops", "demo", "--to", "dev", "--json"]
    command += ["--data", str(data.resolve())] if data else []
    start = time.perf_counter()
    done = subprocess.run(command, cwd=folder, check=True, stdout=subprocess.PIPE)
    return json.loads(done.stdout), time.perf_counter() - start


def onnx_difference(folder: Path) -> float:
    """The largest difference between ONNX and scikit-learn that the package records, as a probability."""
    evaluations = sorted(folder.glob(".mlops/**/evaluation.json"))
    if not evaluations:
        raise SystemExit("The demo left no evaluation.json below .mlops.")
    return float(json.loads(evaluations[-1].read_text())["onnx_parity"]["maximum_difference"])


if __name__ == "__main__":
    sys.exit(main())
