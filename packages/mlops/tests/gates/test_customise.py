"""Every example of docs/customise.md, taken from the page and run in a copy of the project."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from project_copy import copy_project, git
from sklearn.metrics import brier_score_loss

from mlops.checks import check_project, fix_project
from mlops.core.layout import EXTENSION_FOLDER
from mlops.settings.gates import GATES_FILE, catalogue_of
from mlops.settings.monitoring import MONITOR_FILE, read_monitor_rules, section_of
from mlops.settings.project import load_project, read_project_schema
from model_package.errors import ModelError
from model_package.package import write_schema
from model_package.schema import Decision, Feature, Schema
from model_package.schema_file import read_schema_file
from model_package.statistics.bootstrap import Bootstrap, estimates
from model_package.tasks import extensions, known_tasks, task_of, use_extensions
from model_package.tasks.extensions import call

ROOT = Path(__file__).parents[4]
PAGE = (ROOT / "docs" / "customise.md").read_text(encoding="utf-8")
LEFT_OUT = ("packages/", "docs/", "benchmarks/", "tests/", "examples/")
NAMED = re.compile(r"# ([\w./]+\.(?:py|yml))(?:: (.*))?\n")


def blocks(section: str, kind: str) -> list[str]:
    """The code blocks of one kind in a section of the page."""
    text = re.split(r"^## ", PAGE.split(f"\n## {section}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]
    return re.findall(rf"^```{kind}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def files(section: str, kind: str) -> list[tuple[str, str]]:
    """The blocks that name a file in their first line: the file, and the text below that line."""
    found = [(NAMED.match(block), block) for block in blocks(section, kind)]
    return [(match[1], block[match.end() :]) for match, block in found if match]


def changed(folder: Path) -> set[str]:
    listing = git(folder, "status", "--porcelain", "--untracked-files=all").splitlines()
    return {line[3:] for line in listing if "model_package/" not in line}


def write(folder: Path, name: str, text: str) -> None:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def append(folder: Path, name: str, text: str) -> None:
    write(folder, name, (folder / name).read_text() + text)


def patch(folder: Path, block: str) -> str:
    """Make the change that a diff shows; its lines must be in the file exactly once. Returns the file."""
    head, _, body = block.partition("\n@@\n")
    name = head.rpartition("+++ b/")[2]
    lines = body.splitlines()
    before = "".join(f"{line[1:]}\n" for line in lines if not line.startswith("+"))
    after = "".join(f"{line[1:]}\n" for line in lines if not line.startswith("-"))
    text = (folder / name).read_text()
    assert text.count(before) == 1, f"{name} does not have the lines that the page shows"
    write(folder, name, text.replace(before, after))
    return name


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_project(tmp_path_factory.mktemp("fork"), without=LEFT_OUT)


@pytest.fixture
def fork(copy: Path) -> Iterator[Path]:
    """A copy of the project as it is; extensions of a test are gone after it."""
    yield copy
    use_extensions(copy / "no-extensions")
    git(copy, "checkout", "-qf", "main")
    git(copy, "reset", "-q", "--hard")
    git(copy, "clean", "-fdq")


def problems(fork: Path) -> list[str]:
    return [f"{each.file}: {each.message}" for each in check_project(fork)]


def extended(fork: Path, section: str) -> Path:
    """A fork with the section's files in extensions/ and its rules at the end of the files of rules."""
    for name, text in files(section, "python"):
        write(fork, name, text)
    for name, text in files(section, "yaml"):
        append(fork, name, text)
    use_extensions(fork / EXTENSION_FOLDER)
    return fork


def test_a_metric_with_a_gate_costs_two_files_none_of_them_in_a_package(fork: Path) -> None:
    extended(fork, "A metric")
    assert changed(fork) == {"extensions/metrics.py", "releases/gates.yml"}
    assert any("lacks this file" in each for each in problems(fork))

    fix_project(fork)

    # then nothing else is to be done, and it ships with the steps, not with the endpoints
    assert problems(fork) == []
    assert changed(fork) == {"extensions/metrics.py", "releases/gates.yml"}
    assert (fork / "components/model_package/extensions/metrics.py").is_file()
    assert not (fork / "endpoints/online/model_package/extensions").exists()


def test_the_metric_is_in_evaluations_with_its_interval(fork: Path) -> None:
    extended(fork, "A metric")
    task = task_of(Schema("", "y", (Feature("x"),), decision=Decision(0.5)))
    random = np.random.default_rng(1)
    answer = random.random(2_000)
    target = (random.random(2_000) < answer).astype(np.float64)

    found = estimates(task.prepare(target, answer), Bootstrap(200, 7))

    cost = found["cost_per_row"]
    expected = np.where(answer >= 0.2, target == 0, 5.0 * (target == 1)).mean()
    assert cost.value == pytest.approx(expected)
    assert cost.low is not None
    assert cost.high is not None
    assert cost.low < expected < cost.high
    assert found["brier"].value == pytest.approx(brier_score_loss(target, answer))
    assert "cost_per_row" not in known_tasks()["regression"].monitored()


EXTRA = {"name": "extra", "type": "number", "minimum": None, "maximum": None, "categories": None}


@pytest.mark.parametrize(
    ("section", "title", "worse"),
    [
        pytest.param("A metric", "Cost per row", {"bias": -9.0}, id="metric"),
        pytest.param("A gate", "Features", {"weights": (0.05, -1.2, 0.0, 0.0)}, id="gate"),
    ],
)
def test_a_rule_of_the_page_blocks_a_worse_model_only(
    fork: Path, world: Any, recipe: Any, gates_text: str, section: str, title: str, worse: dict[str, Any]
) -> None:
    extended(fork, section)
    ((_, rule),) = files(section, "yaml")
    world = replace(world, held_out=world.held_out.with_columns(extra=pl.lit(0.0)))
    if "weights" in worse:
        worse |= {"features": [*recipe().features, EXTRA]}
    proposal = world.proposal()
    challenger = world.candidate("worse", recipe(**worse))

    good = world.run(proposal, gates_text + rule)
    bad = world.run(replace(proposal, challenger=challenger), gates_text + rule)

    assert [each.outcome for each in good.rows if each.title == title] == ["pass"]
    assert [each.outcome for each in bad.rows if each.title == title] == ["fail"]
    assert bad.document()["extensions"] == extensions().digest


def test_the_monitoring_measure_can_be_ruled_and_mended(fork: Path) -> None:
    project = load_project(extended(fork, "A monitoring measure"))
    rules = read_monitor_rules(project.path(MONITOR_FILE), project.order, read_project_schema(fork))
    (own,) = extensions().monitor

    assert rules.rules[-1].measure == own.name
    assert section_of(own.name) == "drift"
    assert call("measures.py", own.name, own.function, pl.DataFrame({"probability": [0.0, 0.5, 0.995, 0.6]})) == 0.5


def test_the_task_is_known_everywhere_and_refuses_what_it_says(fork: Path) -> None:
    for name, text in files("A task", "python"):
        write(fork, name, text)
    use_extensions(fork / EXTENSION_FOLDER)
    lines = dict(files("A task", "yaml"))["schema.yml"]
    write(fork, "counts.yml", f"format: 1\ntarget: y\nfeatures: [{{name: x, type: number}}]\n{lines}")
    schema = read_schema_file(fork / "counts.yml")
    task = task_of(schema)

    assert task.checked_answer([[2.0], [0.0]], 2).tolist() == [2.0, 0.0]
    with pytest.raises(ModelError, match="a count must not be below 0"):
        task.checked_answer([[-1.0]], 1)
    assert "r2" in catalogue_of(type(task)).kinds
    assert Schema.parse(schema.as_document(), "schema.json") == schema
    # Endpoints get it too.
    fix_project(fork)
    for name in ("components", "endpoints/online", "endpoints/batch"):
        assert (fork / name / "model_package/extensions/tasks.py").is_file()


@pytest.mark.parametrize("number", [0, 1], ids=["group", "time"])
def test_the_splits_of_the_page_are_read(tmp_path: Path, number: int) -> None:
    _, lines = files("A split", "yaml")[number]
    write(tmp_path, "schema.yml", f"format: 1\ntarget: y\nfeatures: [{{name: x, type: number}}]\n{lines}")

    schema = read_schema_file(tmp_path / "schema.yml")

    assert (schema.group, schema.time, schema.gap) == [("customer", "", 0.0), ("", "signed_on", 30.0)][number]


def test_the_step_runs_and_fits_into_the_pipeline(fork: Path, tmp_path: Path) -> None:
    for kind in ("python", "yaml"):
        for name, text in files("A step", kind):
            write(fork, name, text)
    for block in blocks("A step", "diff"):
        patch(fork, block)
    fix_project(fork)
    assert problems(fork) == []

    write_schema(tmp_path, Schema("", "y", (Feature("x"),)))
    pl.DataFrame({"x": [1, 1, 2], "y": [0, 0, 1]}).write_parquet(tmp_path / "rows.parquet")
    step = fork / "components/drop_duplicates/drop_duplicates.py"
    subprocess.run([sys.executable, step, tmp_path, tmp_path / "out"], check=True)

    assert pl.read_parquet(tmp_path / "out/*.parquet")["x"].to_list() == [1, 2]


def test_the_server_answers_with_the_field_of_the_page(fork: Path, world: Any) -> None:
    (block,) = blocks("A server", "diff")
    scorer = fork / patch(fork, block)
    package = world.proposal().challenger.folder
    code = (
        "import sys, scorer, pathlib\n"
        "server = scorer.Scorer(pathlib.Path(sys.argv[1]))\n"
        "print(server.answer(sys.stdin.buffer.read()).body.decode())"
    )
    request = json.dumps({"input_data": [{"age": 40, "income": 1.0, "kind": 1}]})

    done = subprocess.run(
        [sys.executable, "-c", code, package],
        cwd=scorer.parent,
        input=request,
        capture_output=True,
        text=True,
        check=False,
    )

    assert json.loads(done.stdout)["unit"] == "late", done.stderr
    assert problems(fork) == []


def test_the_stage_is_added(fork: Path) -> None:
    (block,) = blocks("A stage", "sh")
    words = block.split()
    assert words[:3] == ["uv", "run", "mlops"]

    done = subprocess.run(
        [sys.executable, "-m", "mlops", *words[3:]], cwd=fork, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    assert load_project(fork).order.names == ("dev", "staging", "preprod", "prod")
    assert problems(fork) == []


def test_the_resource_is_the_example_that_the_tests_of_infra_run() -> None:
    ((_, example),) = files("An Azure resource", "python")
    source = (ROOT / "infra" / "extra.py").read_text(encoding="utf-8")

    assert textwrap.indent(example, " " * 8) in source


@pytest.mark.parametrize("number", [0, 1], ids=["github", "azure"])
def test_a_ci_step_of_ones_own_is_merged_with_what_upstream_changes_beside_it(fork: Path, number: int) -> None:
    # given an upstream that changes the lines before and after the block
    block = blocks("A CI step", "diff")[number]
    name = block.partition("+++ b/")[2].partition("\n")[0]
    lines = (fork / name).read_text().splitlines(keepends=True)
    begin = next(at for at, line in enumerate(lines) if "own steps: begin" in line)
    git(fork, "checkout", "-qb", "upstream")
    lines[begin - 1], lines[begin + 2] = lines[begin - 1] + "# newer\n", "# newer\n" + lines[begin + 2]
    write(fork, name, "".join(lines))
    git(fork, "commit", "-qam", "A newer template")
    git(fork, "checkout", "-q", "main")
    before = git(fork, "rev-parse", "HEAD").strip()
    patch(fork, block)
    git(fork, "commit", "-qam", "A step of our own")

    try:
        git(fork, "merge", "-q", "--no-edit", "upstream")
        merged = (fork / name).read_text()
    finally:
        git(fork, "reset", "-q", "--hard", before)
        git(fork, "branch", "-qD", "upstream")

    assert merged.count("# newer") == 2
    assert "licences.py" in merged


def test_a_rule_whose_metric_is_gone_names_the_file_of_rules(fork: Path) -> None:
    append(fork, GATES_FILE.as_posix(), dict(files("A metric", "yaml"))[GATES_FILE.as_posix()])

    (found,) = problems(fork)

    assert found.startswith("releases/gates.yml: ")
    assert "unknown measure 'cost_per_row'" in found
