"""The clients of a project's workspaces, as far as they can be had without a workspace."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlops.azure.workspace import WorkspaceClients
from mlops.core.errors import InputError
from mlops.settings.project import load_project

ROOT = Path(__file__).parents[4]


def test_a_stage_that_is_gone_or_never_was_is_told_before_azure_is_asked() -> None:
    # given an event of a stage that project.yml does not list
    clients = WorkspaceClients(load_project(ROOT))

    with pytest.raises(InputError, match=r"there is no stage 'preprod' \(did you mean 'prod'\?\)"):
        clients.stage("preprod")
