"""No address that a step gets leads to another machine: in variables, contexts, events, the git configuration."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

import pytest

from workflow_replay import azure, github
from workflow_replay.events import Completed, Dispatch, Event, Manual, MergeGroup, PullRequest, Push, Schedule
from workflow_replay.host_environment import HostEnvironment
from workflow_replay.result import Run
from workflow_replay.testing import Origin

MAIN = "refs/heads/main"
URL = re.compile(r"\b[a-z][a-z0-9+.-]*://[^\s\"'<>\\]*", re.IGNORECASE)
# No URL is needed to reach a service: a host name is enough.
SERVICES = re.compile(
    r"[\w.-]*(?:github|githubusercontent|azure|visualstudio|microsoft|windows)\w*\.(?:com|net|io|us)\b"
)
OIDC = re.compile(r"ID_TOKEN_REQUEST|OIDCREQUEST", re.IGNORECASE)
DUMP = "env; git remote -v; git config --local --list; "
WORKFLOW = f"""
on:
  push: {{}}
  pull_request: {{}}
  workflow_dispatch: {{}}
  repository_dispatch: {{}}
  merge_group: {{}}
  schedule: [{{cron: "0 4 * * *"}}]
  workflow_run: {{workflows: [other], types: [completed]}}
permissions: {{id-token: write, contents: write}}
jobs:
  dump:
    runs-on: ubuntu-24.04
    environment: prod
    steps:
      - uses: actions/checkout@v6
      - uses: azure/login@v3
        with: {{client-id: a, tenant-id: b, subscription-id: c}}
      - run: {DUMP} cat "$GITHUB_EVENT_PATH"; echo "$CONTEXTS"
        env:
          CONTEXTS: >-
            ${{{{ toJSON(github) }}}} ${{{{ toJSON(runner) }}}} ${{{{ toJSON(job) }}}} ${{{{ toJSON(steps) }}}}
            ${{{{ toJSON(env) }}}}
"""
PIPELINE = f"""
trigger: ["*"]
schedules: [{{cron: "0 4 * * *", branches: {{include: [main]}}}}]
jobs:
- deployment: dump
  environment: prod
  strategy:
    runOnce:
      deploy:
        steps:
        - checkout: self
          persistCredentials: true
        - task: AzureCLI@2
          inputs:
            azureSubscription: connection
            scriptType: bash
            scriptLocation: inlineScript
            inlineScript: {DUMP}
            addSpnToEnvironment: true
          env: {{SYSTEM_ACCESSTOKEN: $(System.AccessToken)}}
        - script: {DUMP} echo "$ALL"
          env: {{ALL: "${{{{ convertToJson(variables) }}}}"}}
"""
EVENTS: dict[str, Event] = {
    "push": Push(MAIN),
    "pull request": PullRequest("topic", "main"),
    "manual": Manual(MAIN),
    "schedule": Schedule(),
    "dispatch": Dispatch("drift", {}),
    "completed": Completed("other", "main"),
    "merge group": MergeGroup("topic", "main"),
}


def dumped(run: Run) -> str:
    assert run.conclusion == "success", (run.reason, run.annotations())
    return "\n".join(line for step in run.steps() for line in step.output)


def is_outside(url: str) -> bool:
    """Whether an URL has a host that a resolver could know and that is not this machine."""
    host = urlsplit(url).hostname
    if not host or host == "localhost" or host.endswith(".invalid"):
        return False
    try:
        return not ipaddress.ip_address(host).is_loopback
    except ValueError:
        return True


def assert_inside(text: str) -> None:
    assert [url for url in URL.findall(text) if is_outside(url)] == []
    assert SERVICES.findall(text) == []
    assert OIDC.findall(text) == []


@pytest.mark.parametrize("event", EVENTS.values(), ids=EVENTS.keys())
def test_github_gives_no_outside_address(origin: Origin, event: Event) -> None:
    origin.commit({".github/workflows/ci.yml": WORKFLOW})
    origin.commit({"a.txt": "1"}, branch="topic")

    text = dumped(github.replay(origin.bare, ".github/workflows/ci.yml", event))

    assert "GITHUB_API_URL=https://api.github.invalid" in text
    assert "GITHUB_GRAPHQL_URL=" in text
    assert_inside(text)


@pytest.mark.parametrize("kind", ["push", "pull request", "manual", "schedule"])
def test_azure_gives_no_outside_address(origin: Origin, kind: str) -> None:
    origin.commit({"azure-pipelines.yml": PIPELINE})
    origin.commit({"a.txt": "1"}, branch="topic")
    host = HostEnvironment(effects=azure.service_connections({"connection": "prod"}))
    policy = azure.BuildValidation() if kind == "pull request" else None
    text = dumped(azure.replay(origin.bare, "azure-pipelines.yml", EVENTS[kind], host, policy=policy))

    assert "SYSTEM_COLLECTIONURI=https://dev.azure.invalid/" in text
    assert "SYSTEM_ACCESSTOKEN=" in text
    assert_inside(text)


@pytest.mark.parametrize("url", ["https://dev.azure.com/x", "https://10.0.0.1", "ssh://git@host/x"])
def test_other_machines_are_outside(url: str) -> None:
    assert is_outside(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://api.github.invalid", "http://127.0.0.1:8000", "http://[::1]/", "http://localhost/", "file:///tmp/x",
        "vstfs:///Build/1",
    ],
)  # fmt: skip
def test_this_machine_and_reserved_names_are_inside(url: str) -> None:
    assert not is_outside(url)
