"""Steady requests to a stage's endpoint while CI works; failures are counted."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Final

from process_variables import variables_set

from mlops.azure.workspace import connect
from mlops.core.layout import SAMPLE_REQUEST
from mlops.demo.traffic import Callers
from mlops.endpoint.client import address_of
from mlops.endpoint.view import live_model
from mlops.settings.project import Project
from mlops.settings.stages import StageName

REQUESTS_PER_SECOND: Final = 50.0


@contextmanager
def traffic(project: Project, name: StageName, cloud: Mapping[str, str]) -> Generator[Callers]:
    """Send requests to a stage's endpoint at a steady rate."""
    with variables_set(cloud):
        stage = project.settings.stage(name)
        client = connect(stage)
        live = live_model(client, stage)
        assert live is not None
        address = address_of(client, stage.online_endpoint, live.scoring_uri)
        body = project.required_file(SAMPLE_REQUEST).read_bytes()
        with Callers(address, [body], REQUESTS_PER_SECOND) as callers:
            yield callers
