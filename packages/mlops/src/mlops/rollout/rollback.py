"""`mlops rollback`: all traffic back to the other deployment, in one call.

Refused if that one does not answer: returning to a broken deployment would cause an outage.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from http import HTTPStatus
from typing import Any, Final

from azure.ai.ml import MLClient
from azure.ai.ml.exceptions import MlException
from azure.core.exceptions import AzureError

from mlops.audit.announcement import announce
from mlops.audit.log import AuditLog
from mlops.audit.record import BY_HAND, Event
from mlops.azure.errors import explain
from mlops.core.errors import MlopsError, RequestRefused, RolloutFailed, WorkspaceError
from mlops.core.git import Repository
from mlops.core.results import Block, Line, Result, Table
from mlops.endpoint.client import SYNTHETIC_HEADER, Reply, address_of, call
from mlops.endpoint.view import FULL, ROLLOUT_TAGS, TAG_OUTCOME, Deployment, View, observe_stage
from mlops.models.facts import Subject, find_subject
from mlops.models.registered import ModelVersion
from mlops.rollout.audit_writer import LEFT
from mlops.rollout.execute import write_change, write_default
from mlops.rollout.lease import LONGEST_TAG, Change
from mlops.settings.project import BATCH, Project, Stage
from mlops.settings.releases import manifest_file, read_manifest
from mlops.settings.stages import StageName

_SHORT: int = 12


def revert_advice(project: Project, stage: StageName, version: str) -> str:
    """How to reconcile git with a stage that does not run `version`; "" if git never released it."""
    file = manifest_file(project.root, stage)
    release = read_manifest(file).release
    if release is None or release.model.version != version:
        return ""
    path = file.relative_to(project.root).as_posix()
    commit = Repository(project.root).last_change(path)
    revert = f"`git revert {commit[:_SHORT]}` (a pull request)" if commit else f"an earlier {path}"
    return f"git differs from the live deployment: {path} still names version {version}. Reconcile them: {revert}."


# Needs no model: a running scoring script refuses it, with a message of its own.
_EMPTY_REQUEST: Final = b"{}"


@dataclass(frozen=True)
class RollbackResult(Result):
    """Where traffic went, and how long it took."""

    stage: str
    endpoint: str
    deployment: str
    model_version: str
    digest: str
    traffic: dict[str, int]
    advice: str
    traffic_seconds: float
    subject: Subject
    unrecorded: str = ""

    @property
    def exit_code(self) -> int:
        """That of a workspace which refuses, if the audit log lacks the rollback; traffic moved all the same."""
        return WorkspaceError.exit_code if self.unrecorded else 0

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
            *self.subject.rows(),
        )
        blocks: list[Block] = [Table(f"stage {self.stage}", (), rows)]
        blocks.append(Line(f"traffic was back {self.traffic_seconds:.2f} s after the command started", "good"))
        if self.unrecorded:
            blocks.append(Line(f"not in the audit log: {self.unrecorded}", "bad"))
            later = f"Once the log can be written, `mlops deploy --stage {self.stage}` records it."
            blocks.append(Line(later, "hint"))
        return [*blocks, Line(self.advice, "bad")] if self.advice else blocks


def rollback(client: MLClient, project: Project, stage_name: StageName, reason: str = "") -> RollbackResult:
    """Return all traffic of a stage to its other deployment; this ends a running rollout.

    Raises RolloutFailed, with nothing changed, if there is no other deployment or it does not answer.
    """
    begun = time.monotonic()
    stage = project.settings.stage(stage_name)
    view = observe_stage(client, stage)
    back = _rollback_target(view, stage_name)
    why = reason or "requested with `mlops rollback`"
    if stage.serving == BATCH:
        # Nothing answers single requests; it scored the golden rows before it was the default.
        write_default(client, stage.main_endpoint, back.name, f"rolled back: {why}")
    else:
        _require_answer(client, stage.online_endpoint, view, back)
        write_change(client, stage.online_endpoint, _change(view, back, why))
    seconds = time.monotonic() - begun
    left = _source_deployment(view, back)
    unrecorded = _recorded(client, stage, _event(back, left, project, stage_name, why))
    return RollbackResult(
        stage=stage_name,
        endpoint=stage.main_endpoint,
        deployment=back.name,
        model_version=back.model_version,
        digest=back.digest,
        traffic={**dict.fromkeys(view.deployments, 0), back.name: FULL},
        advice=revert_advice(project, stage_name, left.model_version) if left else "",
        traffic_seconds=seconds,
        subject=find_subject(
            client, project, stage_name, ModelVersion(project.settings.model, back.model_version, back.digest)
        ),
        unrecorded=unrecorded,
    )


def _recorded(client: MLClient, stage: Stage, event: Event) -> str:
    """Record and publish the rollback; why that was not possible, "" if it was. Traffic has moved already."""
    try:
        announce(stage, AuditLog(client).append(event))
    except (AzureError, MlException, MlopsError) as error:
        explained = error if isinstance(error, MlopsError) else explain(error)
        return explained.message if explained else str(error)
    return ""


def _rollback_target(view: View, stage: StageName) -> Deployment:
    name = view.before
    if name is None:
        raise RolloutFailed(
            f"stage {stage} has no previously live deployment",
            f"Release an older version: `git revert`, then `mlops deploy --stage {stage}`.",
        )
    deployment = view.deployments[name]
    if not deployment.ready:
        raise RolloutFailed(
            f"{name} is {deployment.state or 'missing'}: traffic was not moved",
            f"Release an older version: `git revert`, then `mlops deploy --stage {stage}`.",
        )
    return deployment


def _require_answer(client: MLClient, endpoint: str, view: View, back: Deployment) -> None:
    address = address_of(client, endpoint, view.scoring_uri)
    try:
        reply = call(address, _EMPTY_REQUEST, back.name, {SYNTHETIC_HEADER: "rollback"})
    except RequestRefused as error:
        raise RolloutFailed(f"{back.name} does not answer: traffic was not moved", error.advice) from error
    if not _is_up(reply):
        raise RolloutFailed(
            f"{back.name} answers {reply.status}: it is not healthy, and traffic was not moved",
            "`mlops status` shows its state. Release an older version: `git revert`, then `mlops deploy`.",
        )


def _is_up(reply: Reply) -> bool:
    status = reply.status if reply.model_status is None else reply.model_status
    return status in {HTTPStatus.OK, HTTPStatus.BAD_REQUEST}


def _source_deployment(view: View, back: Deployment) -> Deployment | None:
    """The deployment that traffic is taken from."""
    progress = view.in_progress
    name = progress.to if progress else view.live
    return view.deployments.get(name) if name and name != back.name else None


def _change(view: View, back: Deployment, reason: str) -> Change:
    tags = {name: value for name, value in view.tags.items() if name not in ROLLOUT_TAGS}
    return Change({back.name: FULL}, {}, {**tags, TAG_OUTCOME: f"rolled back: {reason}"[:LONGEST_TAG]})


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
