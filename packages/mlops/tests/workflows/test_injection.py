"""Injection: no workflow runs text from an event as code, and no log interprets it as a command.

The text is in branches, commit messages, titles and bodies of pull requests, and in a model version passed between
jobs. That `mlops` prints no commands of the CI system is tested with `mlops`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from workflow_replay.events import Dispatch, Event, Manual, PullRequest, Push, Schedule
from workflow_replay.result import Run

from .conftest import Harness, System
from .test_workflow_paths import MAIN, both_systems, planned

FORGED = "forged"


def injection(canary: Path) -> str:
    """A valid branch name that creates the canary wherever a shell, a template or a macro runs it as code."""
    touch = f"touch${{IFS}}{canary}"
    expressions = "${{github.token}}$(System.AccessToken)"
    return f"a\";{touch};'`{touch}`'$({touch})&{touch}|{touch}#{expressions}"


def message(canary: Path) -> str:
    """The same, with commands that a log would interpret."""
    commands = (
        f"::error::{FORGED}",
        f"::set-output name=prod::{FORGED}",
        f"##[error]{FORGED}",
        f"##vso[task.logissue type=error]{FORGED}",
        f"##vso[task.setvariable variable=prod;isOutput=true]{FORGED}",
    )
    return "\n".join([injection(canary), "", *commands])


def as_variable(system: System, text: str) -> str:
    """A text as the value of a variable: Azure's agent expands macros in variables, so `mlops` breaks them up."""
    return text.replace("$(", "$ (") if system == "azure" else text


def events(harness: Harness, system: System, canary: Path, typed: str) -> Sequence[tuple[str, Event]]:
    """All workflows with all events that contain user text; `typed` is the input of manual runs."""
    files = ("releases/prod.yml", "components/a.py", "infra/a.py", "uv.lock")
    others = ("releases/staging.yml", "components/b.py", "infra/b.py")
    branch, text = injection(canary), message(canary)
    harness.origin.commit(dict.fromkeys(files, "2\n"), text, branch=branch)
    harness.origin.switch("main")
    before = harness.origin.tip("main")
    harness.origin.commit(dict.fromkeys(others, "2\n"), text)
    pull = PullRequest(branch, "main", title=text, body=text, actor=branch)
    push = Push(MAIN, before, actor=branch)
    of_pull = [(workflow, pull) for workflow in ("ci", "gate", "infra-preview")]
    of_push = [(workflow, push) for workflow in ("train", "deploy", "infra")]
    by_hand = [(workflow, Manual(MAIN, {"since": typed})) for workflow in ("deploy", "infra")]
    by_reason = [("retrain", Manual(MAIN, {"because": typed}))]
    by_time = [(workflow, Schedule()) for workflow in ("promote", "infra-drift", "dependencies", "monitor")]
    found = [*of_pull, *of_push, *by_hand, *by_reason, *by_time]
    if system == "azure":
        return found
    # Azure Pipelines has no file for the first, and receives the second through a service connection.
    dispatched = Dispatch("drift-found", {"data": {"stage": typed, "reason": text}, typed: text})
    return [*found, ("dependency-review", pull), ("retrain", dispatched)]


@both_systems
def test_injected_text_is_neither_run_nor_interpreted(harness: Harness, system: System, tmp_path: Path) -> None:
    # given injected text everywhere, even as the version of a model
    canary = tmp_path / "canary"
    version, typed = as_variable(system, injection(canary)), as_variable(system, message(canary))
    harness.answer(
        {
            "mlops plan": {"outputs": planned("staging", "prod")},
            "mlops preview": {"outputs": dict.fromkeys(("shared", "dev", "staging", "prod"), "true")},
            "--submit": {"outputs": {"job": version}},
            "--job": {"outputs": {"version": version}},
            "provenance": {"folders": ["provenance"]},
            "sbom.py": {"folders": ["sbom"]},
            "mlops monitor": {"outputs": {"retrain": "true", "because": version}},
        }
    )

    for workflow, event in events(harness, system, canary, typed):
        # when
        run = harness.replay(system, workflow, event, PULUMI_BACKEND_URL="azblob://state")

        # then none of it runs, and it arrives as a single word where it is passed on
        assert run.conclusion == "success", (workflow, run.reason, [each.message for each in run.annotations()])
        assert not canary.exists(), workflow
        assert not list(forged(run)), workflow
        for call in harness.calls():
            if "--version" in call.words and "dev" in call.words:
                assert version in call.words
            if {"--since", "--because"} & set(call.words) and isinstance(event, Manual):
                assert typed in call.words
            if "--because" in call.words and isinstance(event, Schedule):
                assert version in call.words
            if "--because" in call.words and isinstance(event, Dispatch):
                assert json.loads(call.words[-1]) == event.payload
    assert not canary.exists()


def forged(run: Run) -> Sequence[str]:
    """Annotations and outputs that were forged."""
    annotations = [annotation.message for annotation in run.annotations() if FORGED in annotation.message]
    values = [value for job in run.jobs for value in job.outputs.values() if FORGED in value]
    return [*annotations, *values]
