"""`mlops deploy`: finds a stage's release, rolls it out, and reports what the stage runs now."""

from __future__ import annotations

import contextlib
import io
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from azure.ai.ml import MLClient

from mlops.core.errors import WorkspaceError
from mlops.core.results import Block, Line, Result, Table
from mlops.core.waiting import stop_signals
from mlops.endpoint.view import observe
from mlops.models.registered import ModelVersion
from mlops.rollout.audit_writer import AuditWriter
from mlops.rollout.release import find_target
from mlops.rollout.run import Rollout
from mlops.settings.project import Project
from mlops.settings.stages import StageName


@dataclass(frozen=True)
class DeployResult(Result):
    """What a stage's endpoint runs now, and the actions taken."""

    stage: str
    endpoint: str
    scoring_uri: str
    deployment: str
    traffic: dict[str, int]
    model: ModelVersion
    actions: tuple[str, ...]
    skipped_phases: tuple[str, ...]
    seconds: float
    unrecorded: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """That of a workspace which refuses, if the audit log lacks a step."""
        return WorkspaceError.exit_code if self.unrecorded else 0

    def document(self) -> dict[str, Any]:
        """Everything."""
        names = ("actions", "skipped_phases", "unrecorded")
        lists = {name: list(getattr(self, name)) for name in names}
        return asdict(self) | lists | {"seconds": round(self.seconds, 3)}

    def blocks(self) -> Sequence[Block]:
        """The endpoint and its traffic."""
        share = ", ".join(f"{name} {percent} %" for name, percent in sorted(self.traffic.items()))
        rows = (
            ("endpoint", self.endpoint),
            ("address", self.scoring_uri),
            ("deployment", self.deployment),
            ("traffic", share),
            ("model", f"{self.model.name} version {self.model.version}"),
            ("digest", self.model.digest),
        )
        done = f"done in {self.seconds:.1f} s" if self.actions else "nothing to do: it is already live"
        return [
            Table(f"stage {self.stage}", (), rows),
            *(Line(f"skipped: {each}") for each in self.skipped_phases),
            Line(done, "good"),
            *(Line(f"not in the audit log: {each}", "bad") for each in self.unrecorded),
            Line(f"Next: `mlops score --stage {self.stage}`", "hint"),
        ]


def deploy(
    client: MLClient, project: Project, stage_name: StageName, version: str | None = None, *, take_over: bool = False
) -> DeployResult:
    """Roll out a stage's model: `version` or the newest in the first stage, elsewhere the stage's release.

    `take_over` breaks the lease of another rollout. Raises RolloutFailed once traffic is back where it was.
    """
    begun = time.monotonic()
    # The SDK prints dots while it waits for a deployment, on threads that outlive the call.
    with stop_signals() as stop, contextlib.redirect_stdout(io.StringIO()):
        target, models = find_target(client, project, stage_name, version)
        audit_writer = AuditWriter(client, models, stage_name, target.stage, target.plan)
        unrecorded: tuple[str, ...] = ()
        try:
            audit_writer.catch_up(observe(client, target.stage.online_endpoint))
            outcome = Rollout(target, stop, audit_writer, take_over=take_over).run()
        finally:
            unrecorded = audit_writer.close()
    plan, view = target.plan, outcome.view
    return DeployResult(
        stage=stage_name,
        endpoint=target.stage.online_endpoint,
        scoring_uri=view.scoring_uri,
        deployment=view.live or "",
        traffic=view.shares,
        model=ModelVersion(plan.model, plan.version, plan.digest),
        actions=tuple(action.reason for action in outcome.actions),
        skipped_phases=tuple(f"{each.phase}: {each.reason}" for each in plan.skipped_phases),
        seconds=time.monotonic() - begun,
        unrecorded=unrecorded,
    )
