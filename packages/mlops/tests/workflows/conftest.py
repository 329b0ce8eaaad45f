"""The project's CI files on a git host of this machine, with a `uv` that records its calls and returns given answers.

What the commands do is tested elsewhere. Here it is which of them run, in which order, with which values, and what
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
from workflow_replay.concurrency import ConcurrencyGroups
from workflow_replay.effects import Effects, no_op
from workflow_replay.events import Event, PullRequest
from workflow_replay.host_environment import HostEnvironment, minimal_environ
from workflow_replay.progress import Listener
from workflow_replay.result import Run
from workflow_replay.testing import Origin

ROOT = Path(__file__).parents[4]
CI_FILES = (
    ".github/workflows",
    ".github/actions",
    ".azuredevops",
    "azure-pipelines.yml",
    ".ci/infra-drift",
    ".ci/with-azure-login",
)
# It would download a program that the harness fakes.
PULUMI_INSTALLER = ".ci/install-pulumi"
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
# Records its arguments and variables; then fails, or sets outputs for the system that runs it. As `pulumi` it also
# saves plans, and records the plan that it is given.
FAKE_PROGRAM = """#!{python} -IS
import json, os, pathlib, sys
folder = pathlib.Path({folder!r})
words = [{name!r}, *sys.argv[1:]]
names = ("AZURE_CLIENT_ID", "AZURESUBSCRIPTION_CLIENT_ID", "GH_TOKEN", "AZURE_DEVOPS_EXT_PAT", "STACK")
names += ("MLOPS_FRESH", "MLOPS_PROJECT")
variables = {{name: os.environ[name] for name in names if os.environ.get(name)}}
if "--plan" in words:
    plan = pathlib.Path(words[words.index("--plan") + 1])
    where = pathlib.Path(words[words.index("--cwd") + 1])
    variables["plan"] = (where / plan).read_text()
if "--save-plan" in words:
    where = pathlib.Path(words[words.index("--cwd") + 1])
    (where / words[words.index("--save-plan") + 1]).write_text("plan of " + os.environ["STACK"])
with (folder / "calls.jsonl").open("a") as calls:
    calls.write(json.dumps({{"words": words, "variables": variables}}) + chr(10))
answers = json.loads((folder / "answers.json").read_text())
for part, answer in answers.items():
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
    """A call of a program: its words, and those of its variables that matter here."""

    words: tuple[str, ...]
    variables: Mapping[str, str]

    @property
    def text(self) -> str:
        """The words as one line."""
        return " ".join(self.words)


@dataclass(frozen=True)
class Harness:
    """A git host with the CI files, and fake programs that record their calls."""

    origin: Origin
    folder: Path
    programs: tuple[str, ...] = ("uv", "npm", "python3", "pulumi")
    approvals: Approvals = approve_all
    listener: Listener = field(default_factory=Listener)
    # Runs that share it wait for each other; by default each run has its own.
    concurrency: ConcurrencyGroups | None = None

    def answer(self, answers: Mapping[str, Mapping[str, Any]]) -> None:
        """Set what calls return that contain a text: outputs, an exit code, folders to create."""
        (self.folder / "answers.json").write_text(json.dumps(answers))

    def replay(self, system: System, workflow: str, event: Event, **variables: str) -> Run:
        """Replay a workflow for an event, with variables of the repository."""
        (self.folder / "calls.jsonl").unlink(missing_ok=True)
        host = self._host(system, variables)
        if system == "github":
            return github.replay(self.origin.bare, f".github/workflows/{workflow}.yml", event, host)
        file = "azure-pipelines.yml" if workflow in {"ci", "gate"} else f".azuredevops/{workflow}.yml"
        policy = BuildValidation() if isinstance(event, PullRequest) else None
        return azure.replay(self.origin.bare, file, event, host, policy=policy)

    def calls(self) -> list[Call]:
        """All calls of the latest replay."""
        file = self.folder / "calls.jsonl"
        lines = file.read_text().splitlines() if file.is_file() else []
        return [Call(tuple(each["words"]), each["variables"]) for each in map(json.loads, lines)]

    def mlops(self) -> list[str]:
        """The arguments of all calls of `mlops`, in order."""
        return [call.text.removeprefix("uv run mlops ") for call in self.calls() if "uv run mlops " in call.text]

    def _host(self, system: System, variables: Mapping[str, str]) -> HostEnvironment:
        path = f"{self.folder}{os.pathsep}{os.environ['PATH']}"
        identity = ("AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_SUBSCRIPTION_ID")
        identities = {name: dict.fromkeys(identity, f"{name}-id") for name in IDENTITIES}
        infrastructure = {"infra": {"PULUMI_BACKEND_URL": "azblob://state"}}
        # An installer would put real programs in front of the fake ones.
        installer = "astral-sh/setup-uv" if system == "github" else "UsePythonVersion"
        return HostEnvironment(
            environ=minimal_environ() | {"PATH": path},
            variables=variables,
            environment_variables=identities if system == "github" else identities | infrastructure,
            effects=Effects({installer: no_op}),
            approvals=self.approvals,
            listener=self.listener,
            concurrency=self.concurrency or ConcurrencyGroups(),
        )


@pytest.fixture
def harness(tmp_path: Path) -> Harness:
    """The CI files on main, and fake programs."""
    origin = Origin(tmp_path / "host")
    for part in CI_FILES:
        source, target = ROOT / part, origin.work / part
        copy: Callable[..., Any] = shutil.copytree if source.is_dir() else shutil.copy
        target.parent.mkdir(parents=True, exist_ok=True)
        copy(source, target)
    installer = origin.work / PULUMI_INSTALLER
    installer.write_text("#!/bin/sh\n")
    installer.chmod(0o755)
    origin.commit({"releases/prod.yml": "release: null\n", "components/a.py": "1\n", "infra/a.py": "1\n"})
    folder = tmp_path / "programs"
    folder.mkdir()
    harness = Harness(origin, folder)
    for name in harness.programs:
        program = folder / name
        program.write_text(FAKE_PROGRAM.format(python=sys.executable, folder=str(folder), name=name))
        program.chmod(0o755)
    harness.answer({})
    return harness
