"""The project's CI files in a forge of this machine, and a `uv` that only notes what it is asked and answers as told.

What the commands do is tested elsewhere; here it is which of them run, in which order, with which values, and what
runs after one that fails.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest

from workflow_replay import azure, github
from workflow_replay.approvals import Approvals, approve_all
from workflow_replay.azure.pipeline.triggers import BuildValidation
from workflow_replay.effects import Effect, EffectContext, EffectResult, Effects
from workflow_replay.events import Event, PullRequest
from workflow_replay.progress import Listener, Silence
from workflow_replay.queues import Queues
from workflow_replay.record import Run
from workflow_replay.surroundings import Surroundings, bare_machine
from workflow_replay.testing import Origin

ROOT = Path(__file__).parents[4]
CI_FILES = (".github/workflows", ".github/actions", ".azuredevops", "azure-pipelines.yml", ".ci/with-azure-login")
# It would download what our own program stands for.
INSTALLS_PULUMI = ".ci/install-pulumi"
STAGES = ("dev", "staging", "prod")
IDENTITIES = (
    *STAGES,
    "gate",
    "promotion",
    "retraining",
    "infra-preview",
    "infra-shared",
    *(f"infra-{stage}" for stage in STAGES),
)
System = Literal["github", "azure"]
# Notes its words and variables; then fails, or hands over outputs in the way of the system that runs it.
TOOL = """#!{python} -IS
import json, os, pathlib, sys
folder = pathlib.Path({folder!r})
words = [{name!r}, *sys.argv[1:]]
names = ("AZURE_CLIENT_ID", "AZURESUBSCRIPTION_CLIENT_ID", "GH_TOKEN", "AZURE_DEVOPS_EXT_PAT", "STACK", "MLOPS_FRESH")
seen = {{name: os.environ[name] for name in names if os.environ.get(name)}}
with (folder / "calls.jsonl").open("a") as calls:
    calls.write(json.dumps({{"words": words, "seen": seen}}) + chr(10))
told = json.loads((folder / "told.json").read_text())
for part, answer in told.items():
    if part in " ".join(words):
        for name, value in answer.get("outputs", {{}}).items():
            if "GITHUB_OUTPUT" in os.environ:
                with open(os.environ["GITHUB_OUTPUT"], "a") as file:
                    file.write(f"{{name}}={{value}}" + chr(10))
            else:
                print(f"##vso[task.setvariable variable={{name}};isOutput=true]{{value}}")
        for folder in answer.get("folders", ()):
            os.makedirs(folder, exist_ok=True)
        sys.exit(answer.get("code", 0))
"""


@dataclass(frozen=True)
class Call:
    """One call of a program, and those of its variables that matter here."""

    words: tuple[str, ...]
    seen: Mapping[str, str]

    @property
    def text(self) -> str:
        """The words as one line."""
        return " ".join(self.words)


@dataclass(frozen=True)
class Ways:
    """The forge, and what became of the calls."""

    origin: Origin
    folder: Path
    programs: tuple[str, ...] = ("uv", "npm", "python3", "pulumi")
    approvals: Approvals = approve_all
    effects: Mapping[str, Effect] = field(default_factory=dict)
    listener: Listener = field(default_factory=Silence)
    # Runs that share it wait for each other; None: each has its own.
    queues: Queues | None = None

    def tell(self, answers: Mapping[str, Mapping[str, Any]]) -> None:
        """What a call answers whose words hold a text: outputs, an exit code."""
        (self.folder / "told.json").write_text(json.dumps(answers))

    def play(self, system: System, way: str, event: Event, **changes: str) -> Run:
        """Run a way's file for an event; `changes` are variables of the repository."""
        (self.folder / "calls.jsonl").unlink(missing_ok=True)
        around = self._surroundings(system, changes)
        if system == "github":
            return github.replay(self.origin.bare, f".github/workflows/{way}.yml", event, around)
        file = "azure-pipelines.yml" if way in {"ci", "gate"} else f".azuredevops/{way}.yml"
        policy = BuildValidation() if isinstance(event, PullRequest) else None
        return azure.replay(self.origin.bare, file, event, around, policy=policy)

    def calls(self) -> list[Call]:
        """What was called since `play` began."""
        file = self.folder / "calls.jsonl"
        lines = file.read_text().splitlines() if file.is_file() else []
        return [Call(tuple(each["words"]), each["seen"]) for each in map(json.loads, lines)]

    def mlops(self) -> list[str]:
        """The calls of `mlops` in their order, without what comes before its name."""
        return [call.text.removeprefix("uv run mlops ") for call in self.calls() if "uv run mlops " in call.text]

    def _surroundings(self, system: System, changes: Mapping[str, str]) -> Surroundings:
        machine = bare_machine() | {"PATH": f"{self.folder}{os.pathsep}{os.environ['PATH']}"}
        named = ("AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_SUBSCRIPTION_ID")
        identities = {name: dict.fromkeys(named, f"{name}-id") for name in IDENTITIES}
        infrastructure = {"infra": {"PULUMI_BACKEND_URL": "azblob://state"}}
        return Surroundings(
            machine=machine,
            variables=changes,
            environment_variables=identities if system == "github" else identities | infrastructure,
            effects=Effects({**_installed(system), **self.effects}),
            approvals=self.approvals,
            listener=self.listener,
            queues=self.queues or Queues(),
            scratch=None,
        )


def _installed(system: System) -> dict[str, Effect]:
    def nothing(inputs: Mapping[str, str], context: EffectContext) -> EffectResult:
        return EffectResult()

    # These would install what is on this machine already, in front of our programs.
    return {"astral-sh/setup-uv": nothing} if system == "github" else {"UsePythonVersion": nothing}


@pytest.fixture
def ways(tmp_path: Path) -> Ways:
    """The CI files on main, and programs that note their calls."""
    origin = Origin(tmp_path / "forge")
    for part in CI_FILES:
        source, target = ROOT / part, origin.work / part
        copy: Callable[..., Any] = shutil.copytree if source.is_dir() else shutil.copy
        target.parent.mkdir(parents=True, exist_ok=True)
        copy(source, target)
    installer = origin.work / INSTALLS_PULUMI
    installer.write_text("#!/bin/sh\n")
    installer.chmod(0o755)
    origin.commit({"releases/prod.yml": "release: null\n", "components/a.py": "1\n", "infra/a.py": "1\n"})
    tools = tmp_path / "tools"
    tools.mkdir()
    ways = Ways(origin, tools)
    for name in ways.programs:
        program = tools / name
        program.write_text(TOOL.format(python=sys.executable, folder=str(tools), name=name))
        program.chmod(0o755)
    ways.tell({})
    return ways
