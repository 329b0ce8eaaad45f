"""Takes the planned things out of service: models are archived first, then deployments deleted.

Each is noted in the audit log before it happens, so that nothing goes unseen when the command is killed; run again,
it goes on with what is left, and notes nothing twice. A deployment goes only while this command holds the endpoint,
and after a second look at it.
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
from mlops.retire.plan import Item, make_plan
from mlops.rollout.execute import refusal, write_change
from mlops.rollout.lease import Change, held_by_another, lease_from, lease_in, new_owner, renewed
from mlops.settings.stages import StageName

RETIREMENT: Final = "retirement"
_STEPS: Final = {"model": "archive", "deployment": "delete"}
_SINCE: Final = "of no use since"


def apply_plan(clients: WorkspaceClients, stage: StageName, planned: Sequence[Item]) -> None:
    """Archive and delete what is to go. Raises WorkspaceError when the service refuses, RolloutFailed when held."""
    models = [each for each in planned if each.retire and each.kind == "model"]
    deployments = [each for each in planned if each.retire and each.kind == "deployment"]
    for each in models:
        _take(clients, stage, each, lambda each=each: _archive(clients, stage, each))
    if deployments:
        _delete_all(clients, stage, deployments)


def _archive(clients: WorkspaceClients, stage: StageName, item: Item) -> None:
    clients.models(stage).models.archive(name=clients.project.settings.model, version=item.version)


def _delete_all(clients: WorkspaceClients, stage: StageName, deployments: Sequence[Item]) -> None:
    client, endpoint = clients.stage(stage), clients.project.settings.stage(stage).endpoint
    owner = new_owner()

    def refuse_another(found: OnlineEndpoint) -> None:
        other = held_by_another(found.tags or {}, owner, datetime.now(UTC))
        if other is not None:
            raise refusal(endpoint, other.owner, other.until)

    view = observe(client, endpoint)
    write_change(client, endpoint, renewed(view, lease_from(owner, datetime.now(UTC))), refuse_another)
    try:
        # What was live or begun between the plan and our hold is needed again.
        still = {each.name for each in make_plan(clients, stage) if each.retire and each.kind == "deployment"}
        for each in deployments:
            if each.name in still:
                _take(clients, stage, each, lambda each=each: _delete(clients, stage, each))
            else:
                say(f"{each.name} stays: it is needed again")
    finally:
        _release(clients, stage, owner)


def _delete(clients: WorkspaceClients, stage: StageName, item: Item) -> None:
    endpoint = clients.project.settings.stage(stage).endpoint
    with suppress_output():
        clients.stage(stage).online_deployments.begin_delete(name=item.name, endpoint_name=endpoint).result()


def _release(clients: WorkspaceClients, stage: StageName, owner: str) -> None:
    client, endpoint = clients.stage(stage), clients.project.settings.stage(stage).endpoint
    view = observe(client, endpoint)
    lease = lease_in(view.tags)
    if lease is not None and lease.owner == owner:
        tags = {name: value for name, value in view.tags.items() if name not in (TAG_OWNER, TAG_LEASE)}
        write_change(client, endpoint, Change(view.traffic, view.mirror, tags))


def _take(clients: WorkspaceClients, stage: StageName, item: Item, act: Callable[[], None]) -> None:
    """Note it, then do it; what the service refuses is noted as well."""
    log = AuditLog(clients.stage(stage))
    event = _event(clients, stage, item)
    log.append_once(event, lambda other: other == event)
    say(f"{event.step} {item.kind} {item.name}: {item.reason}")
    try:
        act()
    except HttpResponseError as error:
        refused = service_message(error)
        log.append(event.model_copy(update={"verdict": "failed", "reason": refused}))
        raise WorkspaceError(
            f"{item.kind} {item.name} was not taken out of service: {refused}",
            f"Whatever went before it is done. Run `mlops retire --stage {stage} --apply` again.",
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
    items: tuple[Item, ...]
    applied: bool

    @property
    def retired(self) -> tuple[Item, ...]:
        """What goes, or went."""
        return tuple(each for each in self.items if each.retire)

    @property
    def outputs(self) -> dict[str, str]:
        """Whether there is something to do, for a CI job that asks people first."""
        return {"retire": str(bool(self.retired) and not self.applied).lower()}

    def document(self) -> dict[str, Any]:
        """Everything."""
        return {"stage": self.stage, "applied": self.applied, "items": [_document(each) for each in self.items]}

    def blocks(self) -> Sequence[Block]:
        """What goes first, then what stays."""
        gone = "retired" if self.applied else "to go"
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
        blocks: list[Block] = [Table(f"stage {self.stage}", _COLUMNS, rows)] if rows else []
        if not self.retired:
            return [*blocks, Line("nothing is to be taken out of service", "good")]
        if self.applied:
            return [*blocks, Line("models are archived, not deleted: `az ml model restore` brings one back", "hint")]
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
    }
