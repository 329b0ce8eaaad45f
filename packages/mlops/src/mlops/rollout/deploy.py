"""`mlops deploy`: finds a stage's release, rolls it out, and reports what the stage runs now."""

from __future__ import annotations

import contextlib
import io
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from azure.ai.ml import MLClient

from mlops.cli.progress import say
from mlops.core.errors import MlopsError, WorkspaceError
from mlops.core.results import Block, Line, Result, Table
from mlops.core.waiting import stop_signals
from mlops.endpoint.view import observe
from mlops.models.facts import Subject, facts_of, keep_report, subject_of_package
from mlops.models.registered import ModelVersion
from mlops.rollout.audit_writer import AuditWriter
from mlops.rollout.decide import Begin, Create, CreateEndpoint, EnterPhase, Finish, RollBack
from mlops.rollout.plan import Target, phase_title
from mlops.rollout.release import find_target
from mlops.rollout.run import Outcome, Rollout, Step
from mlops.settings.project import Project
from mlops.settings.stages import StageName
from model_package.reports.pages import Fact

_TEMPLATE: Final = Path(__file__).with_name("report.html.j2")


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
    subject: Subject
    report: Path | None
    unrecorded: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """That of a workspace which refuses, if the audit log lacks a step."""
        return WorkspaceError.exit_code if self.unrecorded else 0

    def document(self) -> dict[str, Any]:
        """Everything."""
        names = ("actions", "skipped_phases", "unrecorded")
        lists = {name: list(getattr(self, name)) for name in names}
        report = str(self.report) if self.report else None
        return asdict(self) | lists | {"seconds": round(self.seconds, 3), "report": report}

    def blocks(self) -> Sequence[Block]:
        """The endpoint and its traffic."""
        share = ", ".join(f"{name} {percent} %" for name, percent in sorted(self.traffic.items()))
        rows = (
            ("endpoint", self.endpoint),
            ("address", self.scoring_uri),
            ("deployment", self.deployment),
            ("traffic", share),
            *self.subject.rows(),
            *((("report", str(self.report)),) if self.report else ()),
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
            rollout = Rollout(target, stop, audit_writer, take_over=take_over)
            outcome = _run(rollout, target)
        finally:
            unrecorded = audit_writer.close()
    plan, view = target.plan, outcome.view
    model = ModelVersion(plan.model, plan.version, plan.digest)
    return DeployResult(
        stage=stage_name,
        endpoint=target.stage.online_endpoint,
        scoring_uri=view.scoring_uri,
        deployment=view.live or "",
        traffic=view.shares,
        model=model,
        actions=tuple(action.reason for action in outcome.actions),
        skipped_phases=tuple(f"{each.phase}: {each.reason}" for each in plan.skipped_phases),
        seconds=time.monotonic() - begun,
        subject=subject_of_package(model, target.package),
        report=keep_rollout_report(rollout.steps, target, "") if rollout.steps else None,
        unrecorded=unrecorded,
    )


def _run(rollout: Rollout, target: Target) -> Outcome:
    try:
        return rollout.run()
    except MlopsError as error:
        if rollout.steps:
            say(f"report  {keep_rollout_report(rollout.steps, target, error.message)}")
        raise


def keep_rollout_report(steps: Sequence[Step], target: Target, failure: str) -> Path:
    """Write the page of a rollout: how it ended (`failure` is "" for a release), and each step with its result."""
    plan, stage = target.plan, target.stage_name
    subject = subject_of_package(ModelVersion(plan.model, plan.version, plan.digest), target.package)
    began = next((each.action for each in steps if isinstance(each.action, Begin)), None)
    context = {
        "headline": f"{'NOT RELEASED' if failure else 'RELEASED'}: {subject.model} in {stage}",
        "failure": failure,
        "began": began,
        "steps": [(f"{step.time:%H:%M:%S}", *_described(step)) for step in steps],
        "objective": target.objective,
        "plan": plan,
        "stage": stage,
    }
    more = (Fact("stage", stage), Fact("endpoint", target.stage.online_endpoint))
    facts = facts_of(target.project, subject, "rolled out", *more)
    facts.append(Fact("gates", "report", f"gate-{stage}-{subject.page}"))
    return keep_report(target.project, f"rollout-{stage}-{subject.page}", _TEMPLATE, context, facts)


def _described(step: Step) -> tuple[str, str, str, dict[str, int]]:
    """A step as people read it: how it came out, what happened, what comes next, and the traffic after it."""
    reason, traffic = step.action.reason, step.traffic
    match step.action:
        case CreateEndpoint():
            return "", reason, "create the endpoint", traffic
        case Begin(to=to):
            return "", f"rollout begins: {reason}", f"create deployment {to}", traffic
        case Create(to=to):
            return "", f"creation of deployment {to} begins", "", traffic
        case EnterPhase(phase=phase):
            return "pass", reason, phase_title(phase), traffic
        case Finish():
            return "pass", reason, "", traffic
        case RollBack(to=to, cleared=cleared):
            target = f"all traffic to {to}" if to else "no traffic to any deployment"
            return ("", reason, f"clean up: {target}", traffic) if cleared else ("fail", reason, target, traffic)
        case _:
            return "fail", reason, "halt", traffic
