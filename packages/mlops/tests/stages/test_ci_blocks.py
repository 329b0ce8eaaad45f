"""The blocks of CI files that list stages, for projects of one to six stages."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from mlops.checks.stages import check_stages, fix_stages
from mlops.settings.project import load_project
from mlops.settings.stages import StageOrder
from mlops.stages.edits import find_blocks, written_files

ROOT = Path(__file__).parents[4]
ORDER = StageOrder(("dev", "staging", "prod"))
ORDERS = [
    StageOrder(("prod",)),
    StageOrder(("dev", "prod")),
    ORDER,
    StageOrder(("dev", "staging", "preprod", "prod")),
    StageOrder(("lab", "dev", "test", "uat", "preprod", "live")),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The CI files and project.yml of the template."""
    for name in (".github", ".azuredevops"):
        shutil.copytree(ROOT / name, tmp_path / name)
    for name in ("azure-pipelines.yml", "project.yml"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def write(folder: Path, order: StageOrder) -> None:
    for file, (_, text) in written_files(folder, order).items():
        (folder / file).write_text(text)


def document(file: Path) -> Any:
    return yaml.load(file.read_text(), Loader=yaml.BaseLoader)  # noqa: S506 - it makes nothing but text


def test_the_templates_files_follow_from_project_yml() -> None:
    blocks = list(find_blocks(ROOT, ORDER))

    assert [block for block in blocks if not block.is_current] == []
    assert len(blocks) > 20


@pytest.mark.parametrize("order", ORDERS, ids=str)
def test_written_for_any_stages_and_back_every_byte_is_as_it_was(folder: Path, order: StageOrder) -> None:
    before = {path: path.read_bytes() for path in folder.rglob("*.yml")}

    write(folder, order)
    assert written_files(folder, order) == {}
    write(folder, ORDER)

    assert {path: path.read_bytes() for path in folder.rglob("*.yml")} == before


@pytest.mark.parametrize("order", ORDERS, ids=str)
def test_each_stage_is_deployed_after_all_before_it_on_both_systems(folder: Path, order: StageOrder) -> None:
    write(folder, order)

    github = document(folder / ".github/workflows/deploy.yml")["jobs"]
    azure = document(folder / ".azuredevops/deploy.yml")["stages"][1:]
    assert list(github["plan"]["outputs"]) == list(order)
    assert list(github) == ["plan", *order]
    assert [each["parameters"]["stage"] for each in azure] == list(order)
    for at, stage in enumerate(order):
        needs = ["plan", *order.names[:at]]
        assert github[stage]["with"] == {"stage": stage}
        assert github[stage]["needs"] == (needs if at else "plan")
        assert f"needs.plan.outputs.{stage} == 'true'" in github[stage]["if"]
        assert azure[at]["parameters"]["dependsOn"] == needs
        assert f"'plan.plan.{stage}'" in azure[at]["parameters"]["condition"]


@pytest.mark.parametrize("order", ORDERS, ids=str)
def test_what_was_trained_is_proposed_for_the_next_stage_or_for_the_only_one(folder: Path, order: StageOrder) -> None:
    write(folder, order)

    jobs = document(folder / ".github/workflows/train.yml")["jobs"]
    stages = document(folder / ".azuredevops/train.yml")["stages"][1:]
    target = order.names[1] if len(order) > 1 else order.production
    assert jobs["submit"]["environment"] == jobs["register"]["environment"] == order.training
    assert jobs["promote"]["with"]["stage"] == stages[-1]["parameters"]["stage"] == target
    # A model that nobody has reviewed is deployed where it was trained, and never to production.
    assert ("deploy" in jobs) == (len(stages) == 2) == (len(order) > 1)
    assert jobs["promote"]["needs"] == ("deploy" if len(order) > 1 else "register")


@pytest.mark.parametrize("order", ORDERS, ids=str)
def test_people_choose_among_stages_that_take_models_and_schedules_take_production(
    folder: Path, order: StageOrder
) -> None:
    write(folder, order)

    for name in ("promote", "monitor"):
        stage = document(folder / f".github/workflows/{name}.yml")["on"]["workflow_dispatch"]["inputs"]["stage"]
        (parameter,) = document(folder / f".azuredevops/{name}.yml")["parameters"]
        assert stage["options"] == parameter["values"] == (list(order)[:0:-1] or list(order))
        assert stage["default"] == parameter["default"] == order.production
    assert f"inputs.stage || '{order.production}'" in (folder / ".github/workflows/monitor.yml").read_text()


@pytest.mark.parametrize("order", ORDERS, ids=str)
def test_every_stack_is_previewed_brought_up_and_compared(folder: Path, order: StageOrder) -> None:
    write(folder, order)
    stacks = ["shared", *order]

    infra = document(folder / ".github/workflows/infra.yml")["jobs"]
    assert list(infra["changes"]["outputs"]) == list(infra)[1:] == stacks
    for name, job in (("infra-preview", "preview"), ("infra-drift", "drift")):
        assert document(folder / f".github/workflows/{name}.yml")["jobs"][job]["strategy"]["matrix"]["stack"] == stacks
        assert f"split('{','.join(stacks)}', ',')" in (folder / f".azuredevops/{name}.yml").read_text()
    assert [each["parameters"]["stack"] for each in document(folder / ".azuredevops/infra.yml")["stages"][1:]] == stacks


def test_a_block_that_does_not_follow_is_told_with_its_line_and_put_right(folder: Path) -> None:
    # given a file in which somebody forgot the stage that project.yml has
    file = folder / ".github" / "workflows" / "infra-drift.yml"
    text = file.read_text()
    file.write_text(text.replace("stack: [shared, dev, staging, prod]", "stack: [shared, dev, prod]"))

    # when it is checked
    (problem,) = check_stages(load_project(folder))

    # then the command that is named mends it
    line = text.splitlines().index("        # begin stages: stack matrix (written by `mlops check --fix`)") + 1
    assert (problem.file, problem.line) == (".github/workflows/infra-drift.yml", line)
    assert problem.advice == "run: mlops check --fix"
    assert list(fix_stages(folder)) == [".github/workflows/infra-drift.yml: lists the stages of project.yml"]
    assert list(check_stages(load_project(folder))) == []
    assert file.read_text() == text


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (
            "# begin stages: stack matrix",
            "# begin stages: stack tensor",
            "`# begin stages: stack tensor` is an unknown",
        ),
        ("# end stages", "# the end", "has no `# end stages`"),
    ],
    ids=["unknown block", "no end"],
)
def test_a_block_that_nothing_writes_is_told(folder: Path, old: str, new: str, says: str) -> None:
    file = folder / ".github" / "workflows" / "infra-drift.yml"
    file.write_text(file.read_text().replace(old, new))

    (problem,) = check_stages(load_project(folder))

    assert says in problem.message
    assert list(fix_stages(folder)) == []


def test_one_ci_system_is_enough(folder: Path) -> None:
    shutil.rmtree(folder / ".azuredevops")
    (folder / "azure-pipelines.yml").unlink()

    assert list(check_stages(load_project(folder))) == []
