"""The whole way on this machine: the same functions as train, promote, gate and deploy, behind one command.

It decides only what can happen side by side, and in which order; what each part does is said elsewhere.
"""

from __future__ import annotations

import importlib
import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from mlops.demo.scratch import Scratch, forget, prepare
from mlops.emulator import ensure_started, reset, state_folder, tracking_address
from mlops.layout import SAMPLE_REQUEST
from mlops.progress import say
from mlops.project import STAGE_NAMES, Project, StageName
from mlops.releases.manifest import TRAINING_STAGE
from mlops.results import Block, Line, Result, Table
from mlops.sample import sample_file

if TYPE_CHECKING:
    from mlops.demo.bad_model import BadModelResult
    from mlops.demo.releasing import Released
    from mlops.serving.scoring import ScoreResult
    from mlops.training.run import TrainResult

# What the parts below need of Azure's SDK, whose import takes longer than the start of the workspace.
_SLOW_IMPORTS: Final = ("mlops.demo.releasing", "mlops.training.run", "mlops.serving.scoring")
_DIGEST_CHARACTERS: Final = 19


@dataclass(frozen=True)
class DemoResult(Result):
    """What happened, and where to look; `released` holds the stages in their order."""

    trained: TrainResult
    released: tuple[Released, ...]
    scored: ScoreResult
    bad: BadModelResult | None
    scratch: Path
    tracking: str | None
    seconds: float
    goes_on: bool = True

    def document(self) -> dict[str, Any]:
        """The job, its metrics, the model, and what the stages run."""
        model = self.trained.model
        return {
            "job": self.trained.job,
            "metrics": {name: metric.value for name, metric in self.trained.metrics.items()},
            "model": {"name": model.name, "version": model.version, "digest": model.digest},
            "stages": {each.stage: each.document() for each in self.released},
            **({"bad_model": self.bad.document()} if self.bad else {}),
            "seconds": round(self.seconds, 3),
        }

    def blocks(self) -> Sequence[Block]:
        """The tables of the parts, what every stage runs, and where to look."""
        promotions = [block for each in self.released for block in each.blocks()]
        places = [
            ("report of the training", str(self.trained.report or "none")),
            *((f"report of the gate for {each.stage}", str(each.report)) for each in self.released if each.report),
            ("MLflow", (self.tracking if self.goes_on else None) or "not running"),
            ("scratch repository", str(self.scratch)),
        ]
        going_on = 'It goes on running: eval "$(mlops env)" and use any command; `mlops down` stops it.'
        stopped = "It is stopped, and keeps what it has; `mlops up` starts it again."
        return [
            *self.trained.blocks()[:-1],
            *promotions,
            *self.scored.blocks(),
            *(self.bad.blocks() if self.bad else ()),
            Table("what each stage runs", _COLUMNS, tuple(_row(each) for each in self.released)),
            Table("where to look", (), tuple(places)),
            Line(f"the whole way took {self.seconds:.1f} s", "good"),
            Line(going_on if self.goes_on else stopped, "hint"),
        ]


_COLUMNS: Final = ("stage", "endpoint", "deployment", "traffic", "model version", "digest")


def _row(released: Released) -> tuple[str, ...]:
    deployed = released.deployed
    traffic = f"{deployed.traffic.get(deployed.deployment, 0)} %"
    digest = deployed.model.digest[:_DIGEST_CHARACTERS]
    return (released.stage, deployed.endpoint, deployed.deployment, traffic, deployed.model.version, digest)


def demo(
    project: Project, data_file: Path | None, *, until: StageName, bad_model: bool = False, fresh: bool = False
) -> DemoResult:
    """Start the workspace on this machine, train in it, and release stage by stage as far as `until`."""
    begun = time.monotonic()
    if fresh:
        reset(project)
    if not any(state_folder(project).iterdir()):
        # Releases of a workspace that is gone lead nowhere.
        forget(project)
    with ThreadPoolExecutor() as side:
        imports = side.submit(_import_slow_modules)
        scratch = side.submit(prepare, project, say)
        sample = None if data_file else side.submit(sample_file, project)
        os.environ.update(ensure_started(project).values)
        imports.result()
        data = sample.result() if sample else data_file
        return _lifecycle(project, scratch.result(), data, side, until, begun, bad_model=bad_model)


def _lifecycle(
    project: Project,
    scratch: Scratch,
    data: Path | None,
    side: ThreadPoolExecutor,
    until: StageName,
    begun: float,
    *,
    bad_model: bool,
) -> DemoResult:
    from mlops.demo.releasing import release_to
    from mlops.promotion.connections import Connections
    from mlops.serving.scoring import score
    from mlops.training.run import train

    places = Connections(scratch.project)
    trained = train(places.training, scratch.at_source(), TRAINING_STAGE, data)
    # Where runs are seen is known once there was one; asking takes a process of its own.
    tracking = side.submit(tracking_address, project)
    stages = STAGE_NAMES[: STAGE_NAMES.index(until) + 1]
    released = [release_to(scratch, places, stage, trained.model.version) for stage in stages]
    bad = None
    if bad_model:
        from mlops.demo.bad_model import show_bad_models

        bad = show_bad_models(scratch, places, data, trained.model.version)
        released = [release_to(scratch, places, stage, trained.model.version) for stage in stages]
    scored = score(places.stage(until), scratch.project, until, project.required_file(SAMPLE_REQUEST).read_bytes())
    return DemoResult(
        trained=trained,
        released=tuple(released),
        scored=scored,
        bad=bad,
        scratch=scratch.project.root,
        tracking=tracking.result(),
        seconds=time.monotonic() - begun,
    )


def _import_slow_modules() -> None:
    for name in _SLOW_IMPORTS:
        importlib.import_module(name)
