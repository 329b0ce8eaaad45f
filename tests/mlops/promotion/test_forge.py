"""Pull requests through stand-ins of `gh` and `az` on the PATH, which note how they were called."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from mlops.errors import MachineError
from mlops.promotion.forge import AzureRepos, Forge, GitHub, PlainRemote, forge_of

TOOL = """#!{python}
import json, pathlib, sys
folder = pathlib.Path({folder!r})
arguments = sys.argv[1:]
given = sys.stdin.read() if "-" in arguments else ""
with (folder / "calls.jsonl").open("a") as calls:
    calls.write(json.dumps({{"arguments": arguments, "given": given}}) + chr(10))
answer = folder / (arguments[arguments.index("pr") + 1] + ".json")
if not answer.exists():
    sys.exit("not logged in")
print(answer.read_text())
"""
HOSTILE = 'Promote $(touch pwned) `id` "; rm -rf ~ #'


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on the PATH with a `gh` and an `az`; their answers are files in it."""
    for name in ("gh", "az"):
        tool = tmp_path / name
        tool.write_text(TOOL.format(python=sys.executable, folder=str(tmp_path)))
        tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    return tmp_path


def calls(tools: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (tools / "calls.jsonl").read_text().splitlines()]


@pytest.mark.parametrize(
    ("url", "forge"),
    [
        ("https://github.com/o/r.git", GitHub),
        ("git@github.com:o/r.git", GitHub),
        ("https://github.example.org/o/r", GitHub),
        ("https://dev.azure.com/o/p/_git/r", AzureRepos),
        ("git@ssh.dev.azure.com:v3/o/p/r", AzureRepos),
        ("https://o.visualstudio.com/p/_git/r", AzureRepos),
        ("/srv/git/github.com/r.git", PlainRemote),
        ("file:///srv/r.git", PlainRemote),
        ("ssh://git@example.org/r.git", PlainRemote),
    ],
)
def test_the_address_tells_the_forge(url: str, forge: type[Forge], tmp_path: Path) -> None:
    assert type(forge_of(url, tmp_path)) is forge


def test_github_opens_a_pull_request_with_the_body_by_standard_input(tools: Path) -> None:
    (tools / "list.json").write_text("[]")
    (tools / "create.json").write_text("https://github.com/o/r/pull/7")
    opened = GitHub(tools).propose("promote/dev/m-2", "main", HOSTILE, HOSTILE)
    assert opened.url == "https://github.com/o/r/pull/7"
    create = calls(tools)[-1]
    assert HOSTILE in create["arguments"]
    assert create["given"] == HOSTILE
    assert not (tools / "pwned").exists()


def test_github_updates_the_one_that_is_open(tools: Path) -> None:
    (tools / "list.json").write_text('[{"number": 7, "url": "https://github.com/o/r/pull/7"}]')
    (tools / "edit.json").write_text("")
    updated = GitHub(tools).propose("promote/dev/m-2", "main", "Promote m 2", "report")
    assert updated.url == "https://github.com/o/r/pull/7"
    assert calls(tools)[-1]["arguments"][:3] == ["pr", "edit", "7"]


@pytest.mark.parametrize(("listed", "verb"), [("[]", "create"), ('[{"pullRequestId": 9}]', "update")])
def test_azure_devops_opens_or_updates(tools: Path, listed: str, verb: str) -> None:
    (tools / "list.json").write_text(listed)
    answer = {"pullRequestId": 9, "repository": {"webUrl": "https://dev.azure.com/o/p/_git/r"}}
    (tools / f"{verb}.json").write_text(json.dumps(answer))
    done = AzureRepos(tools).propose("promote/dev/m-2", "main", HOSTILE, "--help")
    assert done.url == "https://dev.azure.com/o/p/_git/r/pullrequest/9"
    arguments = calls(tools)[-1]["arguments"]
    assert "--description=--help" in arguments
    assert f"--title={HOSTILE}" in arguments


def test_a_tool_that_is_not_logged_in_says_what_to_do(tools: Path) -> None:
    with pytest.raises(MachineError) as caught:
        GitHub(tools).propose("b", "main", "t", "b")
    assert caught.value.details == ("not logged in",)
    assert "Log in" in caught.value.advice


def test_a_tool_that_is_not_there_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MachineError, match="not installed"):
        AzureRepos(tmp_path).propose("b", "main", "t", "b")


def test_a_plain_remote_says_how_to_merge(tmp_path: Path) -> None:
    done = PlainRemote(tmp_path).propose("promote/dev/m-2", "main", "t", "b")
    assert done.url is None
    assert "git merge --no-ff promote/dev/m-2" in done.advice
