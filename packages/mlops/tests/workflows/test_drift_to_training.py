"""From what the handler of drift hands on to the command that trains, on both systems.

The handler's definition is executed by infra's own tests, which write down with `infra/tests/contract` what they saw it
send; here CI receives just that.
"""

from __future__ import annotations

import json
from typing import Any

from mlops.retraining.trigger import TriggerReference, read_trigger
from workflow_replay.events import Dispatch, Event, Manual

from .conftest import ROOT, System, Ways
from .test_identities import VARIABLES, named
from .test_ways import MAIN, both_systems, succeeded

CONTRACT = ROOT / "infra" / "tests" / "contract"
HANDED_ON: dict[str, Any] = json.loads((CONTRACT / "handed_on.json").read_text(encoding="utf-8"))
EVENT: dict[str, Any] = json.loads((CONTRACT / "drift_event.json").read_text(encoding="utf-8"))


def received(system: System) -> Event:
    """What GitHub makes of a repository_dispatch, and Azure DevOps of a run with parameters."""
    if system == "github":
        asked = HANDED_ON["github"]
        return Dispatch(asked["event_type"], asked["client_payload"])
    return Manual(MAIN, HANDED_ON["azure_devops"]["templateParameters"])


@both_systems
def test_drift_starts_a_training_that_logs_in_as_retraining(ways: Ways, system: System) -> None:
    succeeded(ways.play(system, "retrain", received(system)))

    (call,) = [call for call in ways.calls() if "uv run mlops " in call.text]
    assert call.words[3:5] == ("retrain", "--because")
    assert call.seen[VARIABLES[system]] == named(system, "retraining")
    # and the command understands what it is given; only GitHub hands the whole event on
    assert read_trigger(call.words[5]) == TriggerReference("prod", 17, EVENT["id"] if system == "github" else None)


@both_systems
def test_an_event_that_comes_twice_names_the_same_cause(ways: Ways, system: System) -> None:
    # that one cause begins one training is shown between real stages: tests/e2e/test_retraining.py
    told = []
    for _ in range(2):
        succeeded(ways.play(system, "retrain", received(system)))
        told += ways.mlops()

    assert len(told) == 2
    assert told[0] == told[1]
