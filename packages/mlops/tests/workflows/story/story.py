"""The whole story, told once for both systems: chapter after chapter, each with what must be seen at its end.

A component changes → training → dev → pull request → staging → soak → pull request → prod → a bad release → automatic
rollback → the pull request that makes git agree.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, Final

from forge_standin.state import PullRequest as Proposal

from mlops.demo.callers import Callers
from mlops.settings.project import load_project
from mlops.settings.releases import manifest_path, parse_manifest
from mlops.settings.stages import StageName, StageOrder
from workflow_replay.events import Manual, Schedule
from workflow_replay.record import Run

from .callers import calling
from .place import MAIN_REF, Place, told

ORDER = StageOrder(("dev", "staging", "prod"))

COMPONENT: Final = "components/train_model/component.yml"
PIPELINE: Final = "pipelines/train.yml"
WAIT: Final = "wait_hours: 24"
FULL: Final = 100
JUDGED: Final = ("plan --since BEFORE", "gate --since BEFORE --no-record")
PLANNED: Final = ("plan --since BEFORE",)


def trained(version: str) -> tuple[str, ...]:
    """What a push of what goes into a model runs."""
    return (
        "train --stage dev --submit --data-version",
        "train --stage dev --job JOB",
        f"provenance --stage dev --version {version} --out provenance",
        f"deploy --stage dev --version {version} --unless-superseded",
        "promote --to staging --when-ready",
    )


def deployed(stage: str) -> tuple[str, ...]:
    """What the merge of a release runs."""
    return ("plan --since BEFORE", f"deploy --stage {stage} --version --unless-superseded")


TOO_EARLY: Final = "promote --to prod --when-ready"
# Every command of `mlops` in its order, without the checks of the code itself.
COMMANDS: Final = (
    *(*PLANNED, *trained("1")),
    *(*JUDGED, *deployed("staging")),
    *(TOO_EARLY, *PLANNED, *PLANNED, "promote --to prod --when-ready"),
    *(*JUDGED, *deployed("prod")),
    *(*PLANNED, *trained("2")),
    *(*JUDGED, *deployed("staging"), "promote --to prod --when-ready"),
    *(*JUDGED, *deployed("prod"), "revert --stage prod"),
    *(*JUDGED, *deployed("prod")),
)  # fmt: skip


def tell(place: Place) -> None:
    """All of it."""
    a_component_changes(place)
    staging_gets_the_model(place)
    prod_waits_for_the_soak(place)
    prod_gets_the_model(place)
    another_model_reaches_staging(place)
    callers = prod_rolls_it_back(place)
    git_agrees_again(place)

    assert callers.requests > 0
    assert callers.failures == {}
    assert commands(place) == COMMANDS


def a_component_changes(place: Place) -> None:
    """A change is reviewed and merged; the model that it makes runs in dev."""
    file = place.desk / COMPONENT
    text = file.read_text().replace("version: 1.0.0", "version: 1.0.1").replace("default: 200", "default: 199")
    change = place.propose("fewer-trees", {COMPONENT: text}, "Fewer trees")
    _succeeded(place.check(change))
    _succeeded(place.accept(change))

    assert live(place) == {"dev": "1", "staging": None, "prod": None}
    assert place.entered == (["dev"] * 3 + ["promotion"] if place.system == "github" else ["dev"])


def staging_gets_the_model(place: Place) -> None:
    """The promotion that training has opened is judged, approved, merged and rolled out."""
    promotion = _proposed(place, "Promote credit-default 1 to staging")
    _succeeded(place.check(promotion))
    assert "all 22 gates pass" in promotion.body
    _succeeded(place.accept(promotion))

    assert live(place)["staging"] == released(place)["staging"] == "1"
    assert place.entered[-1] == "staging"


def prod_waits_for_the_soak(place: Place) -> None:
    """A schedule comes too early; the team shortens the wait, which releases nothing; then it is time."""
    early = place.play_one("promote", Schedule())
    _succeeded([early])
    assert any("has to for 24 hours" in line for step in early.steps() for line in step.output)
    assert place.forge.open_pull_requests() == []

    place.catch_up()
    text = (place.desk / "releases/prod.yml").read_text()
    assert WAIT in text
    shorter = place.propose("no-wait", {"releases/prod.yml": text.replace(WAIT, "wait_hours: 0")}, "Wait less")
    _succeeded(place.check(shorter))
    _succeeded(place.accept(shorter))

    assert live(place)["prod"] is None
    _succeeded([place.play_one("promote", Manual(MAIN_REF, {"stage": "prod"}))])


def prod_gets_the_model(place: Place) -> None:
    """The promotion to prod."""
    promotion = _proposed(place, "Promote credit-default 1 to prod")
    _succeeded(place.check(promotion))
    _succeeded(place.accept(promotion))

    assert live(place)["prod"] == released(place)["prod"] == "1"
    assert place.entered[-1] == "prod"


def another_model_reaches_staging(place: Place) -> None:
    """Another model, as good, for which the scoring script is not; no gate and no test of a rollout can see that."""
    place.catch_up()
    pipeline = (place.desk / PIPELINE).read_text().replace("  seed: 7\n", "  seed: 8\n")
    change = place.propose("another-seed", {PIPELINE: pipeline}, "Another seed")
    _succeeded(place.check(change))
    _succeeded(place.accept(change))
    promotion = _proposed(place, "Promote credit-default 2 to staging")
    _succeeded(place.check(promotion))
    _succeeded(place.accept(promotion))
    _succeeded([place.play_one("promote", Schedule())])

    assert live(place) == {"dev": "2", "staging": "2", "prod": "1"}


def prod_rolls_it_back(place: Place) -> Callers:
    """It passes the gate for prod, is merged, meets people, and is rolled back by itself; a pull request tells git."""
    promotion = _proposed(place, "Promote credit-default 2 to prod")
    _succeeded(place.check(promotion))
    with calling(load_project(place.desk), "prod", place.cloud) as callers:
        runs = place.accept(promotion)

    (deploy,) = [run for run in runs if run.name == "deploy"]
    _succeeded([run for run in runs if run is not deploy])
    assert deploy.conclusion == "failure"
    failed = [step.name for step in deploy.steps() if step.outcome == "failure"]
    assert failed == ["Roll out"], told(deploy)
    assert live(place)["prod"] == "1"
    assert released(place)["prod"] == "2"
    return callers


def git_agrees_again(place: Place) -> None:
    """The revert that the workflow has opened is judged and merged; it moves no traffic."""
    revert = _proposed(place, "Revert prod: credit-default 2 does not run there")
    _succeeded(place.check(revert))
    before = records(place, "prod")
    _succeeded(place.accept(revert))

    assert records(place, "prod")[len(before) :] == []
    assert live(place) == released(place) | {"dev": "2"} == {"dev": "2", "staging": "2", "prod": "1"}
    assert place.forge.open_pull_requests() == []


def commands(place: Place) -> tuple[str, ...]:
    """What `mlops` was asked by jobs, without what differs by the system's own rules: revisions and names of jobs."""
    said = [" ".join(word for word in call.words if word) for call in place.uv.calls]
    return tuple(_plain(each) for each in said if each != "check")


def live(place: Place) -> dict[str, str | None]:
    """Which version has all of a stage's traffic; None where nothing runs."""
    stages = json.loads(place.mlops("status", "--json"))["stages"]
    return {name: _whole(stages[name]) for name in ORDER.names}


def released(place: Place) -> dict[str, str | None]:
    """Which version git says that a stage runs."""
    found = {}
    for stage in ORDER.names:
        text = place.forge.bare.run("show", f"main:{manifest_path(stage)}")
        release = parse_manifest(text, stage).release
        found[stage] = release.model.version if release else None
    return found


def records(place: Place, stage: StageName) -> list[dict[str, Any]]:
    """The stage's audit log; the command fails when it was tampered with."""
    return json.loads(place.mlops("history", "--stage", stage, "--json"))["stages"][stage]["records"]


def _whole(status: dict[str, Any]) -> str | None:
    assert status["rollout"] is None
    assert not any(status["mirror"].values())
    busy = [(each["model_version"], each["traffic"]) for each in status["deployments"] if each["traffic"]]
    assert len(busy) <= 1
    assert all(share == FULL for _, share in busy)
    return busy[0][0] if busy else None


def _proposed(place: Place, title: str) -> Proposal:
    """The one open pull request, which a workflow has opened."""
    (proposal,) = place.forge.open_pull_requests()
    assert proposal.title == title
    assert proposal.author == "github-actions[bot]"
    return proposal


def _succeeded(runs: Sequence[Run]) -> None:
    assert runs
    for run in runs:
        assert run.conclusion == "success", told(run)


def _plain(command: str) -> str:
    command = re.sub(r"--since (HEAD\^1|[0-9a-f]{40})", "--since BEFORE", command)
    return re.sub(r"--job credit-default-[0-9a-f-]+", "--job JOB", command)
