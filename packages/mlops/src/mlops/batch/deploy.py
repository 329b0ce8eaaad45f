"""`mlops deploy --batch` as a function: the model that a stage is to run, behind the stage's batch endpoint.

There is no traffic to move: callers get the endpoint's default deployment, which is set last. A deployment of an
earlier model stays, and costs nothing.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from azure.ai.ml import MLClient
from azure.core.exceptions import ResourceNotFoundError

from mlops.azure.sdk_output import suppress_output
from mlops.batch.deployment_files import (
    CONFIGURATION_TAG,
    ReleasedModel,
    configuration_of,
    deployment_name,
    endpoint_name,
    load_deployment,
    load_endpoint,
)
from mlops.cli.progress import say
from mlops.core.results import Block, Line, Result, Table
from mlops.rollout.release import find_target
from mlops.settings.project import Project
from mlops.settings.stages import StageName

_SUCCEEDED = "Succeeded"


@dataclass(frozen=True)
class BatchDeployResult(Result):
    """What a stage's batch endpoint runs now, and what was done for it."""

    stage: str
    endpoint: str
    deployment: str
    model: ReleasedModel
    actions: tuple[str, ...]
    seconds: float

    def document(self) -> dict[str, Any]:
        """Everything."""
        return asdict(self) | {"actions": list(self.actions), "seconds": round(self.seconds, 3)}

    def blocks(self) -> Sequence[Block]:
        """The endpoint and its model."""
        rows = (
            ("batch endpoint", self.endpoint),
            ("deployment", self.deployment),
            ("model", f"{self.model.name} version {self.model.version}"),
            ("digest", self.model.digest),
        )
        done = f"done in {self.seconds:.1f} s" if self.actions else "nothing to do: it is deployed already"
        return [
            Table(f"stage {self.stage}", (), rows),
            Line(done, "good"),
            Line(f"Next: `mlops score --stage {self.stage} --batch FOLDER --output FOLDER`", "hint"),
        ]


def deploy_batch(
    client: MLClient, project: Project, stage_name: StageName, version: str | None = None
) -> BatchDeployResult:
    """Bring what a stage is to run behind its batch endpoint, and make it what callers get.

    Every step is left out that is done already, so that an interrupted run goes on when it is run again.
    """
    begun = time.monotonic()
    stage = project.settings.stage(stage_name)
    endpoint = endpoint_name(stage, stage_name)
    target, _ = find_target(client, project, stage_name, version)
    model = ReleasedModel(target.plan.model, target.plan.version, target.plan.digest, target.model)
    actions = []
    with suppress_output():
        if _ensure_endpoint(client, project, endpoint):
            actions.append(f"made the endpoint {endpoint}")
        name = deployment_name(model)
        if not _is_deployed(client, endpoint, name, configuration_of(project, model)):
            wanted = load_deployment(project, stage, endpoint, model)
            client.batch_deployments.begin_create_or_update(wanted).result()
            actions.append(f"deployed {name}")
        if _make_default(client, endpoint, name):
            actions.append(f"made {name} the default")
    for action in actions:
        say(action)
    return BatchDeployResult(stage_name, endpoint, name, model, tuple(actions), time.monotonic() - begun)


def _ensure_endpoint(client: MLClient, project: Project, name: str) -> bool:
    try:
        client.batch_endpoints.get(name)
    except ResourceNotFoundError:
        client.batch_endpoints.begin_create_or_update(load_endpoint(project, name)).result()
        return True
    return False


def _is_deployed(client: MLClient, endpoint: str, name: str, configuration: str) -> bool:
    try:
        found = client.batch_deployments.get(name, endpoint)
    except ResourceNotFoundError:
        return False
    data_description = (found.tags or {}).get(CONFIGURATION_TAG)
    return found.provisioning_state == _SUCCEEDED and data_description == configuration


def _make_default(client: MLClient, endpoint: str, name: str) -> bool:
    found = client.batch_endpoints.get(endpoint)
    if getattr(found.defaults, "deployment_name", None) == name:
        return False
    found.defaults = {"deployment_name": name}
    client.batch_endpoints.begin_create_or_update(found).result()
    return True
