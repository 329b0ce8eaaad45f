"""Pull requests on a real repository, through programs that do to it what `gh` and `az` do."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pytest
from fake_git_host import FakeAzureDevOps, FakeGitHost, FakeGitHub

from mlops.core.errors import MachineError
from mlops.core.git import Repository
from mlops.core.remote_address import RemoteAddress, parse_remote
from mlops.githost.pull_requests import AzureRepos, Forge, GitHub, PlainRemote, forge_of
from mlops.promotion.branch import find_base, publish

MANIFEST = PurePosixPath("releases/staging.yml")
# Each would do something where it were not text: to a shell, to git, to gh and az, to the logs of both CI systems.
HOSTILE = [
    "$(touch pwned) `touch pwned` ; touch pwned # && touch pwned | touch pwned '; touch pwned; '\" -- \\\" > pwned"
    " ${{ github.token }} $(System.AccessToken) %0A::set-output name=x::y\n::add-mask::a"
    "\n##vso[task.setvariable variable=PATH]pwned\r::error::b <script>alert(1)</script> \u202e\u0007 größe",
    "--body=gone --help -F /etc/passwd",
    "@/etc/passwd",
    "@-",
]
HOSTILE_BRANCHES = [
    "promote/$(touch${IFS}pwned)",
    "promote/`touch|pwned`;echo",
    "promote/'a\"b&&touch{pwned,}",
    "-x/@-",
]


@dataclass(frozen=True)
class Case:
    """A clone of a repository on a forge, and the forge both as it is and as mlops sees it."""

    stand_in: FakeGitHost
    repository: Repository

    @property
    def forge(self) -> Forge:
        return forge_of(self.repository.remote_url("origin") or "", self.repository.folder)

    def push(self, branch: str, text: str = "two\n", message: str = "Promote") -> str:
        return publish(self.repository, find_base(self.repository), branch, {MANIFEST: text.encode()}, message)

    def files(self) -> set[str]:
        """Everything that lies in the clone besides git's own."""
        return {path.name for path in self.repository.folder.rglob("*") if ".git" not in path.parts}


@pytest.fixture(params=[FakeGitHub, FakeAzureDevOps], ids=["GitHub", "Azure DevOps"])
def case(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Case:
    forge = request.param.make(tmp_path / "forge")
    forge.begin({str(MANIFEST): "one\n"})
    for name in ("GH_TOKEN", "GITHUB_TOKEN", "GITHUB_ACTIONS", "TF_BUILD", "AZURE_DEVOPS_EXT_PAT"):
        if name in os.environ:
            monkeypatch.delenv(name)
    for name, value in forge.variables().items():
        monkeypatch.setenv(name, value)
    return Case(forge, Repository(forge.clone(tmp_path / "clone")))


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


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("https://github.com/o/r.git", RemoteAddress("github", "github.com", "o", "", "r")),
        ("git@github.com:o/r", RemoteAddress("github", "github.com", "o", "", "r")),
        ("ssh://git@github.example.org:22/o/r.git", RemoteAddress("github", "github.example.org", "o", "", "r")),
        ("https://token@dev.azure.com/o/p%20q/_git/r", RemoteAddress("azure", "dev.azure.com", "o", "p q", "r")),
        ("git@ssh.dev.azure.com:v3/o/p/r", RemoteAddress("azure", "dev.azure.com", "o", "p", "r")),
        ("https://o.visualstudio.com/p/_git/r", RemoteAddress("azure", "dev.azure.com", "o", "p", "r")),
        ("https://o.visualstudio.com/DefaultCollection/_git/r", RemoteAddress("azure", "dev.azure.com", "o", "r", "r")),
        ("o@vs-ssh.visualstudio.com:v3/o/p/r", RemoteAddress("azure", "dev.azure.com", "o", "p", "r")),
        ("https://github.com/o", None),
        ("/srv/git/r.git", None),
        ("", None),
    ],
)
def test_the_address_tells_the_repository(url: str, place: RemoteAddress | None) -> None:
    assert parse_remote(url) == place


def test_a_pull_request_is_opened_and_then_the_same_one_updated(case: Case) -> None:
    case.push("promote/staging/m-2")
    opened = case.forge.propose("promote/staging/m-2", "main", "Promote m 2", "first report")
    updated = case.forge.propose("promote/staging/m-2", "main", "Promote m 2 again", "second report")

    (pull,) = case.stand_in.open_pull_requests()
    assert (pull.title, pull.body, pull.base) == ("Promote m 2 again", "second report", "main")
    assert opened.url == updated.url
    assert (opened.url or "").startswith(case.stand_in.web_address)
    case.stand_in.merge(pull.number)
    assert case.repository.read(case.repository.fetch("origin", "main") or "", MANIFEST) == "two\n"


def test_hostile_text_stays_text(case: Case) -> None:
    branch = "promote/staging/m-2"
    commit = case.push(branch, message="\n".join(HOSTILE))
    for text in HOSTILE:
        case.forge.propose(branch, "main", text, f"{text}\n{text}")
        pull = case.stand_in.pull_requests()[-1]
        assert pull.title.strip() == text
        assert pull.body.strip() == f"{text}\n{text}"
        case.stand_in.close(pull.number)
    case.forge.propose(branch, "main", "t", "b")
    case.forge.propose(branch, "main", HOSTILE[2], HOSTILE[2])
    assert case.stand_in.open_pull_requests()[0].body.strip() == HOSTILE[2]
    assert case.stand_in.tip(branch) == commit
    assert case.files() == {"releases", "staging.yml"}


def test_hostile_branches_are_proposed_merged_and_reverted_and_never_executed(case: Case) -> None:
    for branch in HOSTILE_BRANCHES:
        case.push(branch)
        case.forge.propose(branch, "main", "t", "b")
        (pull,) = case.stand_in.open_pull_requests()
        assert pull.head == branch
        case.stand_in.merge(pull.number)
        case.stand_in.merge(case.stand_in.revert(pull.number).number)
    assert case.repository.read(case.repository.fetch("origin", "main") or "", MANIFEST) == "one\n"
    assert case.files() == {"releases", "staging.yml"}


def test_a_tool_that_is_not_logged_in_says_what_to_do(case: Case) -> None:
    case.stand_in.log_out()
    with pytest.raises(MachineError) as caught:
        case.forge.propose("b", "main", "t", "b")
    assert "login" in " ".join(caught.value.details)
    assert "Log in" in caught.value.advice


def test_a_tool_that_is_not_there_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MachineError, match="not installed") as caught:
        AzureRepos(tmp_path).propose("b", "main", "t", "b")
    assert "by hand" in caught.value.advice


def test_a_plain_remote_says_how_to_merge(tmp_path: Path) -> None:
    done = PlainRemote(tmp_path).propose("promote/dev/m-2", "main", "t", "b")
    assert done.url is None
    assert "git merge --no-ff promote/dev/m-2" in done.advice


def test_a_checkout_in_ci_leads_to_the_same_forge(case: Case) -> None:
    folder = case.repository.folder
    subprocess.run(["git", "-C", str(folder), "remote", "set-url", "origin", case.stand_in.web_address], check=True)
    assert parse_remote(case.repository.remote_url("origin") or "") == parse_remote(case.stand_in.web_address)
    assert case.repository.fetch("origin", "main") == case.stand_in.tip()
