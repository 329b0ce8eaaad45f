"""`mlops rollback` as a function: all traffic back to the other deployment, in one call.

Refuses when that one does not answer: going back to something broken would be the outage it is meant to end.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from http import HTTPStatus
from typing import Any, Final

from azure.ai.ml import MLClient

from mlops.audit.announcement import announce
from mlops.audit.log import AuditLog
from mlops.audit.record import Event
from mlops.core.errors import RequestRefused, RolloutFailed
from mlops.core.git import Repository
from mlops.core.results import Block, Line, Result, Table
from mlops.endpoint.client import SYNTHETIC_HEADER, Reply, address_of, call
from mlops.endpoint.view import FULL, ROLLOUT_TAGS, TAG_OUTCOME, Deployment, View, observe
from mlops.rollout.execute import write_change
from mlops.rollout.lease import LONGEST_TAG, Change
from mlops.settings.project import Project
from mlops.settings.releases import manifest_file, read_manifest
from mlops.settings.stages import StageName

_SHORT: int = 12


def revert_advice(project: Project, stage: StageName, version: str) -> str:
    """How to make git agree again, for a stage that does not run `version`; "" where git never said it should."""
    file = manifest_file(project.root, stage)
    release = read_manifest(file).release
    if release is None or release.model.version != version:
        return ""
    path = file.relative_to(project.root).as_posix()
    commit = Repository(project.root).last_change(path)
    revert = f"`git revert {commit[:_SHORT]}` (a pull request)" if commit else f"an earlier {path}"
    return f"git and live disagree: {path} still says version {version}. Make them agree: {revert}."


# Asks nothing of the model: a scoring script that is up refuses it, and says so itself.
_EMPTY_REQUEST: Final = b"{}"
# How a rollback by a person shows in the audit log: its step, and the evidence of what traffic was taken from.
BY_HAND: Final = "by hand"
LEFT: Final = "from"


@dataclass(frozen=True)
class RollbackResult(Result):
    """Where traffic went, and how long callers waited for it."""

    stage: str
    endpoint: str
    deployment: str
    model_version: str
    digest: str
    traffic: dict[str, int]
    advice: str
    traffic_seconds: float

    def document(self) -> dict[str, Any]:
        """Everything."""
        return asdict(self) | {"traffic_seconds": round(self.traffic_seconds, 3)}

    def blocks(self) -> Sequence[Block]:
        """What runs now, and what is left to do in git."""
        share = ", ".join(f"{name} {percent} %" for name, percent in sorted(self.traffic.items()))
        rows = (
            ("endpoint", self.endpoint),
            ("deployment", self.deployment),
            ("traffic", share),
            ("model version", self.model_version),
            ("digest", self.digest),
        )
        blocks: list[Block] = [Table(f"stage {self.stage}", (), rows)]
        blocks.append(Line(f"traffic is back since {self.traffic_seconds:.2f} s after the command began", "good"))
        return [*blocks, Line(self.advice, "bad")] if self.advice else blocks


def rollback(client: MLClient, project: Project, stage_name: StageName, reason: str = "") -> RollbackResult:
    """Return all traffic of a stage to its other deployment; a rollout that goes on is ended by it.

    Raises RolloutFailed, with nothing changed, when there is no other deployment or it does not answer.
    """
    begun = time.monotonic()
    endpoint = project.settings.stage(stage_name).endpoint
    view = observe(client, endpoint)
    back = _where_to(view, stage_name)
    _require_answer(client, endpoint, view, back)
    why = reason or "asked for by `mlops rollback`"
    write_change(client, endpoint, _change(view, back, why))
    seconds = time.monotonic() - begun
    left = _left(view, back)
    record = AuditLog(client).append(_event(back, left, project, stage_name, why))
    announce(project.settings.stage(stage_name), record)
    return RollbackResult(
        stage=stage_name,
        endpoint=endpoint,
        deployment=back.name,
        model_version=back.model_version,
        digest=back.digest,
        traffic={**dict.fromkeys(view.deployments, 0), back.name: FULL},
        advice=revert_advice(project, stage_name, left.model_version) if left else "",
        traffic_seconds=seconds,
    )


def _where_to(view: View, stage: StageName) -> Deployment:
    name = view.before
    if name is None:
        raise RolloutFailed(
            f"stage {stage} has no deployment that was live before the present one",
            f"Release an older version: `git revert`, then `mlops deploy --stage {stage}`.",
        )
    deployment = view.deployments[name]
    if not deployment.ready:
        raise RolloutFailed(
            f"{name} is {deployment.state or 'not there'}: traffic stays where it is",
            f"Release an older version: `git revert`, then `mlops deploy --stage {stage}`.",
        )
    return deployment


def _require_answer(client: MLClient, endpoint: str, view: View, back: Deployment) -> None:
    address = address_of(client, endpoint, view.scoring_uri)
    try:
        reply = call(address, _EMPTY_REQUEST, back.name, {SYNTHETIC_HEADER: "rollback"})
    except RequestRefused as error:
        raise RolloutFailed(f"{back.name} does not answer: traffic stays where it is", error.advice) from error
    if not _is_up(reply):
        raise RolloutFailed(
            f"{back.name} answers {reply.status}: it is not healthy, and traffic stays where it is",
            "`mlops status` shows its state. Release an older version: `git revert`, then `mlops deploy`.",
        )


def _is_up(reply: Reply) -> bool:
    status = reply.status if reply.model_status is None else reply.model_status
    return status in {HTTPStatus.OK, HTTPStatus.BAD_REQUEST}


def _left(view: View, back: Deployment) -> Deployment | None:
    """The deployment that traffic is taken from."""
    progress = view.in_progress
    name = progress.to if progress else view.live
    return view.deployments.get(name) if name and name != back.name else None


def _change(view: View, back: Deployment, reason: str) -> Change:
    tags = {name: value for name, value in view.tags.items() if name not in ROLLOUT_TAGS}
    return Change({back.name: FULL}, {}, {**tags, TAG_OUTCOME: f"went back: {reason}"[:LONGEST_TAG]})


def _event(back: Deployment, left: Deployment | None, project: Project, stage: StageName, reason: str) -> Event:
    return Event(
        kind="rollback",
        stage=stage,
        step=BY_HAND,
        model=project.settings.model,
        version=back.model_version,
        digest=back.digest,
        origin=left.name if left else None,
        target=back.name,
        verdict="none",
        reason=reason,
        traffic={back.name: FULL},
        evidence={LEFT: f"version {left.model_version}, {left.digest}"} if left else {},
    )
