"""The examples in README.md run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from workflow_replay.events import Push
from workflow_replay.github import replay
from workflow_replay.host_environment import HostEnvironment
from workflow_replay.testing import Origin

README = Path(__file__).parents[2] / "README.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```$", README.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
FILE = ".github/workflows/ci.yml"
WORKFLOW = """
on: push
permissions: {id-token: write}
jobs:
  build:
    runs-on: ubuntu-24.04
    outputs: {version: "1.2"}
    steps:
      - name: Test
        run: echo "testing in ${{ vars.REGION }}"
  deploy:
    needs: build
    runs-on: ubuntu-24.04
    environment: prod
    steps:
      - uses: octo-org/deploy-action@v1
        with: {app: web}
"""


def test_a_workflow_is_replayed(origin: Origin, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    text = WORKFLOW.replace("uses: octo-org/deploy-action@v1\n        with: {app: web}", "run: exit 1")
    origin.commit({FILE: text})
    monkeypatch.chdir(origin.work)

    exec(compile(BLOCKS[0], README, "exec"), {})  # noqa: S102 - the README's own code

    output = capsys.readouterr().out
    assert "failure {'build': 'success', 'deploy': 'failure'}" in output
    assert "('testing in westeurope',) {'version': '1.2'}" in output
    assert len(BLOCKS[0].splitlines()) == 10


def test_an_effect_stands_for_an_action(origin: Origin) -> None:
    names: dict[str, Any] = {}
    exec(compile(BLOCKS[1], README, "exec"), names)  # noqa: S102 - the README's own code
    origin.commit({FILE: WORKFLOW})

    run = replay(origin.bare, FILE, Push("refs/heads/main"), HostEnvironment(effects=names["effects"]))
    (step,) = run.job("deploy").steps

    assert (step.conclusion, step.output) == ("success", ("deploying web",))
    assert step.outputs == {"url": "http://localhost:8080"}
