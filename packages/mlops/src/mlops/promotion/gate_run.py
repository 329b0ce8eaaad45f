"""Gathers what a gate judges (packages, held-out rows, recent inputs), and notes the verdict in the audit log."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from mlops.audit.log import AuditLog
from mlops.audit.record import Event
from mlops.audit.retraining_policy import retraining_reason
from mlops.azure.clients import WorkspaceClients
from mlops.core.errors import InputError
from mlops.gates.proposal import Candidate, Proposal
from mlops.gates.report import GateReport, run_gates
from mlops.gates.rows import Rows, read_rows
from mlops.models.origin import read_provenance
from mlops.models.package import package_digest
from mlops.models.package_store import fetch_package
from mlops.models.registration import ModelVersion
from mlops.promotion.champion import champion_release
from mlops.promotion.recent import recent_inputs
from mlops.provenance.verification import ProvenanceSubject, committed_problems
from mlops.settings.gates import GATES_FILE, read_gates
from mlops.settings.releases import Release
from mlops.settings.schema import read_project_schema
from mlops.settings.stages import StageName
from mlops.stages.release_history import read_judged_manifest
from mlops.training.data import held_out_file

_HELD_OUT = "held-out rows"


def gate(clients: WorkspaceClients, stage: StageName, base: str | None, *, record: bool = True) -> GateReport:
    """Judge the release in the working tree's manifest, and append a record of it where that is wanted."""
    manifest = read_judged_manifest(clients.project, stage)
    if manifest.release is None:
        raise InputError(
            f"releases/{stage}.yml releases nothing, so there is nothing to judge",
            f"Propose a release: `mlops promote --to {stage}`.",
        )
    challenger = manifest.release
    champion = champion_release(clients, stage, base, challenger)
    report = judge(
        clients, stage, _with_provenance_warnings(clients, stage, fetched(clients, stage, challenger)), champion
    )
    if record:
        AuditLog(clients.stage(stage)).append(gate_event(report))
    return report


def judge(clients: WorkspaceClients, stage: StageName, challenger: Candidate, champion: Release | None) -> GateReport:
    """Run the gates on a challenger whose package is here already. Appends nothing."""
    project = clients.project
    gates = read_gates(project.path(GATES_FILE), project.order, read_project_schema(project.root))
    with ThreadPoolExecutor() as threads:
        other = threads.submit(fetched, clients, stage, champion) if champion else None
        rows = threads.submit(_held_out, clients, challenger.folder)
        recent = recent_inputs(clients.stage(stage), project.settings.stage(stage).endpoint, gates.recent_days)
        proposal = Proposal(
            stage,
            challenger,
            other.result() if other else None,
            rows.result(),
            recent.rows,
            recent.notes,
            recent.problem,
            _retraining_reason(clients, challenger.folder),
        )
    return run_gates(proposal, gates)


def fetched(clients: WorkspaceClients, stage: StageName, release: Release) -> Candidate:
    """A release with the package that its stage would deploy; whether the bytes are right, a gate says."""
    package, _ = fetch_package(clients.models(stage), clients.project, release.model.name, release.model.version)
    return Candidate(package, release)


def _with_provenance_warnings(clients: WorkspaceClients, stage: StageName, candidate: Candidate) -> Candidate:
    """The candidate with what its committed statement leaves open; signatures are asked for when it is deployed."""
    model = candidate.release.model
    digest = package_digest(candidate.folder)
    version = ModelVersion(model.name, model.version, digest)
    subject = ProvenanceSubject(stage, version, candidate.folder, candidate.release)
    warnings = tuple(committed_problems(clients.project, subject, signed=False))
    return replace(candidate, provenance_warnings=warnings)


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
    """What each gate that blocks has found, as a sentence."""
    return tuple(f"{outcome.rule.measure}: {outcome.sentence}" for outcome in report.verdict.blocking)


def evidence_of(report: GateReport) -> dict[str, str]:
    """Every measure's value as it was judged."""
    return {outcome.rule.measure: f"{outcome.observed}" for outcome in report.verdict.outcomes}


def _retraining_reason(clients: WorkspaceClients, package: Path) -> tuple[str, ...]:
    """Why the model was trained; nothing is told from a log that does not hold."""
    records, breaks = AuditLog(clients.training).read()
    return () if breaks else retraining_reason(records, read_provenance(package).job)


def _held_out(clients: WorkspaceClients, package: Path) -> Rows:
    job = read_provenance(package).job
    return read_rows(held_out_file(clients.training, clients.project, job), _HELD_OUT)
