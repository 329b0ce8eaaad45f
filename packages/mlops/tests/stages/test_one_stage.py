"""A project with one stage: it trains, and is production as well, so that nothing runs there unreviewed."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest
from azure.ai.ml import MLClient

from mlops.azure.workspace import WorkspaceClients
from mlops.core.errors import InputError
from mlops.endpoint.view import View
from mlops.promotion.branch import Base
from mlops.promotion.readiness import not_yet, require_source
from mlops.promotion.stage_state import PromotionState, StageState
from mlops.rollout.release import model_to_run
from mlops.settings.project import Project, load_project
from mlops.settings.releases import Release, manifest_file, read_manifest, write_release
from mlops.stages.yaml_text import remove_entries

ROOT = Path(__file__).parents[4]
DIGEST = "sha256:" + "a" * 64
# Whoever asks it anything fails.
NO_WORKSPACE = cast("MLClient", None)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """The template with the stage dev alone, to which version 3 is released."""
    text = (ROOT / "project.yml").read_text()
    (tmp_path / "project.yml").write_text(remove_entries(text, [("stages", "staging"), ("stages", "prod")]))
    (tmp_path / "releases").mkdir()
    manifest = manifest_file(tmp_path, "dev")
    manifest.write_bytes(manifest_file(ROOT, "dev").read_bytes())
    data: dict[str, Any] = {"name": "credit-default", "version": "1", "sha256": "b" * 64}
    source = {"stage": "dev", "job": "polite_fox_1", "git_commit": "1f" * 20, "data": data}
    model = {"name": "credit-default", "version": "3", "digest": DIGEST}
    write_release(manifest, Release.model_validate({"model": model, "source": source}))
    return load_project(tmp_path)


def test_it_runs_what_was_reviewed_not_what_was_trained_last(project: Project) -> None:
    manifest = read_manifest(manifest_file(project.root, "dev"))

    model, reference, _ = model_to_run(NO_WORKSPACE, project, "dev", None, manifest)

    assert (model.version, model.digest) == ("3", DIGEST)
    assert reference == "azureml:credit-default:3"


def test_a_model_is_proposed_for_it_without_waiting_for_a_stage_before(project: Project) -> None:
    require_source(project.order, "dev")
    dev = StageState("dev", project.settings.stage("dev"), None, View(exists=False))
    alone = PromotionState(Base("1f" * 20, "main", None), dev, dev)
    assert not_yet(WorkspaceClients(project), alone, datetime.now(UTC)) is None


def test_of_several_stages_the_first_has_none_to_wait_for() -> None:
    with pytest.raises(InputError, match="dev has no stage before it to wait for"):
        require_source(load_project(ROOT).order, "dev")
