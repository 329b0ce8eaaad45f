"""`mlops retrain` from its trigger to the pull request: train, register, deploy, promote."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mlops.audit.retraining_policy import NotBegun
from mlops.azure.workspace import WorkspaceClients
from mlops.batch.deploy import BatchDeployResult, deploy_stage
from mlops.core.results import Block, Line, Result
from mlops.models.registered import ModelVersion
from mlops.promotion.promote import PromotionResult, promote
from mlops.retraining.begin import Begun, TriggerReference, begin
from mlops.rollout.deploy import DeployResult
from mlops.training.run import finish_training


@dataclass(frozen=True)
class RetrainResult(Result):
    """The result of a trigger: why no training started, or the job, its model, its deployment, and its promotion."""

    outcome: Begun | NotBegun
    model: ModelVersion | None = None
    deployed: DeployResult | BatchDeployResult | None = None
    promotion: PromotionResult | None = None

    @property
    def exit_code(self) -> int:
        """1 when the gates block what was trained."""
        return self.promotion.exit_code if self.promotion else 0

    @property
    def outputs(self) -> dict[str, str]:
        """The job, for the CI step that waits for it; empty when there is none."""
        return {"job": self.outcome.job if isinstance(self.outcome, Begun) else ""}

    @property
    def summary(self) -> str | None:
        """The gates' report, where there is one."""
        return self.promotion.summary if self.promotion else None

    def document(self) -> dict[str, Any]:
        """Everything."""
        begun = self.outcome if isinstance(self.outcome, Begun) else None
        return {
            "begun": begun is not None,
            "reason": begun.cause.event.reason if begun else self._refused,
            "job": begun.job if begun else None,
            "record": begun.record if begun else None,
            "data_description": begun.data_description if begun else None,
            "model": {"version": self.model.version, "digest": self.model.digest} if self.model else None,
            "promotion": self.promotion.document() if self.promotion else None,
        }

    def blocks(self) -> Sequence[Block]:
        """The reason, the job, and the promotion of the model."""
        return self._blocks(self.promotion.blocks() if self.promotion else ())

    def story(self) -> Sequence[Block]:
        """The same without the table of all gates."""
        return self._blocks(self.promotion.story() if self.promotion else ())

    def _blocks(self, promoted: Sequence[Block]) -> Sequence[Block]:
        if isinstance(self.outcome, NotBegun):
            return [Line(f"no training started: {self.outcome.reason}")]
        job = self.outcome.job
        blocks: list[Block] = [Line(f"because: {self.outcome.cause.event.reason}"), Line(f"job {job}", "good")]
        if isinstance(self.outcome, Begun) and self.outcome.data_description:
            blocks.append(Line(f"trained on {self.outcome.data_description}"))
        if self.promotion:
            return [*blocks, *promoted]
        return [*blocks, Line(f"Next: `mlops train --job {job}`", "hint")]

    @property
    def _refused(self) -> str:
        return self.outcome.reason if isinstance(self.outcome, NotBegun) else ""


def begin_retraining(clients: WorkspaceClients, trigger: TriggerReference, now: datetime) -> RetrainResult:
    """Submit the training that a trigger asks for, and do not wait for it."""
    return RetrainResult(begin(clients, trigger, now))


def retrain(clients: WorkspaceClients, trigger: TriggerReference, now: datetime) -> RetrainResult:
    """Train, register, deploy to the training stage, and propose for the next one. Safe to run again.

    Where production is the only stage, nothing is deployed before the proposal is merged. A model that the gates block
    is a result. Raises JobFailed when the training fails, and what `deploy` raises.
    """
    outcome = begin(clients, trigger, now)
    if isinstance(outcome, NotBegun):
        return RetrainResult(outcome)
    model = finish_training(clients.training, clients.project, outcome.job).model
    order = clients.project.order
    target = order.next_after(order.training)
    if target is None:
        return RetrainResult(outcome, model, None, promote(clients, order.training, model.version))
    deployed = deploy_stage(clients.training, clients.project, order.training, model.version)
    return RetrainResult(outcome, model, deployed, promote(clients, target, model.version))
