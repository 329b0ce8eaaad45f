"""The full lifecycle on this machine: the same functions as train, promote, gate and deploy, in one command.

It only decides the order of the parts, and which ones run concurrently.
"""

from __future__ import annotations

import importlib
import os
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from mlops.cli.progress import say
from mlops.core.environments import environments_of
from mlops.core.layout import SAMPLE_REQUEST, STATE_FOLDER
from mlops.core.results import Block, Line, Result, Table
from mlops.demo.scratch import Scratch, forget, prepare
from mlops.local.emulator import ensure_started, pages_link, reset, state_folder
from mlops.settings.gates import GATES_FILE, with_featureless_bounds
from mlops.settings.project import BATCH, Project
from mlops.settings.stages import StageName
from mlops.training.submission import DefaultData, default_data, held_out_file
from model_package.tasks import TASKS

if TYPE_CHECKING:
    from mlops.azure.workspace import WorkspaceClients
    from mlops.batch.score import BatchScoreResult
    from mlops.demo.bad_model import BadModelResult
    from mlops.demo.drift import DriftResult
    from mlops.demo.releasing import Released
    from mlops.endpoint.scoring import ScoreResult
    from mlops.training.run import TrainResult

# The parts of Azure's SDK needed below, whose import takes longer than starting the workspace.
_SLOW_IMPORTS: Final = ("mlops.demo.releasing", "mlops.training.run", "mlops.endpoint.scoring")
_DIGEST_CHARACTERS: Final = 19
_PREDICTIONS: Final = STATE_FOLDER / "predictions"


@dataclass(frozen=True)
class DemoResult(Result):
    """What happened, and where to look; `released` has the stages in order.

    `scored`: the answers of the last stage to a request, or of each stage that scores only files to a file.
    """

    trained: TrainResult
    released: tuple[Released, ...]
    scored: dict[StageName, ScoreResult | BatchScoreResult]
    bad: BadModelResult | None
    drift: DriftResult | None
    scratch: Path
    pages: str
    seconds: float
    goes_on: bool = True

    @property
    def exit_code(self) -> int:
        """1 if the gates block the model trained after drift."""
        return self.drift.exit_code if self.drift else 0

    def document(self) -> dict[str, Any]:
        """The job, its metrics, the model, and what the stages run."""
        model = self.trained.model
        return {
            "job": self.trained.job,
            "metrics": {name: metric.value for name, metric in self.trained.metrics.items()},
            "model": {"name": model.name, "version": model.version, "digest": model.digest},
            "stages": {each.stage: each.document() for each in self.released},
            "scored": {stage: each.document() for stage, each in self.scored.items()},
            **({"bad_model": self.bad.document()} if self.bad else {}),
            **({"drift": self.drift.document()} if self.drift else {}),
            "seconds": round(self.seconds, 3),
        }

    def blocks(self) -> Sequence[Block]:
        """The tables of the parts, what every stage runs, and where to look."""
        promotions = [block for each in self.released for block in each.blocks()]
        where_to_look = [
            ("report of the training", str(self.trained.report or "none")),
            *((f"report of the gate for {each.stage}", str(each.report)) for each in self.released if each.report),
            *((("all reports", str(self.trained.report.with_name("index.html"))),) if self.trained.report else ()),
            *(self.drift.where if self.drift else ()),
            ("MLflow (link works once)", self.pages if self.goes_on else "not running"),
            ("scratch repository", str(self.scratch)),
        ]
        folder = os.path.relpath(self.scratch)
        in_progress = (
            "The workspace keeps running, and any command finds it; `mlops down` stops it. The releases are in the "
            f"scratch repository, not in your checkout: `mlops --project {folder} COMMAND` sees them, such as "
            f"`mlops --project {folder} gate --stage staging`."
        )
        stopped = "The workspace is stopped and keeps its contents; `mlops up` starts it again."
        return [
            *self.trained.blocks()[:-1],
            *promotions,
            *(block for each in self.scored.values() for block in each.blocks()),
            *(self.bad.blocks() if self.bad else ()),
            *(self.drift.blocks() if self.drift else ()),
            Table("what each stage runs", _COLUMNS, tuple(_row(each) for each in self.released), ("digest",)),
            Table("where to look", (), tuple(where_to_look)),
            Line(f"the full lifecycle took {self.seconds:.1f} s", "good"),
            Line(in_progress if self.goes_on else stopped, "hint"),
        ]


_COLUMNS: Final = ("stage", "endpoint", "deployment", "traffic", "model version", "digest")


def _row(released: Released) -> tuple[str, ...]:
    deployed = released.deployed
    traffic = f"{deployed.traffic.get(deployed.deployment, 0)} %"
    digest = deployed.model.digest[:_DIGEST_CHARACTERS]
    return (released.stage, deployed.endpoint, deployed.deployment, traffic, deployed.model.version, digest)


@dataclass(frozen=True)
class DemoOptions:
    """What to show: up to which stage, and which scenario after the release."""

    until: StageName
    bad_model: bool = False
    drift: bool = False


def demo(project: Project, data_file: Path | None, wish: DemoOptions, *, fresh: bool = False) -> DemoResult:
    """Start the workspace on this machine, train in it, release stage by stage, then show the chosen scenario.

    Raises MachineError if an environment of the project must be installed first.
    """
    begun = time.monotonic()
    for environment in environments_of(project.root):
        environment.require()
    if fresh:
        reset(project)
    if not any(state_folder(project).iterdir()):
        # Releases of a deleted workspace are useless.
        forget(project)
    with ThreadPoolExecutor() as side:
        imports = side.submit(_import_slow_modules)
        data = side.submit(lambda: DefaultData(data_file) if data_file else default_data(project))
        scratch = side.submit(_scratch_for, project, data)
        os.environ.update(ensure_started(project).values)
        imports.result()
        return _lifecycle(project, scratch.result(), data.result().file, side, wish, begun)


def _scratch_for(project: Project, data: Future[DefaultData]) -> Scratch:
    """The scratch repository, where synthetic rows are judged by bounds that they can meet."""
    schema = data.result().schema
    if schema is None:
        return prepare(project, say)
    from model_package.steps.featureless import featureless_metrics
    from model_package.steps.synthetic_rows import synthetic_rows

    reached = featureless_metrics(schema, synthetic_rows(schema))
    say(f"synthetic rows: {GATES_FILE} of the scratch repository only requires a model that beats a constant one")
    return prepare(project, say, lambda text: with_featureless_bounds(text, TASKS[schema.task], reached))


def _lifecycle(
    project: Project, scratch: Scratch, data: Path, side: ThreadPoolExecutor, wish: DemoOptions, begun: float
) -> DemoResult:
    from mlops.azure.workspace import WorkspaceClients
    from mlops.demo.releasing import release_to
    from mlops.training.run import train

    clients = WorkspaceClients(scratch.project)
    trained = train(clients.training, scratch.at_source(), project.order.training, data)
    stages = project.order.until(wish.until)
    released = [release_to(scratch, clients, stage, trained.model.version) for stage in stages]
    bad = drift = None
    if wish.bad_model:
        from mlops.demo.bad_model import show_bad_models

        bad = show_bad_models(scratch, clients, data, trained.model.version)
        released = [release_to(scratch, clients, stage, trained.model.version) for stage in stages]
    # The link works for some minutes only; asking for it starts a process.
    pages = side.submit(pages_link, project)
    called = [each for each in stages if each == wish.until or project.settings.stage(each).serving == BATCH]
    scored = {stage: _scored(project, clients, stage, trained.job) for stage in called}
    if wish.drift:
        from mlops.demo.drift import show_drift

        drift = show_drift(scratch)
        if drift.retrained.deployed:
            # The new model runs in the training stage, and waits there.
            released[0] = replace(released[0], deployed=drift.retrained.deployed)
    return DemoResult(
        trained=trained,
        released=tuple(released),
        scored=scored,
        bad=bad,
        drift=drift,
        scratch=scratch.project.root,
        pages=pages.result(),
        seconds=time.monotonic() - begun,
    )


def _scored(project: Project, clients: WorkspaceClients, stage: StageName, job: str) -> ScoreResult | BatchScoreResult:
    """A stage's answer to the sample request, or its predictions of the held-out rows where it scores only files."""
    from mlops.batch.score import score_files
    from mlops.endpoint.scoring import score

    if project.settings.stage(stage).serving == BATCH:
        rows = held_out_file(clients.training, clients.project, job)
        return score_files(clients.stage(stage), clients.project, stage, str(rows), project.path(_PREDICTIONS / stage))
    request = project.required_file(SAMPLE_REQUEST).read_bytes()
    return score(clients.stage(stage), clients.project, stage, request)


def _import_slow_modules() -> None:
    for name in _SLOW_IMPORTS:
        importlib.import_module(name)
