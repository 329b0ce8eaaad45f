"""Every git host has every part that githost/interface.py lists, and nothing outside githost names one.

A new host needs an entry in SAMPLES: what its addresses, its CI's variables and its workflow files look like.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from mlops.gates.render import SMALLEST_LIMIT
from mlops.githost.hosts import HOSTS, current_job, event_payload, parse_remote
from mlops.githost.interface import WORKSTATION, Attested, CIJob, GitHost, PullRequests, Replay, server_of
from mlops.githost.protection import Section

from .conftest import EXPECTED

ROOT = Path(__file__).parents[4]
PACKAGE = ROOT / "packages" / "mlops" / "src" / "mlops"


@dataclass(frozen=True)
class Sample:
    """What a host gives to the command: an address, a CI job's variables, a workflow, an event with {"a": 1}."""

    url: str
    environment: Mapping[str, str]
    workflow: str
    event: object
    is_attesting: bool


SAMPLES = {
    "github": Sample(
        "https://github.com/example/credit-default.git",
        {
            "GITHUB_ACTIONS": "true",
            "GITHUB_ACTOR": "ann",
            "GITHUB_SERVER_URL": "https://github.com",
            "GITHUB_REPOSITORY": "example/credit-default",
            "GITHUB_WORKFLOW_REF": "example/credit-default/.github/workflows/train.yml@refs/heads/main",
            "ACTIONS_ID_TOKEN_REQUEST_URL": "http://127.0.0.1:1/token?api-version=2.0",
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "token",
            "AZURE_TENANT_ID": "11111111-2222-3333-4444-555555555555",
            "AZURE_CLIENT_ID": "11111111-2222-3333-4444-555555555555",
        },
        ".github/workflows/train.yml",
        {"action": "retrain", "client_payload": {"a": 1}},
        is_attesting=True,
    ),
    "azure_devops": Sample(
        "https://dev.azure.com/example/scoring/_git/credit-default",
        {
            "TF_BUILD": "True",
            "BUILD_REQUESTEDFOREMAIL": "ann@example.com",
            "SYSTEM_COLLECTIONURI": "https://dev.azure.com/example/",
            "SYSTEM_TEAMPROJECT": "scoring",
            "SYSTEM_DEFINITIONID": "7",
            "SYSTEM_OIDCREQUESTURI": "https://example.org/oidc",
            "SYSTEM_ACCESSTOKEN": "token",
            "AZURESUBSCRIPTION_TENANT_ID": "11111111-2222-3333-4444-555555555555",
            "AZURESUBSCRIPTION_CLIENT_ID": "11111111-2222-3333-4444-555555555555",
            "AZURESUBSCRIPTION_SERVICE_CONNECTION_ID": "11111111-2222-3333-4444-555555555555",
        },
        "azure-pipelines.yml",
        {"a": 1},
        is_attesting=False,
    ),
}
every_host = pytest.mark.parametrize("host", HOSTS, ids=[host.key for host in HOSTS])


def test_every_folder_is_a_host_of_the_list() -> None:
    folders = {folder.name for folder in (PACKAGE / "githost").iterdir() if (folder / "__init__.py").is_file()}
    assert {type(host).__module__.split(".")[2] for host in HOSTS} == folders
    assert len({host.key for host in HOSTS}) == len(HOSTS)


def test_a_host_without_a_part_cannot_be_made() -> None:
    class Incomplete(GitHost):
        key = "incomplete"
        name = "Incomplete"
        training_command = "train"

    with pytest.raises(TypeError, match="abstract") as caught:
        Incomplete()  # ty: ignore[abstract-class-instantiation]
    for name in GitHost.__abstractmethods__:
        assert name in str(caught.value)


@every_host
def test_a_host_has_names_and_a_command_that_trains(host: GitHost) -> None:
    assert host.key.isidentifier()
    assert host.name
    assert host.training_command.split()[0] == (replay_of(host).program)


@every_host
def test_a_host_reads_its_addresses(host: GitHost) -> None:
    remote = parse_remote(SAMPLES[host.key].url)
    assert remote is not None
    assert remote.host is host
    assert host.owns_server(server_of(remote.url))
    assert (remote.owner, remote.name) == ("example", "credit-default")
    assert remote.url.startswith(remote.origin)
    assert parse_remote(remote.url) == remote
    assert parse_remote(replay_of(host).ssh_url(remote)) == remote


@every_host
def test_a_host_knows_its_ci_job(host: GitHost) -> None:
    environment = SAMPLES[host.key].environment
    assert [each for each in HOSTS if each.is_running(environment)] == [host]
    assert not host.is_running({})
    job = current_job(environment)
    assert isinstance(job, CIJob)
    assert job.name
    assert job.summary_limit > SMALLEST_LIMIT
    assert job.actor.startswith("ann")
    assert job.escape("a line of text") == "a line of text"
    assert job.credential() is not None
    remote = parse_remote(SAMPLES[host.key].url)
    assert remote is not None
    assert job.builder().id.startswith(remote.origin)
    assert job.builder().id != WORKSTATION
    assert host.job({}).credential() is None


@every_host
def test_a_host_opens_pull_requests_that_hold_a_report(host: GitHost, tmp_path: Path) -> None:
    remote = parse_remote(SAMPLES[host.key].url)
    pull_requests = host.pull_requests(tmp_path, remote)
    assert isinstance(pull_requests, PullRequests)
    assert pull_requests.body_limit >= SMALLEST_LIMIT
    assert pull_requests.comment_limit == 0 or pull_requests.comment_limit > pull_requests.body_limit


@every_host
def test_a_host_says_what_it_expects_of_a_repository(host: GitHost) -> None:
    assert issubclass(host.expectations(), Section)
    assert isinstance(EXPECTED.sections[host.key], host.expectations())


@every_host
def test_a_host_vouches_for_no_statement_that_it_does_not_know(
    host: GitHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remote = parse_remote(SAMPLES[host.key].url)
    assert remote is not None
    program = tmp_path / replay_of(host).program
    program.write_text("#!/bin/sh\necho no attestation found >&2\nexit 1\n")
    program.chmod(0o700)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    problem = host.attestation_problem(remote, Attested(b"", "https://slsa.dev/provenance/v1", {}, "builder"))
    assert problem
    assert ("no attestation found" in problem) == SAMPLES[host.key].is_attesting


@every_host
def test_a_host_unwraps_its_events(host: GitHost) -> None:
    assert host.event_payload(SAMPLES[host.key].event) == {"a": 1}
    assert event_payload(SAMPLES[host.key].event) == {"a": 1}
    assert host.event_payload([1]) == [1]


@every_host
def test_a_host_replays_its_workflows(host: GitHost) -> None:
    workflow = SAMPLES[host.key].workflow
    assert (ROOT / workflow).is_file()
    assert next(each for each in HOSTS if each.owns_workflow(workflow)) is host
    replay = replay_of(host)
    remote = replay.placeholder
    assert remote.host is host
    assert replay.ci_name(remote)
    assert replay.login_step in replay.builtin_effects()
    assert all(reply.words for reply in replay.replies(remote))


def replay_of(host: GitHost) -> Replay:
    """How a host's workflows are replayed; a host that has no replay yet needs another way in these tests."""
    replay = host.replay()
    assert replay is not None
    return replay


# A host's name, its programs and its variables.
MARKS = re.compile(
    r"(?i:github|gitlab|bitbucket|azure.?devops|azure.?pipelines|dev\.azure\.com)|\bgh\b|\baz (repos|pipelines)\b"
    r"|\b(GH|CI|BUILD|SYSTEM|TF)_(?!TYPE)[A-Z]"
)
# Examples of the command line, a value of an older format, and the template's own release workflow.
MAY_NAME_ONE = ("commands/", "settings/policies.py", "template/detach.py")


def test_nothing_outside_of_githost_names_a_host() -> None:
    files = [file for file in PACKAGE.rglob("*.py") if not file.is_relative_to(PACKAGE / "githost")]
    found = {
        f"{file.relative_to(PACKAGE).as_posix()}:{line}: {word}"
        for file in files
        if not file.relative_to(PACKAGE).as_posix().startswith(MAY_NAME_ONE)
        for line, word in words_of(file.read_text(encoding="utf-8"))
        if MARKS.search(word)
    }
    assert len(files) > 100
    assert found == set()


@pytest.mark.parametrize("code", ['if kind == "github": pass', 'run("gh", "pr")', 'os.environ["TF_BUILD"]'])
def test_a_branch_on_a_host_would_be_found(code: str) -> None:
    assert any(MARKS.search(word) for _, word in words_of(code))


def words_of(source: str) -> Iterator[tuple[int, str]]:
    """Every text and every name of the code that runs, with its line; no comments, no docstrings."""
    tree = ast.parse(source)
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.body
        if isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        match node:
            case ast.Constant(value=str() as text) if id(node) not in docstrings:
                yield node.lineno, text
            case ast.Name(id=name) | ast.Attribute(attr=name):
                yield node.lineno, name
            case ast.ImportFrom(module=str() as module):
                yield node.lineno, module
