"""Who a command is: on both systems each logs in as the stage that it acts on, and as nobody else."""

from __future__ import annotations

from workflow_replay.azure.running.predefined import stand_in_id
from workflow_replay.events import Schedule

from .conftest import System, Ways
from .test_ways import DRIFTED, both_systems, planned, pushed

VARIABLES = {"github": "AZURE_CLIENT_ID", "azure": "AZURESUBSCRIPTION_CLIENT_ID"}


def named(system: System, name: str) -> str:
    """The client that stands for an identity."""
    return f"{name}-id" if system == "github" else stand_in_id("client", name)


@both_systems
def test_every_command_logs_in_as_its_stage(ways: Ways, system: System) -> None:
    stages = ("dev", "staging", "prod")
    ways.tell({"mlops plan": {"outputs": planned(*stages)}, "deploy --stage prod": {"code": 5}})

    ways.play(system, "deploy", pushed(ways, "releases/prod.yml"))

    plan, *rollouts = [call for call in ways.calls() if "uv run mlops " in call.text]
    assert VARIABLES[system] not in plan.seen
    expected = [(each, named(system, each)) for each in (*stages, "prod")]
    assert [(each.words[5], each.seen[VARIABLES[system]]) for each in rollouts] == expected


@both_systems
def test_who_watches_does_not_train(ways: Ways, system: System) -> None:
    ways.tell({"mlops monitor": DRIFTED})

    ways.play(system, "monitor", Schedule())

    who = {call.words[3]: call.seen[VARIABLES[system]] for call in ways.calls() if "uv run mlops " in call.text}
    assert who == {"monitor": named(system, "promotion"), "retrain": named(system, "retraining")}
