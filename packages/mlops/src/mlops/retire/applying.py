"""Carries out a retirement plan: archives models first, then deletes deployments.

Each step is recorded in the audit log before it happens, so that none is lost if the command is killed; run again,
it continues with the rest, and records nothing twice. A deployment is deleted only while this command holds the
endpoint's lease, and after a second check.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from azure.ai.ml.entities import OnlineEndpoint
from azure.core.exceptions import HttpResponseError

from mlops.audit.log import AuditLog
from mlops.audit.record import Event
from mlops.azure.errors import service_message
from mlops.azure.sdk_output import suppress_output
from mlops.azure.workspace import WorkspaceClients
from mlops.cli.progress import say
from mlops.core.errors import WorkspaceError
from mlops.core.markdown import clean
from mlops.core.results import Block, Line, Result, Table
from mlops.endpoint.view import TAG_LEASE, TAG_OWNER, observe
from mlops.models.facts import TIME_FORMAT
from mlops.retire.plan import Item, make_plan
from mlops.rollout.execute import refusal, write_change
from mlops.rollout.lease import Change, held_by_another, lease_from, lease_in, new_owner, renewed
from mlops.settings.project import BATCH
from mlops.settings.stages import StageName

RETIREMENT: Final = "retirement"
_STEPS: Final = {"model": "archive", "deployment": "delete"}
_DOING: Final = {"model": "archiving", "deployment": "deleting"}
_SINCE: Final = "of no use since"


def apply_plan(clients: WorkspaceClients, stage: StageName, planned: Sequence[Item]) -> None:
    """Archive and delete as planned. Raises WorkspaceError if the service refuses, RolloutFailed if a rollout runs."""
    models = [each for each in planned if each.retire and each.kind == "model"]
    deployments = [each for each in planned if each.retire and each.kind == "deployment"]
    for each in models:
        _record_and_do(clients, stage, each, lambda each=each: _archive(clients, stage, each))
    if deployments:
        _delete_all(clients, stage, deployments)


def _archive(clients: WorkspaceClients, stage: StageName, item: Item) -> None:
    clients.models(stage).models.archive(name=clients.project.settings.model, version=item.version)


def _delete_all(clients: WorkspaceClients, stage: StageName, deployments: Sequence[Item]) -> None:
    client, settings = clients.stage(stage), clients.project.settings.stage(stage)
    if settings.serving == BATCH:
        # A batch endpoint is never between two deployments, and Azure refuses to delete the default one.
        _delete_needless(clients, stage, deployments)
        return
    endpoint, owner = settings.online_endpoint, new_owner()

    def refuse_another(found: OnlineEndpoint) -> None:
        other = held_by_another(found.tags or {}, owner, datetime.now(UTC))
        if other is not None:
            raise refusal(endpoint, other.owner, other.until)

    view = observe(client, endpoint)
    write_change(client, endpoint, renewed(view, lease_from(owner, datetime.now(UTC))), refuse_another)
    try:
        _delete_needless(clients, stage, deployments)
    finally:
        _release(clients, stage, owner)


def _delete_needless(clients: WorkspaceClients, stage: StageName, deployments: Sequence[Item]) -> None:
    """Delete those that did not come into use since the plan was made, as seen by a second one."""
    still = {each.name for each in make_plan(clients, stage) if each.retire and each.kind == "deployment"}
    for each in deployments:
        if each.name in still:
            _record_and_do(clients, stage, each, lambda each=each: _delete(clients, stage, each))
        else:
            say(f"keeping {each.name}: it is in use again")


def _delete(clients: WorkspaceClients, stage: StageName, item: Item) -> None:
    client, settings = clients.stage(stage), clients.project.settings.stage(stage)
    deployments = client.batch_deployments if settings.serving == BATCH else client.online_deployments
    with suppress_output():
        deployments.begin_delete(name=item.name, endpoint_name=settings.main_endpoint).result()


def _release(clients: WorkspaceClients, stage: StageName, owner: str) -> None:
    client, endpoint = clients.stage(stage), clients.project.settings.stage(stage).online_endpoint
    view = observe(client, endpoint)
    lease = lease_in(view.tags)
    if lease is not None and lease.owner == owner:
        tags = {name: value for name, value in view.tags.items() if name not in (TAG_OWNER, TAG_LEASE)}
        write_change(client, endpoint, Change(view.traffic, view.mirror, tags))


def _record_and_do(clients: WorkspaceClients, stage: StageName, item: Item, act: Callable[[], None]) -> None:
    """Record it, then do it; refusals by the service are also recorded."""
    log = AuditLog(clients.stage(stage))
    event = _event(clients, stage, item)
    log.append_once(event, lambda other: other == event)
    say(f"{_DOING[item.kind]} {item.kind} {item.name}: {item.reason}")
    try:
        act()
    except HttpResponseError as error:
        refused = service_message(error)
        log.append(event.model_copy(update={"verdict": "failed", "reason": refused}))
        raise WorkspaceError(
            f"{item.kind} {item.name} was not retired: {refused}",
            f"Everything before it is done. Run `mlops retire --stage {stage} --apply` again.",
        ) from error


def _event(clients: WorkspaceClients, stage: StageName, item: Item) -> Event:
    return Event(
        kind=RETIREMENT,
        stage=stage,
        step=_STEPS[item.kind],
        model=clients.project.settings.model,
        version=item.version,
        digest=item.digest,
        target=item.name if item.kind == "deployment" else None,
        reason=item.reason,
        evidence={_SINCE: item.since.isoformat()} if item.since else {},
    )


_COLUMNS: Final = ("", "what", "name", "model version", "why")
_DIGEST_CHARACTERS: Final = 19


@dataclass(frozen=True)
class RetireResult(Result):
    """A plan for a stage, and whether it was carried out."""

    stage: str
    model: str
    items: tuple[Item, ...]
    applied: bool

    @property
    def retired(self) -> tuple[Item, ...]:
        """The items that are, or were, retired."""
        return tuple(each for each in self.items if each.retire)

    @property
    def outputs(self) -> dict[str, str]:
        """Whether there is something to do, for a CI job that needs approval."""
        return {"retire": str(bool(self.retired) and not self.applied).lower()}

    def document(self) -> dict[str, Any]:
        """Everything."""
        return {
            "stage": self.stage,
            "model": self.model,
            "applied": self.applied,
            "items": [_document(each) for each in self.items],
        }

    def blocks(self) -> Sequence[Block]:
        """First what is retired, then what stays."""
        gone = "retired" if self.applied else "to retire"
        ordered = sorted(self.items, key=lambda each: not each.retire)
        rows = tuple(
            (
                gone if each.retire else "stays",
                each.kind,
                clean(each.name) if each.kind == "deployment" else each.digest[:_DIGEST_CHARACTERS],
                clean(each.version),
                clean(each.reason),
            )
            for each in ordered
        )
        blocks: list[Block] = [Table(f"stage {self.stage}, model {self.model}", _COLUMNS, rows)] if rows else []
        blocks += [
            Line(f"{each.kind} version {each.version}: {clean(each.origin)}") for each in self.retired if each.origin
        ]
        blocks.append(Line(f"as of {datetime.now(UTC).strftime(TIME_FORMAT)}"))
        if not self.retired:
            return [*blocks, Line("nothing to retire", "good")]
        if self.applied:
            return [*blocks, Line("models are archived, not deleted: `az ml model restore` restores one", "hint")]
        return [
            *blocks,
            Line("nothing was changed", "good"),
            Line(f"Next: `mlops retire --stage {self.stage} --apply`", "hint"),
        ]


def _document(item: Item) -> dict[str, Any]:
    return {
        "kind": item.kind,
        "name": item.name,
        "version": item.version,
        "digest": item.digest,
        "retire": item.retire,
        "reason": item.reason,
        "since": item.since.isoformat() if item.since else None,
        "origin": item.origin,
    }
