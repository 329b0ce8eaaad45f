"""`mlops replay` of files that it cannot run as a whole: what it names, the options that help, and the Azure CLI."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mlops.core.errors import InputError
from workflow_replay.testing import Origin

from .conftest import FILE, printed, replayed

PARTIAL = """
on: push
jobs:
  build:
    runs-on: x
    environment: dev
    steps:
      - run: echo "${{ vars.REGION }} $WORD"
        env: {WORD: "${{ secrets.WORD }}"}
      - uses: octo-org/publish@v2
  boxed: {runs-on: x, container: "python:3.11", steps: [{run: echo}]}
"""
GROUPED = "variables: [{group: my settings}]\nsteps: [{checkout: none}, {bash: echo $(word)}, {task: Publish@1}]\n"


def test_what_cannot_be_replayed_is_named_with_the_option_that_helps(project: Origin) -> None:
    (project.work / FILE).write_text(PARTIAL)
    words = [sys.executable, "-m", "mlops", "replay", FILE, "--var-of", "dev:REGION=here", "--secret-of", "dev:WORD"]
    shell = {**os.environ, "WORD": "word", "COLUMNS": "250"}

    done = subprocess.run(words, cwd=project.work, env=shell, capture_output=True, text=True, check=False)
    code, run, _ = replayed(project, FILE, *words[5:], "--does-nothing", "octo-org/publish", WORD="word")

    assert done.returncode == 1
    assert (
        f"cannot be replayed: {FILE}:10: no effect is declared for octo-org/publish. "
        "If nothing later needs what it does: --does-nothing octo-org/publish"
    ) in done.stdout
    assert f"{FILE}:11: jobs.boxed: container: cannot be replayed" in done.stdout
    assert "Correct " not in done.stdout + done.stderr
    assert (code, [limit["location"] for limit in run["limits"]]) == (1, [f"{FILE}:11"])
    assert (run["jobs"][0]["conclusion"], printed(run)[0]) == ("success", ["here ***"])


def test_a_variable_group_and_a_task_are_given_by_options(project: Origin) -> None:
    (project.work / "azure-pipelines.yml").write_text(GROUPED)

    refused, answer, _ = replayed(project, "azure-pipelines.yml")
    group = answer["error"]["advice"].split("NAME=VALUE")[0].split()[-2:]
    code, run, messages = replayed(
        project, "azure-pipelines.yml", "--var-of", "my settings:word=a:b", "--does-nothing", "Publish"
    )

    assert refused == InputError.exit_code
    assert "a replay cannot run this file, which may be right" in answer["error"]["message"]
    assert group == ["'my", "settings:'"]
    assert (code, printed(run)) == (0, [["a:b"]]), messages


@pytest.mark.parametrize("words", [("--var-of", "x"), ("--var-of", ":a=b"), ("--var-of", "a:b"), ("--secret-of", "a:")])
def test_a_variable_of_a_group_in_another_form_is_refused(project: Origin, words: tuple[str, str]) -> None:
    code, answer, _ = replayed(project, FILE, *words)

    assert code == InputError.exit_code
    assert "is not of the form" in answer["error"]["message"]


AZURE_CLI = """
on: push
permissions: {id-token: write}
jobs:
  submit:
    runs-on: x
    environment: dev
    steps:
      - uses: azure/login@v3
        with: {client-id: a, tenant-id: b, subscription-id: c}
      - run: az extension add --name ml
      - run: az ml job create --file job.yml
"""
# Stands for the Azure CLI: what a replay starts, with what, and where the extension is.
STAND_IN = """#!/bin/sh
echo "$* in $AZURE_EXTENSION_DIR"
[ "$1" = login ] && touch "$AZURE_CONFIG_DIR/azureProfile.json"
exit 0
"""


def test_the_azure_cli_is_run_where_it_has_the_extension_and_refused_at_its_step_elsewhere(
    project: Origin, tmp_path: Path
) -> None:
    (project.work / FILE).write_text(AZURE_CLI)
    cli, home = tmp_path / "cli", tmp_path / "home"
    (home / ".azure/cliextensions/ml").mkdir(parents=True)
    cli.mkdir()
    (cli / "az").write_text(STAND_IN)
    (cli / "az").chmod(0o700)
    shell = {
        "PATH": f"{cli}{os.pathsep}{os.environ['PATH']}",
        "ARM_CLOUD_METADATA_URL": "https://127.0.0.1:1/metadata/endpoints",
    }

    _, without, _ = replayed(project, FILE, HOME=str(tmp_path), **shell)
    code, run, messages = replayed(project, FILE, HOME=str(home), **shell)

    refused = without["jobs"][0]["steps"][1]
    assert (refused["conclusion"], refused["exit_code"]) == ("failure", 1)
    assert "`az extension add --name` was not run: a replay runs it against a workspace" in refused["output"][0]
    assert code == 0, messages
    assert printed(run)[1] == [
        f"login --identity --output none in {home}/.azure/cliextensions",
        f"ml job create --file job.yml in {home}/.azure/cliextensions",
    ]
