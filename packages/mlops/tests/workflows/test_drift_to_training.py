"""From the request of the drift handler to the command that retrains, on both systems.

Infra's own tests run the handler's definition, and record in `infra/tests/contract` what it sends. Here CI receives
exactly that.
"""

from __future__ import annotations

import json
from typing import Any

from mlops.retraining.begin import TriggerReference, read_trigger
from workflow_replay.events import Dispatch, Event, Manual

from .conftest import ROOT, Harness, System
from .test_identities import VARIABLES, client_id
from .test_workflow_paths import MAIN, both_systems, succeeded

CONTRACT = ROOT / "infra" / "tests" / "contract"
HANDED_ON: dict[str, Any] = json.loads((CONTRACT / "handed_on.json").read_text(encoding="utf-8"))
EVENT: dict[str, Any] = json.loads((CONTRACT / "drift_event.json").read_text(encoding="utf-8"))


def received(system: System) -> Event:
    """The event of a repository_dispatch on GitHub, and of a run with parameters in Azure DevOps."""
    if system == "github":
        request = HANDED_ON["github"]
        return Dispatch(request["event_type"], request["client_payload"])
    return Manual(MAIN, HANDED_ON["azure_devops"]["templateParameters"])


@both_systems
def test_drift_starts_retraining_with_its_own_identity(harness: Harness, system: System) -> None:
    succeeded(harness.replay(system, "retrain", received(system)))

    (call,) = [call for call in harness.calls() if "uv run mlops " in call.text]
    assert call.words[3:5] == ("retrain", "--because")
    assert call.variables[VARIABLES[system]] == client_id(system, "retraining")
    # and the command can parse it; only GitHub passes the whole event
    assert read_trigger(call.words[5]) == TriggerReference("prod", 17, EVENT["id"] if system == "github" else None)


@both_systems
def test_a_repeated_event_has_the_same_cause(harness: Harness, system: System) -> None:
    # that one cause starts one training is tested with real stages: tests/e2e/test_retraining.py
    commands = []
    for _ in range(2):
        succeeded(harness.replay(system, "retrain", received(system)))
        commands += harness.mlops()

    assert len(commands) == 2
    assert commands[0] == commands[1]
