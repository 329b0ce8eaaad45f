"""A promotion from its challenger to its pull request: this module is the sequence, each part has its own file.

All refusals happen before anything is shared, and a release that a gate blocks is never pushed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mlops.audit.log import AuditLog
from mlops.audit.record import PROPOSED, Event
from mlops.azure.workspace import WorkspaceClients
from mlops.cli.progress import say
from mlops.core.errors import MlopsError
from mlops.core.git import Repository
from mlops.core.results import Block, Line, Result, Table
from mlops.gates.render import markdown_report
from mlops.gates.report import GateReport
from mlops.githost.hosts import pull_requests_of
from mlops.githost.interface import PullRequest
from mlops.models.facts import add_pull_request
from mlops.models.registered import find_builder
from mlops.promotion.branch import Base, branch_name, plot_paths, promotion_files, publish
from mlops.promotion.challenger import Challenger, find_challenger, share
from mlops.promotion.gate_run import (
    STEP_SUMMARY_LIMIT,
    evidence_of,
    judge,
    reason_of,
    verdict_blocks,
    verdict_lines,
    write_reports,
)
from mlops.promotion.stage_state import PromotionState, read_promotion, require_job_images
from mlops.provenance.statement import Statement, state_provenance, statement_path
from mlops.provenance.verification import ProvenanceSubject, require_at_promotion
from mlops.rollout.deployment_files import image_of
from mlops.rollout.release import require_image
from mlops.settings.policies import read_policy
from mlops.settings.releases import Release
from mlops.settings.stages import StageName
from mlops.stages.release_history import BaseRules, rules_at


@dataclass(frozen=True)
class Proposed:
    """A promotion's branch, and its pull request if there is one."""

    branch: str
    commit: str
    base: str
    pull_request: PullRequest


@dataclass(frozen=True)
class PromotionResult(Result):
    """The result of a promotion; no report if the stage's manifest already names the release."""

    stage: StageName
    release: Release
    report: GateReport | None
    report_file: Path | None
    proposed: Proposed | None

    @property
    def outputs(self) -> dict[str, str]:
        """The pull request, for later steps."""
        opened = self.proposed.pull_request.url if self.proposed else None
        return {"pull_request": opened or "", "branch": self.proposed.branch if self.proposed else ""}

    @property
    def summary(self) -> str | None:
        """The full report, if there is one."""
        return markdown_report(self.report, STEP_SUMMARY_LIMIT) if self.report else None

    @property
    def exit_code(self) -> int:
        """1 if the gate blocks."""
        return MlopsError.exit_code if self.report is not None and self.proposed is None else 0

    def document(self) -> dict[str, Any]:
        """Everything."""
        proposed = self.proposed
        return {
            "stage": self.stage,
            "release": self.release.model_dump(mode="json"),
            "promotes": self.report.promotes if self.report else None,
            "headline": self.report.headline if self.report else None,
            "blocking": [each.rule.measure for each in self.report.verdict.blocking] if self.report else [],
            "report": str(self.report_file) if self.report_file else None,
            "branch": proposed.branch if proposed else None,
            "commit": proposed.commit if proposed else None,
            "base": proposed.base if proposed else None,
            "pull_request": proposed.pull_request.url if proposed else None,
        }

    def blocks(self) -> Sequence[Block]:
        """The verdict, every gate, and what to do next."""
        return self._blocks(verdict_blocks(self.report) if self.report else [])

    def story(self) -> Sequence[Block]:
        """The same without the table of all gates."""
        return self._blocks(verdict_lines(self.report) if self.report else [])

    def _blocks(self, blocks: list[Block]) -> list[Block]:
        model = self.release.model
        if self.report is None:
            text = f"nothing to do: releases/{self.stage}.yml already names {model.name} version {model.version}"
            return [Line(text, "good")]
        if self.proposed is None:
            blocks.append(Line(f"nothing was proposed; the report is {self.report_file}", "bad"))
            return blocks
        rows = [("branch", self.proposed.branch), ("commit", self.proposed.commit), ("report", str(self.report_file))]
        if self.proposed.pull_request.url:
            rows.append(("pull request", self.proposed.pull_request.url))
        title = f"{model.name} version {model.version} is proposed for {self.stage}"
        return [*blocks, Table(title, (), tuple(rows)), Line(self.proposed.pull_request.advice, "hint")]


def promote(
    clients: WorkspaceClients, target: StageName, version: str | None, *, pull_request: bool = True
) -> PromotionResult:
    """Propose the model that the previous stage runs (which must be `version`, if given) for `target`.

    Raises PromotionRefused for a model that may not be promoted. A blocked promotion is a result, not an error.
    """
    return promote_from(clients, read_promotion(clients, target), version, pull_request=pull_request)


def promote_from(
    clients: WorkspaceClients, state: PromotionState, version: str | None, *, pull_request: bool
) -> PromotionResult:
    """Promote as `promote` does, from a state that was already read."""
    target, challenger = state.target.stage, find_challenger(clients, state, version)
    release = challenger.candidate.release
    if state.target.released == release:
        return PromotionResult(target, release, None, None, None)
    place = clients.project.settings.stage(target)
    if place.endpoint:
        require_image(clients.project, clients.stage, target, image_of(clients.project, place))
    require_job_images(clients, target)
    rules = _rules(clients, state)
    statement = _statement(clients, state, challenger, rules)
    report = judge(clients, state.target, challenger, rules)
    file = write_reports(clients.project, report, None, None).html
    if not report.promotes:
        _note(clients, report, "blocked", {})
        return PromotionResult(target, release, report, file, None)
    if target != clients.project.order.training:
        share(clients, release.model)
    proposed = _propose(Repository(clients.project.root), state.base, report, statement, pull_request=pull_request)
    if proposed.pull_request.url:
        add_pull_request(file, proposed.pull_request.url)
    facts = {"branch": proposed.branch, "commit": proposed.commit, "base": proposed.base}
    _note(clients, report, PROPOSED, facts)
    return PromotionResult(target, release, report, file, proposed)


def _rules(clients: WorkspaceClients, state: PromotionState) -> BaseRules:
    """The rules that will judge the pull request: those of its base, where this checkout may have others."""
    rules = rules_at(clients.project, state.base.commit)
    if rules.changes:
        more = f", and {len(rules.changes) - 1} more" if len(rules.changes) > 1 else ""
        say(f"judged by the rules of {state.base.branch}; this checkout has others: {rules.changes[0]}{more}")
    return replace(rules, changes=())


def _statement(clients: WorkspaceClients, state: PromotionState, challenger: Challenger, rules: BaseRules) -> Statement:
    """The provenance of the challenger. Raises PromotionRefused if the target would not accept it."""
    model, candidate = challenger.model, challenger.candidate
    builder = find_builder(clients.training, model)
    statement = state_provenance(model, candidate.folder, challenger.provenance, builder)
    subject = ProvenanceSubject(state.target.stage, model, candidate.folder, candidate.release)
    policy = read_policy(rules.project.root, rules.project.order)
    require_at_promotion(clients.project, subject, statement, state.base.commit, policy)
    return statement


def _propose(
    repository: Repository, base: Base, report: GateReport, statement: Statement, *, pull_request: bool
) -> Proposed:
    model = report.proposal.challenger.release.model
    branch = branch_name(repository, report.proposal.stage, model)
    title = f"Promote {model.name} {model.version} to {report.proposal.stage}"
    message = f"{title}\n\n{report.headline}.\n{report.comparison}\nDigest {model.digest}.\n"
    stated = {statement_path(model.name, model.version): statement.text().encode()}
    commit = publish(repository, base, branch, promotion_files(repository, base, report) | stated, message)
    if base.remote is None:
        opened = PullRequest(None, f"There is no remote. Review the branch, then: git merge --no-ff {branch}")
    elif pull_request:
        opened = _open(repository, base, base.remote, report, title, branch, commit)
    else:
        opened = PullRequest(None, f"Open a pull request from {branch} into {base.branch}.")
    return Proposed(branch, commit, base.commit, opened)


def _open(
    repository: Repository, base: Base, remote: str, report: GateReport, title: str, branch: str, commit: str
) -> PullRequest:
    host = pull_requests_of(remote, repository.folder)
    prefix = repository.prefix()
    addresses = {name: host.picture_url(commit, prefix / path) for name, path in plot_paths(report).items()}
    pictures = {name: address for name, address in addresses.items() if address}
    body = markdown_report(report, host.body_limit, pictures)
    whole = markdown_report(report, host.comment_limit, pictures) if host.comment_limit else body
    return host.propose(branch, base.branch, title, body, whole if whole != body else "")


def _note(clients: WorkspaceClients, report: GateReport, step: str, facts: dict[str, str]) -> None:
    release = report.proposal.challenger.release
    event = Event(
        kind="promotion",
        stage=report.proposal.stage,
        step=step,
        model=release.model.name,
        version=release.model.version,
        digest=release.model.digest,
        origin=release.source.stage,
        target=report.proposal.stage,
        verdict="passed" if report.promotes else "failed",
        reason=reason_of(report),
        evidence=evidence_of(report) | facts,
    )
    AuditLog(clients.stage(report.proposal.stage)).append(event)
