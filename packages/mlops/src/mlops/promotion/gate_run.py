"""`mlops gate`: gathers the evidence (packages, held-out rows, recent inputs), runs the gates, and records the verdict
in the audit log.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import polars as pl
from azure.ai.ml import MLClient
from azure.ai.ml.exceptions import MlException
from azure.core.exceptions import AzureError

from mlops.audit.log import AuditLog
from mlops.audit.record import Event
from mlops.audit.retraining_policy import retraining_reason
from mlops.azure.collected_data import read_collected
from mlops.azure.errors import explain
from mlops.azure.workspace import WorkspaceClients
from mlops.cli.progress import say
from mlops.core.errors import InputError, MlopsError
from mlops.core.layout import REPORT_FOLDER, demo_hint, private_folder
from mlops.core.markdown import clean
from mlops.core.results import Block, Line, Result, SourceLocation, Table
from mlops.endpoint.view import View
from mlops.gates.evidence import Candidate, Proposal, read_held_out
from mlops.gates.render import html_report, markdown_report
from mlops.gates.report import GateReport, run_gates
from mlops.models.facts import facts_of, subject_of_release
from mlops.models.registered import ModelVersion
from mlops.promotion.challenger import Challenger, read_champion, released_challenger
from mlops.promotion.stage_state import StageState, change_base, read_stage
from mlops.provenance.verification import ProvenanceSubject, committed_problems
from mlops.rollout.release import require_source
from mlops.settings.gates import GATES_FILE, GatesFile, catalogue, read_gates
from mlops.settings.policies import read_policy
from mlops.settings.project import Project, read_project_schema
from mlops.settings.releases import manifest_file
from mlops.settings.stages import StageName
from mlops.stages.release_history import BaseRules, read_judged_manifest, rules_at
from mlops.training.submission import held_out_file
from model_package.collected.window import Window
from model_package.errors import ExtensionError
from model_package.package import package_digest
from model_package.reports.pages import Fact, keep_page
from model_package.tasks import Task, task_of

# More rows take longer and do not improve the estimate of a distribution.
MAX_RECENT_ROWS: Final = 20_000


def gate(clients: WorkspaceClients, stage: StageName, base: str | None, *, record: bool = True) -> GateReport:
    """Judge the release in the working tree's manifest, and record the verdict if requested."""
    base = change_base(clients.project.root, stage, base)
    clients, rules = judging_clients(clients, base)
    read_judged_manifest(clients.project, stage)
    return gate_change(clients, read_stage(clients, stage, base), rules, record=record)


def judging_clients(clients: WorkspaceClients, base: str | None) -> tuple[WorkspaceClients, BaseRules]:
    """The rules from before a change, and the clients of the stages as project.yml named them there.

    Raises ProjectError, or ExtensionError, for rules that cannot be read; before anything needs a login.
    """
    rules = rules_at(clients.project, base)
    # A file of extensions/ that cannot be loaded would judge nothing.
    catalogue()
    if rules.project.settings == clients.project.settings:
        return clients, rules
    return WorkspaceClients(Project(root=clients.project.root, settings=rules.project.settings)), rules


def gate_change(clients: WorkspaceClients, state: StageState, rules: BaseRules, *, record: bool) -> GateReport:
    """Judge the release in the working tree's manifest against the stage's state where the change branched off.

    Raises PromotionRefused for a model that did not run in the stage before.
    """
    release = read_judged_manifest(clients.project, state.stage).release
    if release is None:
        raise InputError(
            f"releases/{state.stage}.yml releases nothing, so there is nothing to judge",
            f"Propose a release: `mlops promote --to {state.stage}`. {demo_hint(clients.project.root)}".rstrip(),
        )
    challenger = released_challenger(clients, state.stage, release)
    if package_digest(challenger.candidate.folder) == release.model.digest:
        require_source(clients.project, clients.stage, state.stage, release)
    warned = _with_provenance_warnings(clients, state.stage, challenger.candidate, rules)
    report = judge(clients, state, replace(challenger, candidate=warned), rules)
    if report.promotes:
        # Also where other bytes than those of the release are registered, and no rule of the project minds.
        require_source(clients.project, clients.stage, state.stage, release)
    if record:
        AuditLog(clients.stage(state.stage)).append(gate_event(report))
    return report


def judge(clients: WorkspaceClients, state: StageState, challenger: Challenger, rules: BaseRules) -> GateReport:
    """Run the gates on a challenger. Records nothing."""
    project = rules.project
    schema = read_project_schema(project.root)
    gates = read_gates(project.path(GATES_FILE), project.order, schema)
    model = challenger.candidate.release.model
    say(f"gates of {state.stage}: downloading the package and the test set of {model.name} {model.version} …")
    proposal = gather(clients, state, challenger, gates, task_of(schema))
    say(f"gates of {state.stage}: evaluating on {len(proposal.held_out):,} held-out rows …")
    return run_gates(replace(proposal, rules=rules.commit, rule_changes=rules.changes), gates)


def gather(
    clients: WorkspaceClients, state: StageState, challenger: Challenger, gates: GatesFile, task: Task
) -> Proposal:
    """Fetch the rest of the evidence concurrently."""
    job = challenger.provenance.job
    with ThreadPoolExecutor() as threads:
        champion = threads.submit(read_champion, clients, state, challenger.candidate.release)
        rows = threads.submit(lambda: read_held_out(held_out_file(clients.training, clients.project, job)))
        endpoint = state.settings.endpoint
        recent = RecentInputs()
        if endpoint is not None:
            recent = recent_inputs(clients.stage(state.stage), endpoint, state.view, task, gates.recent_days)
        # A log that was tampered with cannot give a reason.
        records, breaks = AuditLog(clients.training).read()
        return Proposal(
            stage=state.stage,
            challenger=challenger.candidate,
            champion=champion.result(),
            held_out=rows.result(),
            recent=recent.rows,
            recent_notes=recent.notes,
            recent_problem=recent.problem,
            answers_requests=endpoint is not None,
            retraining_reason=() if breaks else retraining_reason(records, job),
        )


@dataclass(frozen=True)
class RecentInputs:
    """The rows, None for none; `notes` on what is wrong with some, `problem` if they could not be read."""

    rows: pl.DataFrame | None = None
    notes: tuple[str, ...] = ()
    problem: str = ""


def recent_inputs(client: MLClient, endpoint: str, view: View, task: Task, days: int) -> RecentInputs:
    """The inputs that all of an endpoint's deployments collected in the last days."""
    # A mirrored request is there twice; the one whose response the caller got counts.
    deployments = sorted(view.deployments, key=lambda name: (name != view.live, name))
    window = Window.last(timedelta(days=days), datetime.now(UTC))
    try:
        found = read_collected(client, endpoint, deployments, task, window, MAX_RECENT_ROWS)
    except (AzureError, MlException, MlopsError, ExtensionError) as error:
        explained = error if isinstance(error, MlopsError) else explain(error)
        reason = explained.message if explained else str(error)
        return RecentInputs(problem=f"the collected inputs of {endpoint} cannot be read: {reason}")
    return RecentInputs(None if found.table.is_empty() else found.inputs, found.notes)


def gate_event(report: GateReport) -> Event:
    """The verdict as an audit event."""
    challenger, champion = report.proposal.challenger.release, report.proposal.champion
    return Event(
        kind="gate",
        stage=report.proposal.stage,
        step="gate",
        model=challenger.model.name,
        version=challenger.model.version,
        digest=challenger.model.digest,
        origin=challenger.source.stage,
        target=report.proposal.stage,
        verdict="passed" if report.promotes else "failed",
        reason=reason_of(report),
        evidence=evidence_of(report) | ({"champion": champion.release.model.digest} if champion else {}),
    )


def reason_of(report: GateReport) -> str:
    """The headline, with the gates that block."""
    blocking = ", ".join(outcome.rule.measure for outcome in report.verdict.blocking)
    return f"{report.headline}: {blocking}" if blocking else report.headline


def obstacles(report: GateReport) -> tuple[str, ...]:
    """The finding of each gate that blocks, as a sentence."""
    return tuple(f"{outcome.rule.measure}: {outcome.sentence}" for outcome in report.verdict.blocking)


def evidence_of(report: GateReport) -> dict[str, str]:
    """The judged value of every measure, and the digest of the code of extensions/ that measured."""
    judged_by = {"extensions": report.evidence.extensions} if report.evidence.extensions else {}
    return {outcome.rule.measure: f"{outcome.observed}" for outcome in report.verdict.outcomes} | judged_by


def _with_provenance_warnings(
    clients: WorkspaceClients, stage: StageName, candidate: Candidate, rules: BaseRules
) -> Candidate:
    """The candidate with the problems of its committed statement; signatures are verified at deployment."""
    model = candidate.release.model
    version = ModelVersion(model.name, model.version, package_digest(candidate.folder))
    subject = ProvenanceSubject(stage, version, candidate.folder, candidate.release)
    policy = read_policy(rules.project.root, rules.project.order)
    warnings = tuple(committed_problems(clients.project, subject, signed=False, policy=policy))
    return replace(candidate, provenance_warnings=warnings)


_COLUMNS = ("", "gate", "champion", "challenger", "difference", "interval", "threshold")
_OPTIONAL = ("interval", "difference", "champion")
STEP_SUMMARY_LIMIT = 1_000_000


@dataclass(frozen=True)
class GateResult(Result):
    """A verdict on the release in a manifest, and its report files."""

    report: GateReport
    manifest: Path
    markdown: Path
    html: Path

    @property
    def locations(self) -> Sequence[SourceLocation]:
        """The manifest, for every gate that blocks its release."""
        rows = self.report.blocking
        return [SourceLocation(self.manifest, 1, clean(f"{row.title}: {row.sentence}")) for row in rows]

    @property
    def summary(self) -> str:
        """The report."""
        return markdown_report(self.report, STEP_SUMMARY_LIMIT)

    @property
    def exit_code(self) -> int:
        """1 if the release is blocked."""
        return 0 if self.report.promotes else MlopsError.exit_code

    def document(self) -> dict[str, Any]:
        """The whole report, and the files."""
        return self.report.document() | {"reports": {"markdown": str(self.markdown), "html": str(self.html)}}

    def blocks(self) -> Sequence[Block]:
        """Verdict, reasons, gates, files."""
        places = (("Markdown", str(self.markdown)), ("HTML", str(self.html)))
        return [*verdict_blocks(self.report), Table("reports", (), places)]


def verdict_blocks(report: GateReport) -> list[Block]:
    """The verdict with its reasons, and a table of every gate."""
    rows = tuple(
        (
            row.outcome,
            clean(row.title),
            row.champion,
            row.challenger,
            row.difference,
            row.interval,
            row.threshold,
        )
        for row in report.rows
    )
    return [*verdict_lines(report), Table("", _COLUMNS, rows, _OPTIONAL)]


def verdict_lines(report: GateReport) -> list[Block]:
    """The verdict, and the reasons of the gates that block."""
    return [
        Line(clean(report.headline), "good" if report.promotes else "bad"),
        Line(clean(report.comparison)),
        *([Line(clean(report.extensions))] if report.extensions else []),
        *([Line(clean(report.rules), "bad")] if report.rules else []),
        *(Line(f"  {clean(each)}") for each in report.proposal.rule_changes),
        *(
            Line(f"  {row.outcome}: {clean(row.title)}: {clean(row.sentence)} ({clean(row.why)})")
            for row in report.blocking
        ),
        *(Line(clean(each)) for each in report.changes),
        *_lines("nearest to their bounds:", report.nearest),
        *_lines("not measured:", [f"{row.title}: {row.sentence}" for row in report.unmeasured]),
    ]


def _lines(title: str, sentences: Sequence[str]) -> list[Block]:
    """Sentences below a title; nothing for none."""
    return [Line(title), *(Line(f"  {clean(each)}") for each in sentences)] if sentences else []


def _facts(project: Project, report: GateReport) -> list[Fact]:
    """What the report is about, with the reports of both models' training, and of the rollout that may follow."""
    subject, champion = subject_of_release(report.proposal.challenger.release), report.proposal.champion
    stage = report.proposal.stage
    facts = facts_of(project, subject, "judged", Fact("stage", stage))
    facts.append(Fact("rollout", "report", f"rollout-{stage}-{subject.page}"))
    if champion:
        facts.append(Fact("champion", "report of its training", subject_of_release(champion.release).page))
    return facts


def write_reports(project: Project, report: GateReport, markdown: Path | None, html: Path | None) -> GateResult:
    """Write both reports, to the given files or below the state folder."""
    model = report.proposal.challenger.release.model
    folder = private_folder(project.path(REPORT_FOLDER))
    name = f"gate-{report.proposal.stage}-{model.name}-{model.version}"
    markdown = markdown or folder / f"{name}.md"
    html = html or folder / f"{name}.html"
    markdown.parent.mkdir(parents=True, exist_ok=True)
    markdown.write_text(markdown_report(report, STEP_SUMMARY_LIMIT), encoding="utf-8")
    keep_page(html, html_report(report), _facts(project, report), listed=html.parent == folder)
    return GateResult(report, manifest_file(project.root, report.proposal.stage), markdown, html)
