"""Two models in one repository: a change of one starts the workflows of that one alone, for its own project."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest

from mlops.githost.hosts import model_workflows
from workflow_replay.events import Event, PullRequest, Push
from workflow_replay.result import Run

from .conftest import ROOT, Harness

MODEL = PurePosixPath("models/price")
FILES = ("releases/monitor.yml", "releases/retraining.yml", "releases/prod.yml", "components/a.py")


@pytest.fixture
def two(harness: Harness, tmp_path: Path) -> Harness:
    """A git host with the workflows of both, as `mlops check --fix` writes those of the second one."""
    top = tmp_path / "top"
    (top / MODEL / "releases").mkdir(parents=True)
    for name in FILES[:2]:
        (top / MODEL / name).write_text("")
    (top / ".github").symlink_to(ROOT / ".github")
    workflows = {str(path): text for path, text in model_workflows(top, MODEL).items()}
    harness.origin.commit(workflows | {f"{MODEL}/{name}": "1\n" for name in FILES})
    return harness


def pushed(two: Harness, file: str) -> Push:
    before = two.origin.tip("main")
    two.origin.commit({file: "2\n"})
    return Push("refs/heads/main", before)


def started(two: Harness, event: Event, *workflows: str) -> list[str]:
    """Those of the workflows that the event starts, each of which must succeed."""
    return [name for name in workflows if _ran(two.replay("github", name, event)).triggered]


def _ran(run: Run) -> Run:
    assert not run.triggered or run.conclusion == "success", [each.message for each in run.annotations()]
    return run


ANSWERS = {
    "--submit": {"outputs": {"job": "job-1"}},
    "--job": {"outputs": {"version": "7"}},
    "provenance": {"folders": ["provenance"]},
    "mlops plan": {"outputs": {"dev": "false", "staging": "false", "prod": "true", "releases": "true"}},
}


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("components/a.py", ["train"]),
        ("models/price/components/a.py", ["price-train"]),
        ("releases/prod.yml", ["deploy"]),
        ("models/price/releases/prod.yml", ["price-deploy"]),
        ("models/price/data/price.yml", ["price-train"]),
        ("docs/page.md", []),
    ],
)
def test_a_change_of_one_model_neither_trains_nor_deploys_the_other(
    two: Harness, file: str, expected: list[str]
) -> None:
    two.answer(ANSWERS)

    assert started(two, pushed(two, file), "train", "price-train", "deploy", "price-deploy") == expected


@pytest.mark.parametrize(("workflow", "project"), [("train", None), ("price-train", "models/price")])
def test_every_command_of_a_workflow_is_for_its_own_model(two: Harness, workflow: str, project: str | None) -> None:
    two.answer(ANSWERS)
    folder = f"{project}/" if project else ""

    assert started(two, pushed(two, f"{folder}components/a.py"), workflow) == [workflow]

    calls = [call for call in two.calls() if "mlops" in call.words]
    assert [call.words[3] for call in calls] == ["train", "train", "provenance", "deploy", "promote"]
    assert {call.variables.get("MLOPS_PROJECT") for call in calls} == {project}


def test_each_model_has_a_required_check_and_tests_of_its_own(two: Harness) -> None:
    two.answer(ANSWERS)
    two.origin.commit({"models/price/releases/prod.yml": "2\n"}, branch="change")
    two.origin.switch("main")
    request = PullRequest("change", "main")

    judged = _ran(two.replay("github", "price-gate", request))
    calls = [call for call in two.calls() if "gate" in call.words]
    tested = _ran(two.replay("github", "price-ci", request))

    assert "price-gate" in {job.id for job in judged.jobs}
    assert {call.variables.get("MLOPS_PROJECT") for call in calls} == {"models/price"}
    assert tested.triggered
    assert ("uv", "run", "--directory", "models/price", "pytest") in {call.words for call in two.calls()}
