"""Asks all stages what a plan needs to know: what runs where, what was released when, which versions there are."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from azure.ai.ml import MLClient
from azure.ai.ml.constants import ListViewType
from azure.ai.ml.entities import Model
from azure.core.exceptions import ResourceNotFoundError

from mlops.audit.log import AuditLog
from mlops.audit.record import Record
from mlops.azure.clients import WorkspaceClients
from mlops.core.errors import WorkspaceError
from mlops.endpoint.observe import observe
from mlops.endpoint.view import View
from mlops.models.registration import DIGEST_TAG
from mlops.retire.plan import Item, Uses, Version, last_uses, plan_deployments, plan_models
from mlops.settings.releases import manifest_file, read_manifest
from mlops.settings.retirement import read_deadlines
from mlops.settings.stages import StageName


def make_plan(clients: WorkspaceClients, stage: StageName) -> list[Item]:
    """What becomes of a stage's deployments and of the models that it takes.

    Every stage is asked, whichever is meant: what one of them runs must stay. Raises WorkspaceError when a log cannot
    be trusted, ProjectError when a release cannot be read, and whatever a workspace that cannot be asked raises.
    """
    now = datetime.now(UTC)
    order = clients.project.order
    deadlines = read_deadlines(clients.project)[stage]
    named = {name: _released(clients, name) for name in order}
    views = {name: observe(clients.stage(name), clients.project.settings.stage(name).endpoint) for name in order}
    records = [record for name in order for record in _records(clients, name)]
    versions, deployments = last_uses(records, stage)
    uses = Uses({digest: why for each in named.values() for digest, why in each.items()}, _deployed(views))
    return [
        *plan_models(_versions(clients, stage), uses, versions, deadlines, now),
        *plan_deployments(views[stage], named[stage], deployments, deadlines, now),
    ]


def _released(clients: WorkspaceClients, stage: StageName) -> dict[str, str]:
    release = read_manifest(manifest_file(clients.project.root, stage)).release
    return {release.model.digest: f"released to {stage}"} if release else {}


def _deployed(views: dict[StageName, View]) -> dict[str, str]:
    return {
        each.digest: f"deployed in {stage} as {each.name}"
        for stage, view in views.items()
        for each in view.deployments.values()
    }


def _records(clients: WorkspaceClients, stage: StageName) -> tuple[Record, ...]:
    records, breaks = AuditLog(clients.stage(stage)).read()
    if breaks:
        raise WorkspaceError(
            f"the audit log of {stage} cannot be trusted: record {breaks[0].number} {breaks[0].reason}",
            "Nothing is taken out of service then: `mlops history` shows where it breaks.",
        )
    return records


def _versions(clients: WorkspaceClients, stage: StageName) -> list[Version]:
    """The versions in service where a stage takes its models from; archived ones are none."""
    name = clients.project.settings.model
    # A registry keeps what was trained under the same version, but not always its tags.
    trained = _listed(clients.training, name, ListViewType.ALL) if stage != clients.project.order.training else []
    digests = {str(each.version): (each.tags or {}).get(DIGEST_TAG, "") for each in trained}
    return [
        Version(
            str(each.version), (each.tags or {}).get(DIGEST_TAG) or digests.get(str(each.version), ""), _created(each)
        )
        for each in _listed(clients.models(stage), name, ListViewType.ACTIVE_ONLY)
    ]


def _listed(client: MLClient, name: str, which: ListViewType) -> list[Model]:
    try:
        return list(client.models.list(name=name, list_view_type=which))
    except ResourceNotFoundError:
        return []


def _digest(model: Model) -> str:
    return (model.tags or {}).get(DIGEST_TAG, "")


def _created(model: Model) -> datetime | None:
    created: Any = getattr(model.creation_context, "created_at", None)
    if isinstance(created, str):
        created = datetime.fromisoformat(created)
    if not isinstance(created, datetime):
        return None
    return created if created.tzinfo else created.replace(tzinfo=UTC)
