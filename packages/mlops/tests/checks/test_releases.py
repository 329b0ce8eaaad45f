"""Mistakes in the files of releases/: each is told with its line, before anything is promoted by it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from mlops.checks.stages import check_releases, check_sample_request
from mlops.settings.project import load_project

ROOT = Path(__file__).parents[4]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The releases as they ship, and the stages that they are about."""
    shutil.copy(ROOT / "project.yml", tmp_path)
    shutil.copytree(ROOT / "releases", tmp_path / "releases")
    shutil.copy(ROOT / "schema.yml", tmp_path)
    return tmp_path


def test_as_shipped_they_are_right(project: Path) -> None:
    assert list(check_releases(load_project(project))) == []


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        ("staging.yml", "soak_seconds: 5", "soak_seconds: -5", "rollout.soak_seconds"),
        ("prod.yml", "release: null", "release: 5", "release"),
        ("dev.yml", "slo:", "sol:", "sol"),
        ("gates.yml", "- measure: roc_auc", "- mesure: roc_auc", "mesure"),
        ("monitor.yml", "- measure:", "- mesure:", "mesure"),
        ("retraining.yml", "max_cause_age_days:", "case_days:", "case_days"),
        ("retirement.yml", "prod:", "production:", "production"),
        ("provenance.yml", "statement: required", "statement: perhaps", "statement"),
        ("protection.yml", "azure_devops:", "azure:", "azure"),
        ("gates.yml", "latency_calls: 500", "latency_calls: [", "expected"),
    ],
)
def test_a_mistake_is_told_with_its_line(project: Path, name: str, old: str, new: str, said: str) -> None:
    # given
    file = project / "releases" / name
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), encoding="utf-8")

    # when
    problems = list(check_releases(load_project(project)))

    # then
    assert {problem.file for problem in problems} == {f"releases/{name}"}
    assert any(said in problem.message for problem in problems), problems
    assert all(problem.line >= 1 and problem.advice for problem in problems)


def test_a_file_that_is_gone_is_told_and_a_project_without_releases_is_not_judged(project: Path) -> None:
    (project / "releases" / "gates.yml").unlink()
    (problem,) = check_releases(load_project(project))
    assert "gates.yml does not exist" in problem.message

    shutil.rmtree(project / "releases")
    assert list(check_releases(load_project(project))) == []


def test_a_mistake_in_the_columns_is_reported_with_its_line(project: Path) -> None:
    schema = project / "schema.yml"
    written = schema.read_text()
    # The line of the column's entry, which its name begins.
    line = written[: written.rindex("  - name:", 0, written.index("    type: integer"))].count("\n") + 1
    schema.write_text(written.replace("    type: integer", "    type: colour", 1))

    problems = set(check_releases(load_project(project)))

    assert {(problem.file, problem.line) for problem in problems} == {("schema.yml", line)}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"AGE": ', '"AGE": -', "row 0, AGE must be at least"),
        ('"AGE": ', '"YEARS": ', "row 0, AGE"),
        ("input_data", "rows", "the body has no `input_data`"),
        ('"AGE": ', '"AGE": "old", "AGE": ', "'AGE' is given twice"),
    ],
    ids=["limit", "name", "shape", "twice"],
)
def test_a_sample_request_that_the_endpoint_would_refuse_is_told(project: Path, old: str, new: str, said: str) -> None:
    file = project / "endpoints" / "online" / "sample-request.json"
    file.parent.mkdir(parents=True)
    text = (ROOT / "endpoints" / "online" / "sample-request.json").read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), encoding="utf-8")

    problems = list(check_sample_request(load_project(project)))

    assert any(said in problem.message for problem in problems), problems
    assert {problem.file for problem in problems} == {"endpoints/online/sample-request.json"}


def test_the_shipped_sample_request_is_right_and_without_one_nothing_is_said(project: Path) -> None:
    assert list(check_sample_request(load_project(ROOT))) == []
    assert list(check_sample_request(load_project(project))) == []
