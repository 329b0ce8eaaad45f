"""One stage of a demo: promotion, review, gate, merge and rollout, as people and CI do them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlops.azure.workspace import WorkspaceClients
from mlops.batch.deploy import BatchDeployResult, deploy_stage
from mlops.cli.progress import say
from mlops.core.errors import Inconclusive, PromotionRefused, RolloutFailed
from mlops.core.git import REMOTE
from mlops.core.programs import machine_load
from mlops.core.results import Block, Line
from mlops.demo.scratch import Scratch
from mlops.promotion.gate_run import gate, obstacles, reason_of, write_reports
from mlops.promotion.promote import PromotionResult, promote
from mlops.rollout.deploy import DeployResult
from mlops.rollout.load import inconclusive
from mlops.settings.stages import StageName


@dataclass(frozen=True)
class Released:
    """A stage after its release; no promotion for the training stage, no report if nothing was new."""

    stage: StageName
    deployed: DeployResult | BatchDeployResult
    promotion: PromotionResult | None = None
    report: Path | None = None

    def document(self) -> dict[str, Any]:
        """What the stage runs."""
        deployed = self.deployed
        return {
            "endpoint": deployed.endpoint,
            "scoring_uri": deployed.scoring_uri,
            "deployment": deployed.deployment,
            "traffic": deployed.traffic,
            "model_version": deployed.model.version,
            "digest": deployed.model.digest,
        }

    def blocks(self) -> Sequence[Block]:
        """One sentence per event."""
        if self.promotion is None:
            return [Line(f"{self.stage}: version {self.deployed.model.version} is deployed", "good")]
        report, proposed = self.promotion.report, self.promotion.proposed
        if report is None or proposed is None:
            return [Line(f"{self.stage}: its manifest already has the release", "good")]
        unmeasured = [each.title for each in report.unmeasured]
        return [
            Line(f"{self.stage}: {report.headline}", "good"),
            Line(f"  {report.comparison}"),
            *(Line(f"  {each}") for each in report.changes),
            *([Line(f"  not measured: {', '.join(unmeasured)}")] if unmeasured else []),
            Line(f"  {proposed.branch} was merged into the scratch repository's main and rolled out"),
        ]


def release_to(scratch: Scratch, clients: WorkspaceClients, stage: StageName, version: str) -> Released:
    """Release a version to a stage: by deploying it to the training stage, by a promotion elsewhere.

    Raises PromotionRefused if a gate blocks it, RolloutFailed if the rollout is rolled back.
    """
    if stage == scratch.project.order.training:
        return Released(stage, _rolled_out(scratch, clients, stage, version))
    scratch.at_branch()
    say(f"promoting to {stage}")
    promotion = promote(clients, stage, None)
    report = merge(scratch, clients, promotion) if promotion.report else None
    return Released(stage, _rolled_out(scratch, clients, stage, None), promotion, report)


def _rolled_out(
    scratch: Scratch, clients: WorkspaceClients, stage: StageName, version: str | None
) -> DeployResult | BatchDeployResult:
    """Deploy with the branch's rollout timing. Raises Inconclusive for what took too long on a busy machine.

    All that is measured is measured on this machine, by the service of this machine as well.
    """
    try:
        return deploy_stage(clients.stage(stage), scratch.at_branch(), stage, version)
    except RolloutFailed as error:
        load = machine_load()
        if isinstance(error, Inconclusive) or not (error.is_timing and load.is_busy):
            raise
        raise inconclusive(error, load, "mlops demo") from error


def merge(scratch: Scratch, clients: WorkspaceClients, promotion: PromotionResult) -> Path:
    """Merge a promotion's branch, run the gates again as CI does, and push; return the gate's report."""
    if promotion.report is None or promotion.proposed is None:
        reason = reason_of(promotion.report) if promotion.report else "nothing was proposed"
        found = obstacles(promotion.report) if promotion.report else ()
        raise PromotionRefused(reason, f"The report: {promotion.report_file}", found)
    branch = promotion.proposed.branch
    scratch.repository.merge(f"refs/remotes/{REMOTE}/{branch}", f"Merge {branch}")
    say(f"merged {branch}")
    report = gate(clients, promotion.stage, promotion.proposed.base)
    written = write_reports(scratch.project, report, None, None)
    if not report.promotes:
        raise PromotionRefused(reason_of(report), f"The report: {written.html}", obstacles(report))
    scratch.repository.publish_branch()
    return written.html.resolve()
