"""Two bad models after a good release: one that the gate blocks, and one that fails only under traffic.

The first was trained on rows whose targets are those of other rows, as after a wrong join: bad in any task, whatever
the training step is. The second passes every gate, but its scoring script degrades: after some requests it answers
slowly, as with a leak. Its rollout must roll back automatically under continuous requests, none of which may fail.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Final

import polars as pl

from mlops.azure.workspace import WorkspaceClients
from mlops.cli.progress import say
from mlops.core.edits import Edit, write
from mlops.core.errors import InputError, PromotionRefused, RolloutFailed
from mlops.core.layout import ENDPOINT_FOLDER, ROWS_FOLDER, private_folder
from mlops.core.results import Block, Line, Result, Table
from mlops.demo.releasing import merge, release_to
from mlops.demo.rows import request_bodies
from mlops.demo.scratch import Scratch
from mlops.demo.traffic import Callers
from mlops.endpoint.client import address_of
from mlops.endpoint.view import live_model
from mlops.models.data_asset import refuse
from mlops.promotion.promote import PromotionResult, promote
from mlops.rollout.deploy import deploy
from mlops.settings.project import BATCH, NO_ONLINE_ENDPOINT, Project, read_project_schema
from mlops.settings.releases import manifest_file, read_manifest
from mlops.settings.stages import StageName
from mlops.training.run import train
from mlops.training.submission import held_out_file

_SEED: Final = 23
# One more resample of the evaluation gives another package with the same answers, on any table; another seed may give a
# worse model, or the same.
_AS_GOOD: Final = {"bootstrap_resamples": 401}
_CALLERS_PER_SECOND: Final = 50.0
_QUESTIONS: Final = 5_000
# What both servers score with.
_SCRIPT: Final = PurePosixPath(ENDPOINT_FOLDER.as_posix()) / "scorer.py"
# How far above the SLO, and after how many requests per worker beyond smoke and load: only traffic shows it.
# So few that the mirror cannot collect a sample of fast answers, and no caller reaches a degraded worker.
_SLOWER_BY: Final = 1.5
_WORKERS: Final = 2
_MORE_REQUESTS: Final = 9
_TIRED: Final = '''

_fresh_answer = Scorer.answer
_answered = 0


def _tired_answer(scorer: Scorer, body: bytes) -> Reply:
    """Answer normally at first, and slowly after {requests} requests."""
    global _answered
    _answered += 1
    if _answered > {requests}:
        time.sleep({seconds})
    return _fresh_answer(scorer, body)


Scorer.answer = _tired_answer
'''


@dataclass(frozen=True)
class BadModelResult(Result):
    """What blocked the worse model, and what happened to the one that degrades."""

    stopped: PromotionResult
    stage: StageName
    reason: str
    live_before: str = ""
    live_after: str = ""
    callers: int = 0
    failures: dict[str, int] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """Both halves."""
        rolled_back = {
            "reason": self.reason,
            "live_before": self.live_before,
            "live_after": self.live_after,
            "callers": self.callers,
            "failures": self.failures,
        }
        return {"stopped_by_gate": self.stopped.document(), "rolled_back": rolled_back}

    def blocks(self) -> Sequence[Block]:
        """Both halves, for people."""
        report = self.stopped.report
        blocking = report.blocking if report else ()
        reasons = tuple((row.outcome, row.title, row.sentence) for row in blocking)
        stopped: list[Block] = [
            Line(f"a worse model: {report.headline if report else 'blocked'}", "bad"),
            Table("", ("", "gate", "why it blocks"), reasons),
        ]
        if not self.live_before:
            return [*stopped, Line(f"a model that degrades under load: {self.reason}")]
        failed = sum(self.failures.values())
        return [
            *stopped,
            Line("a model that passes the gates but degrades under load was rolled back automatically:", "bad"),
            Line(f"  {self.reason}"),
            Line(
                f"  {self.stage} ran {self.live_before} before and runs {self.live_after} now; "
                f"of {self.callers:,} requests meanwhile, {failed} failed",
                "bad" if failed else "good",
            ),
        ]


def show_bad_models(scratch: Scratch, clients: WorkspaceClients, data: Path, good: str) -> BadModelResult:
    """Try to release both, and leave every stage with its previous model. Raises InputError for a single stage."""
    order = scratch.project.order
    gated = order.next_after(order.training)
    if gated is None:
        raise InputError("with one stage there is no promotion to block", "Add a stage: `mlops stages add --help`.")
    stopped = _blocked_by_gate(scratch, clients, gated, data)
    release_to(scratch, clients, order.training, good)
    if scratch.project.settings.stage(order.production).serving == BATCH:
        return BadModelResult(stopped, order.production, NO_ONLINE_ENDPOINT)
    before = _live(clients, order.production)
    reason, callers = _rolled_back(scratch, clients, data)
    after = _live(clients, order.production)
    return BadModelResult(stopped, order.production, reason, before, after, callers.requests, callers.failures)


def _blocked_by_gate(scratch: Scratch, clients: WorkspaceClients, gated: StageName, data: Path) -> PromotionResult:
    say("training a worse model, on rows with shuffled targets")
    training = scratch.project.order.training
    mixed = _with_mixed_targets(scratch.project, data)
    worse = train(clients.training, scratch.at_source(), training, mixed)
    # It must not be the newest version, which a retraining adds rows to.
    refuse(clients.training, worse.data)
    release_to(scratch, clients, training, worse.model.version)
    scratch.at_branch()
    result = promote(clients, gated, None)
    if result.proposed is not None:
        raise PromotionRefused(
            "the gates accepted a model that was trained on other rows' targets",
            "Raise the bounds in releases/gates.yml.",
        )
    return result


def _with_mixed_targets(project: Project, data: Path) -> Path:
    """Write a copy of the data in which the targets are in another order, the same for the same data."""
    table, target = pl.read_csv(data, infer_schema=False), read_project_schema(project.root).target
    file = private_folder(project.path(ROWS_FOLDER)) / f"{data.stem}-with-mixed-targets.csv"
    mixed = table.with_columns(table[target].sample(fraction=1, shuffle=True, seed=_SEED))
    write(file.parent, Edit(PurePosixPath(file.name), None, mixed.write_csv()))
    return file


def _rolled_back(scratch: Scratch, clients: WorkspaceClients, data: Path) -> tuple[str, Callers]:
    say("training a model as good as the live one; its scoring script will slow down under load")
    order = scratch.project.order
    busy = order.production
    other = train(clients.training, scratch.at_source(), order.training, data, _AS_GOOD)
    for each in order.until(order.source_of(busy)):
        release_to(scratch, clients, each, other.model.version)
    scratch.at_branch()
    merge(scratch, clients, promote(clients, busy, None))
    _degrade(scratch, busy)
    stage = scratch.project.settings.stage(busy)
    live = live_model(clients.stage(busy), stage)
    if live is None:
        raise RolloutFailed(f"{busy} runs no model", "Run `mlops demo` first.")
    address = address_of(clients.stage(busy), stage.online_endpoint, live.scoring_uri)
    with Callers(address, _sample_requests(clients, other.job), _CALLERS_PER_SECOND) as callers:
        reason = _failing_rollout(scratch, clients, busy)
    # The manifest must name the live model again.
    scratch.at_branch()
    scratch.repository.revert_merge()
    scratch.repository.publish_branch()
    return reason, callers


def _sample_requests(clients: WorkspaceClients, job: str) -> list[bytes]:
    """Requests of one unseen row each: requests are collected, and may be checked for drift later."""
    rows = pl.read_parquet(held_out_file(clients.training, clients.project, job)).head(_QUESTIONS)
    return request_bodies(rows, read_project_schema(clients.project.root))


def _failing_rollout(scratch: Scratch, clients: WorkspaceClients, busy: StageName) -> str:
    try:
        deploy(clients.stage(busy), scratch.project, busy)
    except RolloutFailed as error:
        return error.message
    raise RolloutFailed("the degrading model was not rolled back", f"Check releases/{busy}.yml: is its SLO too loose?")


def _degrade(scratch: Scratch, busy: StageName) -> None:
    """Make the scoring script in the scratch repository degrade; nothing of it is committed."""
    manifest = read_manifest(manifest_file(scratch.project.root, busy))
    load = manifest.rollout.load
    requests = int(load.requests_per_second * load.seconds / _WORKERS) + _MORE_REQUESTS
    seconds = _SLOWER_BY * manifest.slo.p95_milliseconds / 1000
    script = scratch.project.root / _SCRIPT
    script.write_text(script.read_text(encoding="utf-8") + _TIRED.format(requests=requests, seconds=seconds))


def _live(clients: WorkspaceClients, stage: StageName) -> str:
    live = live_model(clients.stage(stage), clients.project.settings.stage(stage))
    return f"version {live.version} ({live.deployment})" if live else "nothing"
