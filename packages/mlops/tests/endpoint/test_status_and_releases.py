"""`mlops status` beside the releases of the checkout: what a stage runs, and what git here releases to it."""

from pathlib import Path

import pytest

from mlops.core.layout import DEMO_REPOSITORY, demo_hint
from mlops.core.results import Line
from mlops.endpoint.stage_status import StageStatus, StatusResult, difference
from mlops.endpoint.view import READY, Deployment, View
from mlops.settings.project import Project, load_project
from mlops.settings.releases import Release, write_release

ROOT = Path(__file__).parents[4]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    folder = tmp_path / "releases"
    folder.mkdir()
    (folder / "prod.yml").write_text((ROOT / "releases/prod.yml").read_text())
    return Project(root=tmp_path, settings=load_project(ROOT).settings)


def running(version: str) -> View:
    blue = Deployment("blue", version, "sha256:" + version * 64, READY)
    return View({"blue": blue}, {"blue": 100})


def release(version: str) -> Release:
    model = {"name": "credit-default", "version": version, "digest": "sha256:" + version * 64}
    data = {"name": "credit-default", "version": "1", "sha256": "b" * 64}
    source = {"stage": "staging", "job": "polite_fox_1", "git_commit": "1f" * 20, "data": data}
    return Release.model_validate({"model": model, "source": source})


def test_a_stage_that_runs_what_this_checkout_does_not_release_says_so(project: Project) -> None:
    without = difference(project, "prod", running("1"))
    write_release(project.root / "releases/prod.yml", release("2"))

    assert without == "runs version 1, and this checkout releases no model to it"
    assert difference(project, "prod", running("1")) == "runs version 1, and this checkout releases version 2"
    assert difference(project, "prod", running("2")) == ""
    # The first stage has no release.
    assert difference(project, "dev", running("1")) == ""


def test_the_repository_of_a_demo_is_named_where_something_differs(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project.root)
    assert demo_hint(project.root) == ""
    (project.root / DEMO_REPOSITORY).mkdir(parents=True)
    hint = demo_hint(project.root)
    status = StageStatus("prod", "credit-default-prod", running("1"), differs="runs version 1")

    said = [each.text for each in StatusResult((status,), hint).blocks() if isinstance(each, Line)]

    assert "prod: runs version 1" in said
    assert "`mlops --project .mlops/demo/repository COMMAND`" in said[-1]
    settled = StatusResult((StageStatus("prod", "credit-default-prod", running("1")),), hint)
    assert not any("COMMAND" in each.text for each in settled.blocks() if isinstance(each, Line))
