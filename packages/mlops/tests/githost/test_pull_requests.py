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
from mlops.githost.hosts import parse_remote, pull_requests_of
from mlops.githost.interface import PullRequests
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
    """A clone of a repository on a fake git host, and its pull requests as mlops sees them."""

    fake: FakeGitHost
    repository: Repository

    @property
    def pull_requests(self) -> PullRequests:
        return pull_requests_of(self.repository.remote_url("origin") or "", self.repository.folder)

    def push(self, branch: str, text: str = "two\n", message: str = "Promote") -> str:
        return publish(self.repository, find_base(self.repository), branch, {MANIFEST: text.encode()}, message)

    def files(self) -> set[str]:
        """Everything that lies in the clone besides git's own."""
        return {path.name for path in self.repository.folder.rglob("*") if ".git" not in path.parts}


@pytest.fixture(params=[FakeGitHub, FakeAzureDevOps], ids=["GitHub", "Azure DevOps"])
def case(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Case:
    fake = request.param.make(tmp_path / "git-host")
    fake.begin({str(MANIFEST): "one\n"})
    for name in ("GH_TOKEN", "GITHUB_TOKEN", "GITHUB_ACTIONS", "TF_BUILD", "AZURE_DEVOPS_EXT_PAT"):
        if name in os.environ:
            monkeypatch.delenv(name)
    for name, value in fake.variables().items():
        monkeypatch.setenv(name, value)
    return Case(fake, Repository(fake.clone(tmp_path / "clone")))


def test_a_pull_request_is_opened_and_then_the_same_one_updated(case: Case) -> None:
    case.push("promote/staging/m-2")
    opened = case.pull_requests.propose("promote/staging/m-2", "main", "Promote m 2", "first report")
    updated = case.pull_requests.propose("promote/staging/m-2", "main", "Promote m 2 again", "second report")

    (pull,) = case.fake.open_pull_requests()
    assert (pull.title, pull.body, pull.base) == ("Promote m 2 again", "second report", "main")
    assert opened.url == updated.url
    assert (opened.url or "").startswith(case.fake.web_address)
    case.fake.merge(pull.number)
    assert case.repository.read(case.repository.fetch("origin", "main") or "", MANIFEST) == "two\n"


def test_hostile_text_stays_text(case: Case) -> None:
    branch = "promote/staging/m-2"
    commit = case.push(branch, message="\n".join(HOSTILE))
    for text in HOSTILE:
        case.pull_requests.propose(branch, "main", text, f"{text}\n{text}")
        pull = case.fake.pull_requests()[-1]
        assert pull.title.strip() == text
        assert pull.body.strip() == f"{text}\n{text}"
        case.fake.close(pull.number)
    case.pull_requests.propose(branch, "main", "t", "b")
    case.pull_requests.propose(branch, "main", HOSTILE[2], HOSTILE[2])
    assert case.fake.open_pull_requests()[0].body.strip() == HOSTILE[2]
    assert case.fake.tip(branch) == commit
    assert case.files() == {"releases", "staging.yml"}


def test_hostile_branches_are_proposed_merged_and_reverted_and_never_executed(case: Case) -> None:
    for branch in HOSTILE_BRANCHES:
        case.push(branch)
        case.pull_requests.propose(branch, "main", "t", "b")
        (pull,) = case.fake.open_pull_requests()
        assert pull.head == branch
        case.fake.merge(pull.number)
        case.fake.merge(case.fake.revert(pull.number).number)
    assert case.repository.read(case.repository.fetch("origin", "main") or "", MANIFEST) == "one\n"
    assert case.files() == {"releases", "staging.yml"}


def test_a_tool_that_is_not_logged_in_says_what_to_do(case: Case) -> None:
    case.fake.log_out()
    with pytest.raises(MachineError) as caught:
        case.pull_requests.propose("b", "main", "t", "b")
    assert "login" in " ".join(caught.value.details)
    assert "Log in" in caught.value.advice


def test_a_tool_that_is_not_there_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MachineError, match="not installed") as caught:
        pull_requests_of("https://dev.azure.com/o/p/_git/r", tmp_path).propose("b", "main", "t", "b")
    assert "by hand" in caught.value.advice


def test_a_plain_remote_says_how_to_merge(tmp_path: Path) -> None:
    done = pull_requests_of("/srv/git/r.git", tmp_path).propose("promote/dev/m-2", "main", "t", "b")
    assert done.url is None
    assert "git merge --no-ff promote/dev/m-2" in done.advice


@pytest.mark.parametrize(
    ("remote", "address"),
    [
        ("https://github.com/o/r.git", "https://github.com/o/r/raw/abc/releases/roc.svg"),
        ("git@github.com:o/r.git", "https://github.com/o/r/raw/abc/releases/roc.svg"),
        ("https://dev.azure.com/o/p/_git/r", None),
        ("/srv/r.git", None),
    ],
)
def test_pictures_have_an_address_where_the_host_shows_them(remote: str, address: str | None, tmp_path: Path) -> None:
    assert pull_requests_of(remote, tmp_path).picture_url("abc", PurePosixPath("releases/roc.svg")) == address


def test_a_checkout_in_ci_leads_to_the_same_repository(case: Case) -> None:
    folder = case.repository.folder
    subprocess.run(["git", "-C", str(folder), "remote", "set-url", "origin", case.fake.web_address], check=True)
    assert parse_remote(case.repository.remote_url("origin") or "") == parse_remote(case.fake.web_address)
    assert case.repository.fetch("origin", "main") == case.fake.tip()
