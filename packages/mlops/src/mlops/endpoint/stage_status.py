"""What each stage runs, as far as its workspace can be read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from azure.ai.ml import MLClient

from mlops.core.errors import MlopsError
from mlops.core.results import Block, Line, Result, Table
from mlops.endpoint.view import Deployment, View, live_in, observe_stage
from mlops.settings.project import Project
from mlops.settings.releases import manifest_file, read_manifest
from mlops.settings.stages import StageName

_DIGEST_CHARACTERS = 19


@dataclass(frozen=True)
class LastJob:
    """The newest job of a workspace."""

    name: str
    status: str


@dataclass(frozen=True)
class StageStatus:
    """One stage; `problem` says why it could not be read, `differs` how what it runs differs from what git releases."""

    stage: str
    endpoint: str
    view: View | None = None
    last_job: LastJob | None = None
    problem: MlopsError | None = None
    differs: str = ""

    def document(self) -> dict[str, Any]:
        """Everything."""
        view = self.view
        return {
            "endpoint": self.endpoint,
            "exists": bool(view and view.exists),
            "state": view.state if view and view.exists else None,
            "scoring_uri": (view.scoring_uri or None) if view else None,
            "traffic": view.shares if view else {},
            "mirror": dict(view.mirror) if view else {},
            "rollout": view.in_progress.phase if view and view.in_progress else None,
            "deployments": _deployments(view) if view else [],
            "last_job": asdict(self.last_job) if self.last_job else None,
            "differs": self.differs or None,
            "problem": self.problem.message if self.problem else None,
        }

    def rows(self) -> list[tuple[str, ...]]:
        """One row per deployment, or one that says why there is none."""
        if self.problem:
            return [(self.stage, "unknown, see below", "", "", "", "")]
        if self.view is None or not self.view.exists:
            return [(self.stage, "no endpoint yet", "", "", "", "")]
        shares = self.view.shares
        return [self._row(self.view.deployments[name], share) for name, share in shares.items()] or [
            (self.stage, f"{self.endpoint} without a deployment", "", "", "", "")
        ]

    def _row(self, deployment: Deployment, share: int) -> tuple[str, ...]:
        return (
            self.stage,
            f"{self.endpoint}/{deployment.name}",
            f"{share} %",
            deployment.model_version,
            deployment.digest[:_DIGEST_CHARACTERS],
            deployment.state,
        )


@dataclass(frozen=True)
class StatusResult(Result):
    """The stages in order."""

    stages: tuple[StageStatus, ...]
    hint: str = ""

    @property
    def exit_code(self) -> int:
        """That of the first problem if no stage could be read."""
        problems = [stage.problem for stage in self.stages if stage.problem]
        return problems[0].exit_code if problems and len(problems) == len(self.stages) else 0

    def document(self) -> dict[str, Any]:
        """A stage for each key."""
        return {"stages": {stage.stage: stage.document() for stage in self.stages}}

    def blocks(self) -> Sequence[Block]:
        """One table of deployments, with the last jobs below it."""
        rows = tuple(row for stage in self.stages for row in stage.rows())
        columns = ("stage", "deployment", "traffic", "model version", "digest", "state")
        jobs = [
            Line(f"last job in {stage.stage}: {stage.last_job.name} ({stage.last_job.status})")
            for stage in self.stages
            if stage.last_job
        ]
        differing = [Line(f"{stage.stage}: {stage.differs}", "bad") for stage in self.stages if stage.differs]
        hint = [Line(self.hint, "hint")] if differing and self.hint else []
        return [Table("", columns, rows, ("digest", "state")), *jobs, *differing, *hint, *self._problems()]

    def _problems(self) -> list[Line]:
        """Each problem once, with the stages that have it, and each piece of advice once below."""
        having: dict[str, list[str]] = {}
        for stage in self.stages:
            if stage.problem:
                having.setdefault(stage.problem.message, []).append(stage.stage)
        advice = dict.fromkeys(stage.problem.advice for stage in self.stages if stage.problem and stage.problem.advice)
        told = [Line(f"{', '.join(names)}: {message}", "bad") for message, names in having.items()]
        return [*told, *(Line(sentence) for sentence in advice)]


def stage_status(client: MLClient, project: Project, stage_name: StageName) -> StageStatus:
    """Read one stage's workspace."""
    settings = project.settings.stage(stage_name)
    newest = next((job for job in client.jobs.list() if job is not None), None)
    last_job = LastJob(str(newest.name), _word(newest.status)) if newest else None
    view = observe_stage(client, settings)
    return StageStatus(
        stage_name, settings.main_endpoint, view, last_job, differs=difference(project, stage_name, view)
    )


def difference(project: Project, stage_name: StageName, view: View) -> str:
    """How the live model differs from the release in this checkout; the training stage has none."""
    file = manifest_file(project.root, stage_name)
    live = live_in(view)
    if live is None or stage_name == project.order.training or not file.is_file():
        return ""
    release = read_manifest(file).release
    if release is None:
        return f"runs version {live.version}, and this checkout releases no model to it"
    if release.model.digest == live.digest:
        return ""
    return f"runs version {live.version}, and this checkout releases version {release.model.version}"


def _word(status: object) -> str:
    # Some lists contain enums, whose str() is not the value.
    return str(getattr(status, "value", status) or "unknown")


def _deployments(view: View) -> list[dict[str, Any]]:
    return [asdict(view.deployments[name]) | {"traffic": share} for name, share in view.shares.items()]
