"""The whole way on this machine: the same functions as train, deploy and score, behind one command.

It decides only what can happen side by side; what each part does is said elsewhere.
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

from mlops.emulator import ensure_started, reset, tracking_address
from mlops.layout import SAMPLE_REQUEST
from mlops.project import Project, StageName
from mlops.results import Block, Line, Result, Table
from mlops.sample import sample_file

if TYPE_CHECKING:
    from mlops.serving.rollout import DeployResult
    from mlops.serving.scoring import ScoreResult
    from mlops.training.run import TrainResult

STAGE: Final[StageName] = "dev"
# What the parts below need of Azure's SDK, whose import takes longer than the start of the workspace.
_SLOW_IMPORTS: Final = (
    "mlops.workspace",
    "mlops.training.run",
    "mlops.serving.rollout",
    "mlops.serving.scoring",
)


@dataclass(frozen=True)
class DemoResult(Result):
    """What happened, and where to look."""

    trained: TrainResult
    deployed: DeployResult
    scored: ScoreResult
    tracking: str | None
    seconds: float

    def document(self) -> dict[str, Any]:
        """The job, its metrics, the model, and what the stage runs."""
        model = self.trained.model
        return {
            "job": self.trained.job,
            "metrics": {name: metric.value for name, metric in self.trained.metrics.items()},
            "model": {"name": model.name, "version": model.version, "digest": model.digest},
            "stages": {
                STAGE: {
                    "endpoint": self.deployed.endpoint,
                    "scoring_uri": self.deployed.scoring_uri,
                    "deployment": self.deployed.deployment,
                    "traffic": self.deployed.traffic,
                    "model_version": self.deployed.model.version,
                }
            },
            "seconds": round(self.seconds, 3),
        }

    def blocks(self) -> Sequence[Block]:
        """The tables of the parts, and where to look."""
        places = [
            ("report", str(self.trained.report or "none")),
            ("MLflow", self.tracking or "not running"),
            ("endpoint", self.deployed.scoring_uri),
        ]
        hint = 'It goes on running: eval "$(uv run mlops env)" and use any command; `mlops down` stops it.'
        return [
            *self.trained.blocks()[:-1],
            *self.deployed.blocks()[:-1],
            *self.scored.blocks(),
            Table("where to look", (), tuple(places)),
            Line(f"the whole way took {self.seconds:.1f} s", "good"),
            Line(hint, "hint"),
        ]


def demo(project: Project, data_file: Path | None, *, fresh: bool) -> DemoResult:
    """Start the workspace on this machine, then train, deploy and score in it."""
    begun = time.monotonic()
    if fresh:
        reset(project)
    with ThreadPoolExecutor() as side:
        imports = side.submit(_import_slow_modules)
        sample = None if data_file else side.submit(sample_file, project)
        os.environ.update(ensure_started(project).values)
        imports.result()
        return _lifecycle(project, sample.result() if sample else data_file, side, begun)


def _lifecycle(project: Project, data: Path | None, side: ThreadPoolExecutor, begun: float) -> DemoResult:
    from mlops.serving.rollout import deploy
    from mlops.serving.scoring import score
    from mlops.training.run import train
    from mlops.workspace import connect

    client = connect(project.settings.stage(STAGE))
    trained = train(client, project, STAGE, data)
    # Where runs are seen is known once there was one; asking takes a process of its own.
    tracking = side.submit(tracking_address, project)
    deployed = deploy(client, project, STAGE, trained.model.version)
    scored = score(client, project, STAGE, project.required_file(SAMPLE_REQUEST).read_bytes())
    return DemoResult(trained, deployed, scored, tracking.result(), time.monotonic() - begun)


def _import_slow_modules() -> None:
    for name in _SLOW_IMPORTS:
        importlib.import_module(name)
