"""A project with a workflow in a real repository, and `mlops replay` in it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from workflow_replay.testing import Origin

ROOT = Path(__file__).parents[4]
WORKFLOW = """
name: Try
on:
  push: {branches: [main], paths: ["src/**"]}
  pull_request:
  workflow_dispatch: {inputs: {level: {type: choice, options: [low, high]}}}
permissions: {id-token: write, contents: write}
jobs:
  try:
    runs-on: ubuntu-24.04
    environment: dev
    steps:
      - uses: actions/checkout@v6
      - run: cat src/a.txt; echo "${{ inputs.level }} ${{ vars.WHO }} $KEY ${{ github.head_ref }}"
        env: {KEY: "${{ secrets.KEY }}"}
      - run: echo "${AZURE_RESOURCE_GROUP-before}"
      - uses: azure/login@v3
        with:
          client-id: ${{ vars.AZURE_CLIENT_ID }}
          tenant-id: ${{ vars.AZURE_TENANT_ID }}
          subscription-id: ${{ vars.AZURE_SUBSCRIPTION_ID }}
      - run: echo "${AZURE_RESOURCE_GROUP-none} ${AZURE_CLIENT_SECRET-hidden} $(ls "$AZURE_CONFIG_DIR" | wc -l)"
      - run: git remote get-url origin; gh pr create --head new --base main --title "A b"; gh api user || true
      - run: git -c user.name=a -c user.email=b commit -q --allow-empty -m x && git push -q origin HEAD:refs/heads/new
"""
FILE = ".github/workflows/try.yml"


@pytest.fixture
def project(tmp_path: Path) -> Origin:
    """A working tree with a workflow; main was pushed, then a file changed."""
    origin = Origin(tmp_path / "repository")
    files = {
        FILE: WORKFLOW,
        "src/a.txt": "pushed\n",
        "azure-pipelines.yml": "trigger: [main]\nsteps: [{script: \"python -c 'import sys; print(sys.prefix)'\"}]\n",
    }
    origin.commit({**files, "project.yml": (ROOT / "project.yml").read_text()})
    (origin.work / "src/a.txt").write_text("changed\n")
    (origin.work / "new.txt").write_text("untracked\n")
    return origin


def replayed(project: Origin, *words: str, **variables: str) -> tuple[int, dict[str, Any], str]:
    command = [sys.executable, "-m", "mlops", "replay", *words, "--json"]
    done = subprocess.run(
        command, cwd=project.work, env={**os.environ, **variables}, capture_output=True, text=True, check=False
    )
    return done.returncode, json.loads(done.stdout), done.stderr


def printed(run: dict[str, Any]) -> list[list[str]]:
    return [step["output"] for step in run["jobs"][0]["steps"] if step["script"]]
