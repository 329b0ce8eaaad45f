"""What strangers may write, in the names and texts that events carry: no workflow runs it, and no log obeys it.

Branches, messages of commits, titles and bodies of pull requests, and the version of a model as a job hands it over.
That `mlops` itself prints nothing that a CI system would obey is tested with `mlops`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from workflow_replay.events import Dispatch, Event, Manual, PullRequest, Push, Schedule
from workflow_replay.record import Run

from .conftest import System, Ways
from .test_ways import MAIN, both_systems, planned

FORGED = "forged"


def hostile(canary: Path) -> str:
    """A text, and a branch's name, that makes the canary wherever a shell, a template or a macro reads it as code."""
    touch = f"touch${{IFS}}{canary}"
    expressions = "${{github.token}}$(System.AccessToken)"
    return f"a\";{touch};'`{touch}`'$({touch})&{touch}|{touch}#{expressions}"


def message(canary: Path) -> str:
    """The same, and what logs would obey."""
    commands = (
        f"::error::{FORGED}",
        f"::set-output name=prod::{FORGED}",
        f"##[error]{FORGED}",
        f"##vso[task.logissue type=error]{FORGED}",
        f"##vso[task.setvariable variable=prod;isOutput=true]{FORGED}",
    )
    return "\n".join([hostile(canary), "", *commands])


def handed_over(system: System, text: str) -> str:
    """A text as a job's variable can hold it: Azure's agent follows macros in variables, and `mlops` breaks them up."""
    return text.replace("$(", "$ (") if system == "azure" else text


def events(ways: Ways, system: System, canary: Path, typed: str) -> Sequence[tuple[str, Event]]:
    """Every way with every event that carries somebody's text; `typed` is what starts one by hand."""
    files = ("releases/prod.yml", "components/a.py", "infra/a.py", "uv.lock")
    others = ("releases/staging.yml", "components/b.py", "infra/b.py")
    branch, text = hostile(canary), message(canary)
    ways.origin.commit(dict.fromkeys(files, "2\n"), text, branch=branch)
    ways.origin.switch("main")
    before = ways.origin.tip("main")
    ways.origin.commit(dict.fromkeys(others, "2\n"), text)
    pull = PullRequest(branch, "main", title=text, body=text, actor=branch)
    push = Push(MAIN, before, actor=branch)
    of_pull = [(way, pull) for way in ("ci", "gate", "infra-preview")]
    of_push = [(way, push) for way in ("train", "deploy", "infra")]
    by_hand = [(way, Manual(MAIN, {"since": typed})) for way in ("deploy", "infra")]
    by_reason = [("retrain", Manual(MAIN, {"because": typed}))]
    by_time = [(way, Schedule()) for way in ("promote", "infra-drift", "dependencies", "monitor")]
    found = [*of_pull, *of_push, *by_hand, *by_reason, *by_time]
    if system == "azure":
        return found
    # What Azure Pipelines has no file for, or hears of by a service connection.
    told = Dispatch("drift-found", {"data": {"stage": typed, "reason": text}, typed: text})
    return [*found, ("dependency-review", pull), ("retrain", told)]


@both_systems
def test_no_text_of_others_is_executed_or_obeyed(ways: Ways, system: System, tmp_path: Path) -> None:
    # given texts of strangers everywhere, and a version of a model that is one
    canary = tmp_path / "canary"
    version, typed = handed_over(system, hostile(canary)), handed_over(system, message(canary))
    ways.tell(
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

    for way, event in events(ways, system, canary, typed):
        # when
        run = ways.play(system, way, event)

        # then nothing of it is run, and all of it arrives as one word where it is handed over
        assert run.conclusion == "success", (way, run.reason, [each.message for each in run.annotations()])
        assert not canary.exists(), way
        assert not list(forged(run)), way
        for call in ways.calls():
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
    """Remarks and outputs that nobody of ours has made."""
    remarks = [annotation.message for annotation in run.annotations() if FORGED in annotation.message]
    values = [value for job in run.jobs for value in job.outputs.values() if FORGED in value]
    return [*remarks, *values]
