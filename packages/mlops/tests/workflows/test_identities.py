"""The identity of each command: on both systems it logs in as the stage that it changes."""

from __future__ import annotations

import yaml

from workflow_replay.azure.ids import stable_id
from workflow_replay.events import Schedule

from .conftest import ROOT, Harness, System
from .test_workflow_paths import DRIFTED, both_systems, planned, pushed

VARIABLES = {"github": "AZURE_CLIENT_ID", "azure": "AZURESUBSCRIPTION_CLIENT_ID"}


def client_id(system: System, name: str) -> str:
    """The client id of an identity."""
    return f"{name}-id" if system == "github" else stable_id("client", name)


@both_systems
def test_every_command_logs_in_as_its_stage(harness: Harness, system: System) -> None:
    stages = ("dev", "staging", "prod")
    harness.answer({"mlops plan": {"outputs": planned(*stages)}, "deploy --stage prod": {"code": 5}})

    harness.replay(system, "deploy", pushed(harness, "releases/prod.yml"))

    plan, *rollouts = [call for call in harness.calls() if "uv run mlops " in call.text]
    assert VARIABLES[system] not in plan.variables
    expected = [(each, client_id(system, each)) for each in (*stages, "prod")]
    assert [(each.words[5], each.variables[VARIABLES[system]]) for each in rollouts] == expected


@both_systems
def test_monitoring_and_retraining_have_different_identities(harness: Harness, system: System) -> None:
    harness.answer({"mlops monitor": DRIFTED})

    harness.replay(system, "monitor", Schedule())

    identities = {
        call.words[3]: call.variables[VARIABLES[system]] for call in harness.calls() if "uv run mlops " in call.text
    }
    assert identities == {"monitor": client_id(system, "promotion"), "retrain": client_id(system, "retraining")}


def test_a_long_deployment_of_infrastructure_renews_its_login() -> None:
    # given that the token of a job lives for minutes
    steps = yaml.safe_load((ROOT / ".azuredevops" / "templates" / "pulumi.yml").read_text())["steps"]
    pulumi = next(step for step in steps if step.get("name") == "pulumi")
    on_github = (ROOT / ".github" / "workflows" / "infra-stack.yml").read_text()

    # then Azure's own task logs in again and again, and on GitHub the provider asks for new tokens itself, as it does
    # where it is given none
    assert pulumi["inputs"]["keepAzSessionActive"] is True
    assert 'ARM_USE_OIDC: "true"' in on_github
    assert "ARM_OIDC_TOKEN" not in on_github
