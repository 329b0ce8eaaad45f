"""A quick run of the project's own training steps on a table, and what a model reaches that knows only the target.

Gates and monitoring get their bounds from it. The steps run as in pipelines/train.yml, with its inputs, each as a
process of this Python, and with at most so many rows that it takes seconds.
"""

from __future__ import annotations

import io
import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import polars as pl

from mlops.cli.progress import say
from mlops.core.documents import read_yaml
from mlops.core.environments import python_of
from mlops.core.errors import InputError
from mlops.core.layout import PIPELINE_FILE
from model_package.evaluation import Evaluation
from model_package.package import read_evaluation, read_schema
from model_package.schema import Schema

# The step that writes evaluation.json, its output, and the input with the split.
_EVALUATION_STEP: Final = "evaluate_model"
_EVALUATION: Final = "evaluation"
_SPLIT: Final = "split_data"
_SCHEMA: Final = "schema"
_DATA: Final = "data"
_CELLS: Final = 400_000
_MINIMUM_ROWS: Final = 2_000
_SEED: Final = 7
_REFERENCE: Final = re.compile(r"\$\{\{(?P<path>[\w.]+)\}\}")
_OPTIONAL: Final = re.compile(r"\$\[\[(?P<part>.*?)\]\]")
_ERROR_LINES: Final = 12
# A run that a baseline would otherwise be recorded in.
_TRACKING: Final = ("MLFLOW_", "AZUREML_")


@dataclass(frozen=True)
class Baseline:
    """What the project's model and a trivial one reach on the same held-out rows.

    `trivial` maps metrics to values; the trivial model gives every row the class shares, or the mean. `test_rows` and
    `train_rows` are those of the whole table, of which `rows` were used.
    """

    rows: int
    test_rows: int
    train_rows: int
    found: Evaluation
    trivial: Mapping[str, float]
    schema: Schema
    seconds: float


def quick_baseline(root: Path, schema_text: str, csv: str) -> Baseline:
    """Run the steps up to the evaluation on a table, given as schema.yml and CSV. Raises InputError."""
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mlops-init-") as place:
        folder = Path(place)
        (folder / "schema.yml").write_text(schema_text, encoding="utf-8")
        table = pl.read_csv(io.BytesIO(csv.encode()), infer_schema=False, truncate_ragged_lines=False)
        total = table.height
        most = max(_MINIMUM_ROWS, _CELLS // max(1, table.width))
        if total > most:
            kept = pl.Series(range(total)).sample(most, seed=_SEED).sort()
            table = table[kept]
        table.write_csv(folder / "data.csv")
        say(f"baseline: the training steps run on {table.height:,} of {total:,} rows")
        inputs = {_DATA: str(folder / "data.csv"), _SCHEMA: str(folder / "schema.yml")}
        outputs = _run(root, folder, inputs)
        evaluation, split = (Path(outputs[name]) for name in (_EVALUATION, _SPLIT))
        found, schema = read_evaluation(evaluation), read_schema(split)
        trivial, train_rows = _trivial(split, schema)
    scale = total / table.height
    return Baseline(
        rows=table.height,
        test_rows=round(found.rows * scale),
        train_rows=round(train_rows * scale),
        found=found,
        trivial=trivial,
        schema=schema,
        seconds=time.monotonic() - begun,
    )


@dataclass(frozen=True)
class StepCommand:
    """A step of pipelines/train.yml as a command: the folder of its code, and the values of its inputs and outputs.

    `environment` is the file of its environment, if that is the project's.
    """

    name: str
    words: list[str]
    code: Path
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]
    environment: Path


def step_commands(root: Path, folder: Path, given: Mapping[str, str]) -> Iterator[StepCommand]:
    """Yield the steps in the order of the file, with the pipeline's inputs, some of them `given`.

    Outputs are below `folder`, by step and name.
    """
    file = root / PIPELINE_FILE
    pipeline = read_yaml(file).value
    known = {f"parent.inputs.{name}": _value(each) for name, each in pipeline.get("inputs", {}).items()}
    known |= {f"parent.inputs.{name}": value for name, value in given.items()}
    for name, job in pipeline["jobs"].items():
        component = (file.parent / job["component"]).resolve()
        definition = read_yaml(component).value
        inputs = {key: _resolved(each, known) for key, each in job.get("inputs", {}).items()}
        outputs = {output: str(folder / name / output) for output in definition["outputs"]}
        known |= {f"parent.jobs.{name}.outputs.{output}": place for output, place in outputs.items()}
        words, environment = _command(definition, inputs, outputs), Path(str(definition.get("environment", "")))
        yield StepCommand(name, words, component.parent, inputs, outputs, environment)


def _run(root: Path, folder: Path, given: Mapping[str, str]) -> dict[str, str]:
    """Run the steps; return where the evaluation and the split are."""
    for step in step_commands(root, folder, given):
        _run_step(root, step, folder)
        if step.name == _EVALUATION_STEP:
            return {_EVALUATION: step.outputs[_EVALUATION], _SPLIT: step.inputs[_SPLIT]}
    raise InputError(
        f"{PIPELINE_FILE} has no step {_EVALUATION_STEP}, whose evaluation the bounds of gates follow from",
        "Restore it, or run `mlops init` with --keep-rules and write releases/gates.yml and monitor.yml yourself.",
    )


def _value(entry: Any) -> str:
    """The default of a pipeline's input: a literal, or the path of an asset."""
    return str(entry.get("path", "")) if isinstance(entry, dict) else str(entry)


def _resolved(entry: Any, known: Mapping[str, str]) -> str:
    return _REFERENCE.sub(lambda match: known.get(match["path"], ""), _value(entry))


def _command(definition: dict[str, Any], values: Mapping[str, str], outputs: Mapping[str, str]) -> list[str]:
    """The component's command with its inputs and outputs filled in."""
    known = {}
    for name, entry in definition["inputs"].items():
        value = values.get(name) or entry.get("default")
        if value is not None:
            known[f"inputs.{name}"] = str(value)
    known |= {f"outputs.{name}": place for name, place in outputs.items()}

    def part(match: re.Match[str]) -> str:
        names = _REFERENCE.findall(match["part"])
        return match["part"] if all(name in known for name in names) else ""

    words = shlex.split(_OPTIONAL.sub(part, definition["command"]))
    return [_REFERENCE.sub(lambda match: known.get(match["path"], ""), word) for word in words]


def _run_step(root: Path, step: StepCommand, folder: Path) -> None:
    say(f"baseline: {step.name}")
    interpreter = python_of(root, step.environment)
    environment = dict(_environment())
    # Another environment has no model_package; the copy that travels with the step is beside it.
    places = [step.code] if interpreter == Path(sys.executable) else [step.code, step.code.parent]
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, (*map(str, places), environment.get("PYTHONPATH", ""))))
    python = [str(interpreter), str(step.code / step.words[1]), *step.words[2:]]
    done = subprocess.run(python, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if not done.returncode:
        return
    errors = done.stderr.splitlines()[-_ERROR_LINES:]
    if errors and "ModuleNotFoundError" in errors[-1]:
        advice = "Run it as `uv run mlops init`: the steps need the packages of the whole project."
    else:
        advice = "Correct the table, or the step; `--keep-rules` leaves gates.yml and monitor.yml as they are."
    raise InputError(f"the step {step.name} failed on this table; nothing was written", advice, tuple(errors))


def _environment() -> Iterator[tuple[str, str]]:
    return ((key, value) for key, value in os.environ.items() if not key.startswith(_TRACKING))


def _trivial(split: Path, schema: Schema) -> tuple[dict[str, float], int]:
    """What a model reaches on the test part that knows the training part's target only, and the rows of the latter."""
    from model_package.rows.split import TEST, TRAIN, encode_target, part_file
    from model_package.schema import Decision
    from model_package.statistics.bootstrap import point_values
    from model_package.steps.featureless import featureless_answer
    from model_package.tasks import task_of

    parts = (pl.read_parquet(part_file(split, part), columns=[schema.target]) for part in (TRAIN, TEST))
    train, test = (encode_target(part, schema) for part in parts)
    if not schema.classes and task_of(schema).decides():
        # Every row is then decided alike.
        schema = schema.with_decision(Decision(float(train.mean()) / 2, "half the share of the class"))
    answer = featureless_answer(schema, train, len(test))
    return point_values(task_of(schema).prepare(test, answer, 1)), len(train)
