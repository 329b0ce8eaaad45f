"""Gathers what a gate judges (packages, held-out rows, recent inputs), and notes the verdict in the audit log."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from mlops.audit.log import AuditLog
from mlops.audit.record import Event
from mlops.errors import InputError
from mlops.gates.proposal import Candidate, Proposal
from mlops.gates.report import GateReport, run_gates
from mlops.gates.rows import Rows, read_rows
from mlops.gates.rules import GATES_FILE, read_gates
from mlops.package import package_digest
from mlops.project import StageName
from mlops.project_schema import read_project_schema
from mlops.promotion.champion import champion_release
from mlops.promotion.connections import Connections
from mlops.promotion.origin import read_provenance
from mlops.promotion.recent import recent_inputs
from mlops.provenance.verification import Evidence, committed_problems
from mlops.releases.manifest import Release, manifest_file, read_manifest
from mlops.retraining.occasion import occasion_of
from mlops.training.held_out import held_out_file
from mlops.training.package_store import fetch_package
from mlops.training.registration import ModelVersion

_HELD_OUT = "held-out rows"


def gate(places: Connections, stage: StageName, base: str | None, *, record: bool = True) -> GateReport:
    """Judge the release in the working tree's manifest, and append a record of it where that is wanted."""
    manifest = read_manifest(manifest_file(places.project.root, stage), stage)
    if manifest.release is None:
        raise InputError(
            f"releases/{stage}.yml releases nothing, so there is nothing to judge",
            f"Propose a release: `mlops promote --to {stage}`.",
        )
    challenger = manifest.release
    champion = champion_release(places, stage, base, challenger)
    report = judge(places, stage, _doubted(places, stage, fetched(places, stage, challenger)), champion)
    if record:
        AuditLog(places.stage(stage)).append(gate_event(report))
    return report


def judge(places: Connections, stage: StageName, challenger: Candidate, champion: Release | None) -> GateReport:
    """Run the gates on a challenger whose package is here already. Appends nothing."""
    project = places.project
    gates = read_gates(project.path(GATES_FILE), read_project_schema(project.root))
    with ThreadPoolExecutor() as threads:
        other = threads.submit(fetched, places, stage, champion) if champion else None
        rows = threads.submit(_held_out, places, challenger.folder)
        recent = recent_inputs(places.stage(stage), project.settings.stage(stage).endpoint, gates.recent_days)
        proposal = Proposal(
            stage,
            challenger,
            other.result() if other else None,
            rows.result(),
            recent.rows,
            recent.notes,
            recent.problem,
            _occasion(places, challenger.folder),
        )
    return run_gates(proposal, gates)


def fetched(places: Connections, stage: StageName, release: Release) -> Candidate:
    """A release with the package that its stage would deploy; whether the bytes are right, a gate says."""
    package, _ = fetch_package(places.models(stage), places.project, release.model.name, release.model.version)
    return Candidate(package, release)


def _doubted(places: Connections, stage: StageName, candidate: Candidate) -> Candidate:
    """The candidate with what its committed statement leaves open; signatures are asked for when it is deployed."""
    model = candidate.release.model
    digest = package_digest(candidate.folder)
    evidence = Evidence(stage, ModelVersion(model.name, model.version, digest), candidate.folder, candidate.release)
    return replace(candidate, doubts=tuple(committed_problems(places.project.root, evidence, signed=False)))


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


def _occasion(places: Connections, package: Path) -> tuple[str, ...]:
    """Why the model was trained; nothing is told from a log that does not hold."""
    records, breaks = AuditLog(places.training).read()
    return () if breaks else occasion_of(records, read_provenance(package).job)


def _held_out(places: Connections, package: Path) -> Rows:
    job = read_provenance(package).job
    return read_rows(held_out_file(places.training, places.project, job), _HELD_OUT)
