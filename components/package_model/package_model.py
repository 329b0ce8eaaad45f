"""Turn the evaluated model into a model package: one folder with everything that serving, gates and drift need.

A scikit-learn model is converted to ONNX; a graph that the train step exported, or an MLflow pyfunc model, is taken as
it is. Fails if what is packaged and the trained model disagree on any row that is compared. Does not register the
package: `mlops train` does.
"""

import argparse
import os
import platform
import shutil
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import mlflow.onnx
import numpy as np
import numpy.typing as npt
import onnx
import pandas as pd
from mlflow.models.signature import ModelSignature
from mlflow.types.schema import ColSpec, TensorSpec
from mlflow.types.schema import Schema as MlflowSchema
from onnx_graph import convert, largest_difference

from model_package.baseline import Baseline
from model_package.documents import read_json
from model_package.errors import ModelPackageError
from model_package.evaluation import ONNX, PYFUNC, Evaluation, Parity
from model_package.golden import SINGLE_ROWS, Golden
from model_package.package import MODEL_FILE, PYFUNC_FOLDER, REPORT_FILE, ModelPackage, read_evaluation, read_schema
from model_package.provenance import UNKNOWN, DataSource, Provenance, extended_lineage
from model_package.rows.encoding import INPUT, Tensors, input_names
from model_package.rows.split import TEST, TRAIN, VALIDATION, Part, read_part
from model_package.runtime import Scorer
from model_package.schema import MULTICLASS_CLASSIFICATION, Decision, Schema
from model_package.steps.onnx_model import expected_answers
from model_package.steps.pyfunc_model import pyfunc_digest
from model_package.steps.run import installed_software, job_name
from model_package.steps.sklearn_model import fitting_threads
from model_package.steps.tracking import record
from model_package.steps.trained_model import answer, load_model
from model_package.tasks import base_task, task_of

TOLERANCE = 1e-5
# What is packaged, in messages.
TITLES = {ONNX: "ONNX", PYFUNC: "The saved pyfunc model"}
SERVED_WITH = ("mlflow-skinny", "numpy", "onnx", "onnxruntime", "pandas")

EXAMPLE = (
    "example: python components/package_model/package_model.py --split-data out/split "
    "--trained-model out/model --evaluation out/evaluation --model-package out/package"
)

Doubles = npt.NDArray[np.float64]


def parity(expected: Doubles, found: Doubles, tolerance: float, scorer: Scorer) -> Parity:
    """Compare the trained model's with the packaged model's answers to the same rows.

    Raises ValueError if they differ by more than the tolerance, which is relative for numbers larger than 1.
    """
    difference = largest_difference(expected, found, scorer.schema)
    if not difference <= tolerance:
        raise ValueError(
            f"{TITLES[scorer.runtime]} and the trained model differ by up to {difference:.3g} on "
            f"{len(expected):,} rows, more than the tolerance {tolerance:g}; "
            "train a model that converts exactly, or set a larger tolerance"
        )
    return Parity(len(expected), difference, tolerance, scorer.runtime)


def proved_model(
    sources: argparse.Namespace, schema: Schema, test: Part
) -> tuple[onnx.ModelProto | None, Scorer, Parity]:
    """Return the graph, None of a pyfunc, the model open for scoring, and how well it agrees with the trained model.

    A scikit-learn model answers the test set itself. What the train step exported is compared with the answers
    which that step recorded for the validation part. Raises ValueError or ModelPackageError.
    """
    model = load_model(sources.trained_model, schema)
    if isinstance(model, Scorer):
        validation = read_part(sources.split_data, VALIDATION, schema)
        expected = expected_answers(sources.trained_model, len(validation.target))
        agreed = parity(expected, model.score(validation.rows), sources.tolerance, model)
        graph = None if model.runtime == PYFUNC else onnx.load(sources.trained_model / MODEL_FILE)
        return graph, model, agreed
    graph = convert(model, schema)
    scorer = Scorer(schema, graph.SerializeToString())
    with fitting_threads(len(test.target)):
        expected = answer(model, test.rows, schema)
    return graph, scorer, parity(expected, scorer.score(test.rows), sources.tolerance, scorer)


def signature(schema: Schema) -> ModelSignature:
    """Return what MLflow's pyfunc reads and answers, in its words.

    A column of the graph's matrix is a number; a timestamp is one column per part. With texts these are the graph's
    tensors: of a table, MLflow would look for their names among the columns.
    """
    answer = task_of(schema)
    width = len(schema.classes) if base_task(schema) == MULTICLASS_CLASSIFICATION else 1
    columns = [ColSpec("double", name) for name in schema.matrix_columns]
    shapes = {name: (-1, len(columns)) if name == INPUT else (-1, 1) for name in input_names(schema)}
    tensors = [
        TensorSpec(np.dtype(np.float32 if name == INPUT else str), shape, name) for name, shape in shapes.items()
    ]
    return ModelSignature(
        inputs=MlflowSchema([*tensors] if schema.texts else [*columns]),
        outputs=MlflowSchema([TensorSpec(np.dtype(np.float32), (-1, width), answer.output)]),
    )


def save_graph(graph: onnx.ModelProto, folder: Path, example: Tensors, schema: Schema) -> None:
    """Write the graph as an MLflow model with signature and input example."""
    columns = dict(zip(schema.matrix_columns, example.features.T, strict=True))
    matrix = [example.features] if columns else []
    tensors = dict(zip(input_names(schema), [*matrix, *(each.astype(str) for each in example.texts)], strict=True))
    requirements = [f"{name}=={version(name)}" for name in SERVED_WITH]
    mlflow.onnx.save_model(
        graph,
        folder,
        signature=signature(schema),
        input_example=tensors if schema.texts else pd.DataFrame(columns),
        # Stated, because otherwise MLflow would start a process and run the model to infer it.
        conda_env={
            "name": "model",
            "channels": ["conda-forge"],
            "dependencies": [f"python={platform.python_version()}", "pip", {"pip": requirements}],
        },
        onnx_execution_providers=["CPUExecutionProvider"],
        save_as_external_data=False,
    )


def build_package(
    sources: argparse.Namespace, scorer: Scorer, evaluation: Evaluation, train: Part, test: Part, found: Doubles
) -> ModelPackage:
    """Return every document of the package. `found` is the model's answer to the test set."""
    schema = scorer.schema
    digest = pyfunc_digest(sources.trained_model) if scorer.runtime == PYFUNC else ""
    return ModelPackage(
        schema=schema,
        baseline=Baseline.build(schema, train.rows, scorer.score(train.rows)),
        evaluation=evaluation,
        golden=Golden.build(schema, test.rows, found, sources.tolerance),
        provenance=provenance(sources, digest),
    )


def provenance(sources: argparse.Namespace, model_digest: str) -> Provenance:
    """Return where the package comes from, with the digest of a pyfunc: it is opened only while it has it."""
    return Provenance(
        git_commit=sources.git_commit,
        job=job_name(os.environ),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        data=DataSource(sources.data_name, sources.data_version, sources.data_sha256),
        components=extended_lineage(sources.evaluation, __file__),
        environment=installed_software(),
        model_digest=model_digest,
    )


def parser() -> argparse.ArgumentParser:
    """The command line."""
    words = argparse.ArgumentParser(description="Build the model package.", epilog=EXAMPLE)
    words.add_argument("--split-data", type=Path, required=True, help="folder written by prepare_data")
    words.add_argument("--trained-model", type=Path, required=True, help="folder written by train_model")
    words.add_argument("--evaluation", type=Path, required=True, help="folder written by evaluate_model")
    words.add_argument("--model-package", type=Path, required=True, help="folder to write; new or empty")
    words.add_argument("--tolerance", type=float, default=TOLERANCE, help="default: %(default)s")
    for name in ("data-name", "data-version", "data-sha256", "git-commit"):
        words.add_argument(f"--{name}", default=UNKNOWN, help="for provenance.json (default: %(default)s)")
    return words


def main() -> int:
    """Package the model; the exit code is 1 if it and the trained model disagree."""
    sources = parser().parse_args()
    schema = read_schema(sources.split_data)
    decision = read_json(sources.trained_model / "training.json").get("decision")
    if decision:
        schema = schema.with_decision(Decision(decision["threshold"], decision["chosen_by"]))
    train, test = (read_part(sources.split_data, part, schema) for part in (TRAIN, TEST))
    try:
        graph, scorer, agreed = proved_model(sources, schema, test)
        found = scorer.score(test.rows)
    except (ValueError, ModelPackageError) as error:
        print(f"the package is refused: {error}", file=sys.stderr)
        return 1
    evaluation = read_evaluation(sources.evaluation).with_parity(agreed)
    package = build_package(sources, scorer, evaluation, train, test, found)
    if graph is None:
        shutil.copytree(sources.trained_model / PYFUNC_FOLDER, sources.model_package / PYFUNC_FOLDER)
    else:
        save_graph(graph, sources.model_package, test.rows[:SINGLE_ROWS], schema)
    package.write(sources.model_package)
    shutil.copyfile(sources.evaluation / REPORT_FILE, sources.model_package / REPORT_FILE)
    record({"tolerance": sources.tolerance}, {f"{scorer.runtime}_maximum_difference": agreed.maximum_difference})
    title = TITLES[scorer.runtime]
    print(f"{title} agrees with the trained model within {agreed.maximum_difference:.2g} on {agreed.rows:,} rows")
    return 0


if __name__ == "__main__":
    sys.exit(main())
