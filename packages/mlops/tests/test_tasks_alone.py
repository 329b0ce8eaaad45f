"""Outside the tasks nothing names an output or a metric of one: an identifier, or a text that is nothing else."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from model_package.tasks import TASKS

ROOT = Path(__file__).parents[3]
PACKAGES = ROOT / "packages"
# The tasks themselves, and the modules that compute their metrics.
OF_THE_TASKS = ("model_package/tasks/", "model_package/statistics/")
# Words that mean something else too: a subgroup's label, a file's prediction.
COMMON = {"label", "prediction", "precision", "recall", "bias", "accuracy"}
# File, and the words in it. May only shrink.
ALLOWED = {
    # The key of schema.json under which the threshold lies, and who reads it.
    "packages/model-package/src/model_package/schema.py": {"decision"},
}


def words() -> set[str]:
    found = {"positive_rate"}
    for task in TASKS.values():
        found |= {task.output, task.represented_as, task.decision_key, task.change.name, task.main_metric}
        found |= {each.name for each in (*task.metrics, *task.slice_metrics)}
        found |= {each.rate for each in task.slice_metrics}
    return found - COMMON - {""}


def named(tree: ast.AST) -> Iterator[str]:
    """Every identifier of a module, and every text."""
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name) | ast.Constant(value=str(name)):
                yield name
            case ast.FunctionDef(name=name) | ast.keyword(arg=str(name)) | ast.alias(name=name):
                yield name


def test_outside_the_tasks_nothing_names_an_output_or_a_metric() -> None:
    forbidden, found = words(), {}
    assert {"probability", "decision", "roc_auc", "log_loss", "r2", "selection_rate"} <= forbidden
    for file in [*PACKAGES.glob("mlops/src/**/*.py"), *PACKAGES.glob("model-package/src/**/*.py")]:
        name = file.relative_to(ROOT).as_posix()
        if not any(part in name for part in OF_THE_TASKS):
            here = forbidden.intersection(named(ast.parse(file.read_text(encoding="utf-8"))))
            if here - ALLOWED.get(name, set()):
                found[name] = here

    assert found == {}


def test_what_is_allowed_is_there() -> None:
    for name, allowed in ALLOWED.items():
        assert allowed <= set(named(ast.parse((ROOT / name).read_text(encoding="utf-8")))), name
