"""The first steps in a subscription, with stand-ins for `az` and `pulumi` that keep what was created."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from bootstrap.__main__ import NO_SUBSCRIPTION, main
from bootstrap.advice import ADVICE
from bootstrap.steps import default_names
from settings.project import ROOT
from tests.conftest import GROUP, copy_project

FAKE = Path(__file__).with_name("fake_azure.py")
CHANGING = {"register", "create", "update", "init", "up", "login"}


class Azure:
    """The stand-ins' state."""

    def __init__(self, programs: Path, root: Path) -> None:
        self.file = programs / "state.json"
        self.root = root
        self.waited: list[float] = []

    def run(self, *arguments: str) -> int:
        """Run the command; its waiting is recorded, not waited for."""
        return main(arguments, self.root, self.waited.append)

    @property
    def state(self) -> dict[str, Any]:
        return json.loads(self.file.read_text()) if self.file.is_file() else {}

    def prepare(self, **state: Any) -> None:
        self.file.write_text(json.dumps(self.state | state))

    def changes(self) -> list[str]:
        """Every call since the last time that changed something."""
        calls = self.state.get("calls", [])
        self.prepare(calls=[])
        return [" ".join(call) for call in calls if CHANGING.intersection(verbs_of(call))]


def verbs_of(call: list[str]) -> list[str]:
    """The words of a call before its options."""
    options = [index for index, word in enumerate(call) if word.startswith("--")]
    return call[: options[0]] if options else call


@pytest.fixture
def azure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Azure:
    root = tmp_path / "project"
    folder = copy_project(root)
    for file in folder.glob("Pulumi.*.yaml"):
        file.write_text(file.read_text().replace(NO_SUBSCRIPTION, GROUP))
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("az", "pulumi"):
        (programs / name).write_text(FAKE.read_text().replace("/usr/bin/env python3", f"{sys.executable} -IS", 1))
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    return Azure(programs, root)


def test_an_empty_subscription_becomes_two_deployed_stacks_also_after_an_interruption(
    azure: Azure, capsys: pytest.CaptureFixture[str]
) -> None:
    # given a stack that cannot be deployed
    azure.prepare(broken="dev")
    assert azure.run("--yes") == 1
    output = capsys.readouterr()
    assert "`pulumi up --stack dev` failed" in output.err

    # then everything before it exists, with the state named in CI's settings
    account, vault = default_names(GROUP, "credit-default")
    state = azure.state
    assert state["deployed"] == ["shared"]
    assert state["backend"] == f"azblob://state?storage_account={account}"
    assert f"storage_account: {account}" in (azure.root / "infra" / "Pulumi.ci.yaml").read_text()
    assert {"Microsoft.MachineLearningServices", "Microsoft.EventGrid"} <= set(state["providers"])
    made = azure.changes()
    assert f"azurekeyvault://{vault}.vault.azure.net/keys/pulumi" in next(c for c in made if "stack init dev" in c)
    # and every command was shown, and a right that was not in effect yet waited for
    shown = {line.strip().removeprefix("$ ").replace("'", "") for line in output.out.splitlines()}
    assert not [command for command in made if command not in shown]
    assert azure.waited
    # and the machines were compared with the quota before they are ordered
    assert output.out.index("quota not compared") < output.out.index("pulumi up --stack dev")

    # when the cause is gone, then only the rest is done
    azure.prepare(broken="")
    assert azure.run("--yes") == 0
    assert azure.changes() == ["pulumi up --stack dev"]

    # and then nothing is left
    assert azure.run("--yes") == 0
    assert azure.changes() == []
    assert "Nothing left to do" in capsys.readouterr().out


def test_a_dry_run_changes_nothing_then_a_feature_is_waited_for_and_a_missing_right_named(
    azure: Azure, capsys: pytest.CaptureFixture[str]
) -> None:
    # when
    assert azure.run("--dry-run", "--stack", "shared", "--stack", "prod") == 0

    # then all is shown and nothing done
    assert azure.changes() == []
    shown = capsys.readouterr().out
    for part in ("feature register", "Microsoft.PolicyInsights", "keyvault key create", "pulumi up --stack prod"):
        assert part in shown
    assert "steps are left" in shown

    # when it is done by somebody who may not assign roles
    azure.prepare(no_right_to_assign=True)
    assert azure.run("--yes", "--stack", "prod") == 1

    # then the feature is made known once Azure has registered it, and the message says whom to ask
    made = azure.changes()
    feature = next(index for index, command in enumerate(made) if "feature register" in command)
    assert "provider register --namespace Microsoft.Compute" in made[feature + 1]
    assert 20 in azure.waited
    assert ADVICE["roleAssignments/write"] in capsys.readouterr().err


def test_a_no_stops_before_the_first_change(azure: Azure, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    answer = tmp_path / "answer"
    answer.write_text("n\n")
    with answer.open() as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        assert azure.run() == 1
    assert azure.changes() == []


def test_a_policy_that_demands_tags_is_named_and_the_teams_tags_satisfy_it(
    azure: Azure, capsys: pytest.CaptureFixture[str]
) -> None:
    # given a policy
    azure.prepare(demanded_tag="cost-centre")
    assert azure.run("--yes") == 1
    assert "infra:tags" in capsys.readouterr().err

    # when the settings have the tag
    with (azure.root / "infra" / "Pulumi.shared.yaml").open("a") as file:
        file.write("  infra:tags: {cost-centre: '4711'}\n")

    # then the state has it as well
    assert azure.run("--dry-run") == 0
    assert capsys.readouterr().out.count("--tags cost-centre=4711") == 3


def test_placeholders_are_refused_before_azure_is_asked(azure: Azure, capsys: pytest.CaptureFixture[str]) -> None:
    file = azure.root / "infra" / "Pulumi.dev.yaml"
    file.write_text(file.read_text().replace(GROUP, NO_SUBSCRIPTION))
    assert azure.run("--yes") == 2
    assert "Pulumi.dev.yaml still has the placeholder" in capsys.readouterr().err
    assert azure.state == {}


def test_the_documentation_has_every_advice() -> None:
    text = " ".join((ROOT / "docs" / "infrastructure.md").read_text(encoding="utf-8").split())
    assert not [advice for advice in ADVICE.values() if " ".join(advice.split()) not in text]
