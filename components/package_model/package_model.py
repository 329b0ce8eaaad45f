"""Turn the evaluated model into a model package: one folder with all that serving, gates and drift need.

Fails when ONNX and scikit-learn disagree on any row of the test part. Registers nothing: whoever runs the
pipeline does.
"""

import argparse
import hashlib
import os
import platform
import shutil
import sys
from datetime import UTC, datetime
from importlib.metadata import distributions, version
from pathlib import Path
from typing import Any

import mlflow.onnx
import numpy as np
import numpy.typing as npt
import onnx
import pandas as pd
from baseline import build_baseline
from mlflow.models.signature import ModelSignature
from mlflow.types.schema import ColSpec, TensorSpec
from mlflow.types.schema import Schema as MlflowSchema
from onnx_graph import OUTPUT, convert, largest_difference, score

from shared.columns import SCHEMA
from shared.documents import read_json, write_json
from shared.lineage import extended_lineage
from shared.model_file import load_model
from shared.parts import TEST, TRAIN, Part, read_part
from shared.schema import Schema
from shared.threads import fitting_threads
from shared.tracking import record

TOLERANCE = 1e-5
GOLDEN_SINGLES = 5
GOLDEN_BATCH = 100
# Azure ML sets both in a step of a pipeline: the whole job's name, and this step's.
JOB_VARIABLES = ("AZUREML_ROOT_RUN_ID", "AZUREML_RUN_ID")
SERVED_WITH = ("mlflow-skinny", "numpy", "onnx", "onnxruntime", "pandas")
UNKNOWN = "unknown"

EXAMPLE = (
    "example: python components/package_model/package_model.py --split-data out/split "
    "--trained-model out/model --evaluation out/evaluation --model-package out/package"
)

Floats = npt.NDArray[np.float32]


def parity(expected: npt.NDArray[np.float64], found: Floats, tolerance: float) -> dict[str, Any]:
    """Compare scikit-learn's with ONNX's probabilities [rows]: {rows, maximum_difference, tolerance}.

    Raises ValueError when they differ by more than the tolerance.
    """
    difference = largest_difference(expected, found)
    if not difference <= tolerance:
        raise ValueError(
            f"ONNX and scikit-learn differ by up to {difference:.3g} on {len(expected):,} test rows, "
            f"more than the tolerance {tolerance:g}; look at onnx_graph.py, or state a larger tolerance"
        )
    return {"rows": len(expected), "maximum_difference": difference, "tolerance": tolerance}


def golden_cases(features: Floats, probability: Floats, threshold: float, schema: Schema) -> list[dict[str, Any]]:
    """Give requests with their answers: some single rows spread over the scores, and one batch."""
    order = np.argsort(probability, kind="stable")
    singles = order[np.linspace(0, len(order) - 1, GOLDEN_SINGLES).astype(int)]
    chosen = [np.array([at]) for at in singles] + [np.arange(min(GOLDEN_BATCH, len(features)))]
    return [
        {
            "request": {"input_data": [_row(features[at], schema) for at in rows]},
            "probability": [float(value) for value in probability[rows]],
            "decision": [int(value >= threshold) for value in probability[rows]],
        }
        for rows in chosen
    ]


def _row(values: Floats, schema: Schema) -> dict[str, int | float]:
    pairs = zip(schema.features, values, strict=True)
    return {item.name: int(value) if item.type == "integer" else float(value) for item, value in pairs}


def environment() -> dict[str, Any]:
    """Describe what this step runs in: every package with its version, and one hash over them."""
    found = {item.metadata["Name"].lower(): item.version for item in distributions()}
    packages = dict(sorted(found.items()))
    lines = "".join(f"{name}=={number}\n" for name, number in packages.items())
    digest = hashlib.sha256(lines.encode()).hexdigest()
    return {"python": platform.python_version(), "lock_sha256": digest, "packages": packages}


def job_name() -> str:
    """Give the Azure ML job that this step belongs to, or "unknown" outside of one."""
    return next((os.environ[name] for name in JOB_VARIABLES if os.environ.get(name)), UNKNOWN)


def save_graph(graph: onnx.ModelProto, folder: Path, example: Floats, schema: Schema) -> None:
    """Write the graph as an MLflow model with signature and input example [rows, features]."""
    signature = ModelSignature(
        inputs=MlflowSchema([ColSpec("double", name) for name in schema.names]),
        outputs=MlflowSchema([TensorSpec(np.dtype(np.float32), (-1, 1), OUTPUT)]),
    )
    requirements = [f"{name}=={version(name)}" for name in SERVED_WITH]
    mlflow.onnx.save_model(
        graph,
        folder,
        signature=signature,
        input_example=pd.DataFrame(dict(zip(schema.names, example.T, strict=True))),
        # Stated, because MLflow would otherwise start a process and run the model to guess it.
        conda_env={
            "name": "model",
            "channels": ["conda-forge"],
            "dependencies": [f"python={platform.python_version()}", "pip", {"pip": requirements}],
        },
        onnx_execution_providers=["CPUExecutionProvider"],
        save_as_external_data=False,
    )


def build_package(
    graph: onnx.ModelProto,
    sources: argparse.Namespace,
    train: Part,
    test: Part,
    found: Floats,
    agreed: dict[str, Any],
) -> None:
    """Write every file of the package. `found` are the graph's probabilities of the test part [rows]."""
    folder: Path = sources.model_package
    decision = read_json(sources.trained_model / "training.json")["decision"]
    save_graph(graph, folder, test.features[:GOLDEN_SINGLES], SCHEMA)
    write_json(folder / "schema.json", SCHEMA.as_document(**decision))
    write_json(folder / "baseline.json", build_baseline(train.features, score(graph, train.features), SCHEMA))
    evaluation = read_json(sources.evaluation / "evaluation.json") | {"onnx_parity": agreed}
    write_json(folder / "evaluation.json", evaluation)
    shutil.copyfile(sources.evaluation / "report.html", folder / "report.html")
    cases = golden_cases(test.features, found, decision["threshold"], SCHEMA)
    write_json(folder / "golden.json", {"tolerance": sources.tolerance, "cases": cases})
    write_json(folder / "provenance.json", provenance(sources))


def provenance(sources: argparse.Namespace) -> dict[str, Any]:
    """Say where the package comes from."""
    return {
        "git_commit": sources.git_commit,
        "data": {"name": sources.data_name, "version": sources.data_version, "sha256": sources.data_sha256},
        "job": job_name(),
        "components": extended_lineage(sources.evaluation, __file__),
        "environment": environment(),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def main() -> int:
    """Package the model; the exit code is 1 when ONNX and scikit-learn disagree."""
    parser = argparse.ArgumentParser(description="Build the model package.", epilog=EXAMPLE)
    parser.add_argument("--split-data", type=Path, required=True, help="folder written by prepare_data")
    parser.add_argument("--trained-model", type=Path, required=True, help="folder written by train_model")
    parser.add_argument("--evaluation", type=Path, required=True, help="folder written by evaluate_model")
    parser.add_argument("--model-package", type=Path, required=True, help="folder to write; new or empty")
    parser.add_argument("--tolerance", type=float, default=TOLERANCE, help="default: %(default)s")
    for name in ("data-name", "data-version", "data-sha256", "git-commit"):
        parser.add_argument(f"--{name}", default=UNKNOWN, help="for provenance.json (default: %(default)s)")
    sources = parser.parse_args()

    train, test = (read_part(sources.split_data, part, SCHEMA) for part in (TRAIN, TEST))
    model = load_model(sources.trained_model)
    graph = convert(model, len(SCHEMA.names))
    found = score(graph, test.features)
    try:
        with fitting_threads(len(test.target)):
            expected = model.predict_proba(test.features)[:, 1]
        agreed = parity(expected, found, sources.tolerance)
    except ValueError as error:
        print(f"the package is refused: {error}", file=sys.stderr)
        return 1
    build_package(graph, sources, train, test, found, agreed)
    record({"tolerance": sources.tolerance}, {"onnx_maximum_difference": agreed["maximum_difference"]})
    print(f"ONNX agrees with scikit-learn within {agreed['maximum_difference']:.2g} on {agreed['rows']:,} rows")
    return 0


if __name__ == "__main__":
    sys.exit(main())
