from __future__ import annotations

from pathlib import Path

import pytest

from mlops.core.errors import ProjectError
from mlops.settings.policies import RETIREMENT_FILE, read_deadlines
from mlops.settings.project import Project, load_project
from mlops.settings.stages import StageOrder

ORDER = StageOrder(("dev", "staging", "prod"))

ROOT = Path(__file__).parents[4]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project with the deadlines of this one, to be changed."""
    (tmp_path / "releases").mkdir()
    for name in ("project.yml", RETIREMENT_FILE):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    return load_project(tmp_path)


@pytest.mark.parametrize("stage", ORDER.names)
def test_this_projects_deadlines_can_be_read_and_keep_something(stage: str) -> None:
    deadlines = read_deadlines(load_project(ROOT))[stage]

    assert deadlines.keep_latest_models >= 1


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("keep_latest_models: 10 # kept", "keep_latest_models: 0 # kept", "stages.dev.keep_latest_models"),
        ("deployment_days: 1 ", "deployment_days: -1 ", "stages.dev.deployment_days"),
        ("model_days: 30", "model_day: 30", "stages.dev.model_day: unknown key"),
        ("model_days: 30", 'model_days: "30"', "stages.dev.model_days"),
    ],
    ids=["nothing stays", "before it began", "misspelt", "text"],
)
def test_wrong_deadline_is_told_with_its_line(project: Project, old: str, new: str, told: str) -> None:
    file = project.path(RETIREMENT_FILE)
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))

    with pytest.raises(ProjectError) as refused:
        read_deadlines(project)

    assert any(told in detail and "retirement.yml:" in detail for detail in refused.value.details)
