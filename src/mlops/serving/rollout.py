"""A rollout: observe, decide, say why, execute, again. To resume an interrupted one, run it again."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from azure.ai.ml import MLClient

from mlops.errors import RolloutFailed
from mlops.progress import say
from mlops.project import Project, StageName
from mlops.results import Block, Line, Result, Table
from mlops.serving.deployment_files import configuration_of
from mlops.serving.execution import Target, execute
from mlops.serving.observation import observe
from mlops.serving.rollout_decision import Action, Done, SmokeTest, next_action
from mlops.serving.rollout_view import Plan, View
from mlops.training.package_store import package_of_model
from mlops.training.registration import ModelVersion, find_version

# A rollout without surprises takes five; more than this means that somebody else works against it.
_MOST_ACTIONS: Final = 15


@dataclass(frozen=True)
class DeployResult(Result):
    """What a stage's endpoint runs now, and what was done for it."""

    stage: str
    endpoint: str
    scoring_uri: str
    deployment: str
    traffic: dict[str, int]
    model: ModelVersion
    actions: tuple[str, ...]
    seconds: float

    def document(self) -> dict[str, Any]:
        """Everything."""
        return asdict(self) | {"actions": list(self.actions), "seconds": round(self.seconds, 3)}

    def blocks(self) -> Sequence[Block]:
        """The endpoint and its traffic."""
        share = ", ".join(f"{name} {percent} %" for name, percent in sorted(self.traffic.items()))
        rows = (
            ("endpoint", self.endpoint),
            ("address", self.scoring_uri),
            ("deployment", self.deployment),
            ("traffic", share),
            ("model", f"{self.model.name} version {self.model.version}"),
            ("digest", self.model.digest),
        )
        done = f"done in {self.seconds:.1f} s" if self.actions else "nothing to do: it runs already"
        return [
            Table(f"stage {self.stage}", (), rows),
            Line(done, "good"),
            Line(f"Next: `mlops score --stage {self.stage}`", "hint"),
        ]


def deploy(client: MLClient, project: Project, stage_name: StageName, version: str | None) -> DeployResult:
    """Roll a registered version (the newest when None) out to a stage's endpoint."""
    begun = time.monotonic()
    settings = project.settings
    stage = settings.stage(stage_name)
    model = find_version(client, settings.model, version)
    plan = Plan(model.name, model.version, model.digest, configuration_of(project, stage))
    target = Target(client, project, stage, plan, package_of_model(client, project, model))
    view, actions = run_rollout(target)
    final = actions[-1]
    return DeployResult(
        stage=stage_name,
        endpoint=stage.endpoint,
        scoring_uri=view.scoring_uri,
        deployment=final.deployment if isinstance(final, Done) else "",
        traffic=view.traffic,
        model=model,
        actions=tuple(action.reason for action in actions[:-1]),
        seconds=time.monotonic() - begun,
    )


def run_rollout(target: Target) -> tuple[View, list[Action]]:
    """Act until there is nothing left to do; the last view, and the actions with `Done` at the end."""
    smoke_tested: frozenset[str] = frozenset()
    actions: list[Action] = []
    while len(actions) < _MOST_ACTIONS:
        view = observe(target.client, target.stage.endpoint)
        action = next_action(view, target.plan, smoke_tested)
        actions.append(action)
        if isinstance(action, Done):
            return view, actions
        say(f"{type(action).__name__}: {action.reason}")
        execute(action, view, target)
        if isinstance(action, SmokeTest):
            smoke_tested |= {action.deployment}
    raise RolloutFailed(
        f"{target.stage.endpoint} did not come to rest after {_MOST_ACTIONS} actions",
        "Somebody else may be deploying to it; look at `mlops status` and run the command again.",
    )
