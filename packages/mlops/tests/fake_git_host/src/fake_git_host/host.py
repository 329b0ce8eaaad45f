"""The fake git host as tests use it: create, clone, review, merge and query, without a program in between.

host = FakeGitHub.make(tmp_path / "host")
clone = host.clone(tmp_path / "clone")             # its remote reads git@github.com:example/credit-default.git
subprocess.run([...], env=os.environ | host.variables())   # gh, git and mlops there use this host
host.approve(1, "reviewer"); host.merge(1, "reviewer")
"""

from __future__ import annotations

import os
import secrets
import shlex
import subprocess
import sys
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar, Self

from fake_git_host import pulls
from fake_git_host.address import ssh_address, ssh_host, web_address
from fake_git_host.bare import Bare
from fake_git_host.pulls import PullRefused
from fake_git_host.rules import APPROVED
from fake_git_host.state import PullRequest, State, changing, read_state, write_state

OWNER = "example"
PROJECT = "scoring"
NAME = "credit-default"
CONFIGURATION = "gitconfig"
PROGRAM_MODE = 0o755
PRIVATE_MODE = 0o700
_PROGRAM = '#!/bin/sh\nexec {python} -I -S {main} {program} {folder} "$@"\n'
# The default branch changes by pull request alone.
_HOOK = """#!/bin/sh
while read -r _ _ name; do
    if [ "$name" = "refs/heads/{branch}" ]; then
        echo "{sentence}" >&2
        exit 1
    fi
done
"""


class FakeGitHost(ABC):
    """One repository with its pull requests and settings, in one folder."""

    kind: ClassVar[str]
    programs: ClassVar[tuple[str, ...]]
    push_refusal: ClassVar[str]

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def make(cls, folder: Path, *, branch: str = "main") -> Self:
        """Create an empty repository in a new folder, and the programs that use it."""
        folder.mkdir(parents=True, mode=PRIVATE_MODE)
        remote = folder / "remote.git"
        subprocess.run(["git", "init", "--quiet", "--bare", "--initial-branch", branch, str(remote)], check=True)
        write_state(folder, State(cls.kind, OWNER, PROJECT, NAME, str(remote), branch))
        host = cls(folder)
        host._install()
        # CI systems check out from the web address; it leads to the same repository.
        begins, stands_for = host._rewritten
        (folder / CONFIGURATION).write_text(
            f'[include]\n\tpath = ~/.gitconfig\n[url "{begins}"]\n\tinsteadOf = {stands_for}\n'
        )
        return host

    def _install(self) -> None:
        programs = self.folder / "bin"
        programs.mkdir()
        words = {"python": sys.executable, "main": str(Path(__file__).with_name("__main__.py"))}
        for program in self.programs:
            file = programs / program
            named = words | {"program": program, "folder": str(self.folder)}
            file.write_text(_PROGRAM.format(**{key: shlex.quote(value) for key, value in named.items()}))
            file.chmod(PROGRAM_MODE)

    def variables(self, token: str | None = None) -> dict[str, str]:
        """The environment variables of a process that uses this host, acting as the owner of `token`."""
        programs = self.folder / "bin"
        found = {
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
            "GIT_SSH": str(programs / "ssh"),
            "GIT_SSH_VARIANT": "ssh",
            "GIT_CONFIG_GLOBAL": str(self.folder / CONFIGURATION),
        }
        return found | ({self.token_variable: token} if token else {})

    @property
    @abstractmethod
    def token_variable(self) -> str:
        """The environment variable that the program reads a token from."""

    @property
    @abstractmethod
    def _rewritten(self) -> tuple[str, str]:
        """The prefixes of git's address and of the web address."""

    @property
    def state(self) -> State:
        """The current state."""
        return read_state(self.folder)

    @property
    def bare(self) -> Bare:
        """The bare repository."""
        return Bare(self.folder / "remote.git")

    @property
    def address(self) -> str:
        """The URL of a clone's remote."""
        return ssh_address(self.state)

    @property
    def web_address(self) -> str:
        """The URL of the web page."""
        return web_address(self.state)

    @property
    def host(self) -> str:
        """The host that git connects to."""
        return ssh_host(self.state)

    def begin(self, files: dict[str, str], message: str = "Begin") -> str:
        """Make a first commit on the default branch; return it."""
        branch, identity = self.state.branch, "host <host@users.noreply.invalid> 0 +0000"
        lines = [f"commit refs/heads/{branch}", f"author {identity}", f"committer {identity}", *_data(message)]
        for name, text in files.items():
            lines += [f"M 100644 inline {name}", *_data(text)]
        self.bare.run("fast-import", "--quiet", given="\n".join([*lines, ""]))
        return self.tip()

    def clone(self, folder: Path) -> Path:
        """Clone; the remote has the URL of the real host."""
        command = ["git", "clone", "--quiet", self.address, str(folder)]
        subprocess.run(command, check=True, capture_output=True, env=os.environ | self.variables(), timeout=60)
        return folder

    def token(self, login: str) -> str:
        """Issue a token of a user, for `variables`."""
        with changing(self.folder) as state:
            token = secrets.token_hex(20)
            state.tokens[token] = login
        return token

    def log_out(self) -> None:
        """Log out: from now on requests need a token."""
        with changing(self.folder) as state:
            state.logged_in = None

    def protect(self) -> None:
        """Refuse pushes to the default branch from now on."""
        hook = self.folder / "remote.git" / "hooks" / "pre-receive"
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(_HOOK.format(branch=self.state.branch, sentence=self.push_refusal))
        hook.chmod(PROGRAM_MODE)

    def tip(self, branch: str | None = None) -> str:
        """The newest commit of a branch, of the default one unless named."""
        return self.bare.run("rev-parse", f"refs/heads/{branch or self.state.branch}")

    def pull_requests(self) -> list[PullRequest]:
        """All, oldest first."""
        return self.state.pulls

    def open_pull_requests(self) -> list[PullRequest]:
        """The open ones, newest first."""
        return pulls.open_pulls(self.state)

    def pull_request(self, number: int) -> PullRequest:
        """One pull request. Raises PullRefused for an unknown one."""
        return _of(self.state, number)

    def approve(self, number: int, login: str = "reviewer") -> None:
        """Approve as a user. Raises PullRefused for the author."""
        with changing(self.folder) as state:
            pulls.review(state, _of(state, number), login, APPROVED)

    def report_check(self, number: int, name: str, conclusion: str) -> None:
        """Report the conclusion of a check: success, failure, cancelled …"""
        with changing(self.folder) as state:
            _of(state, number).checks[name] = conclusion

    def merge(self, number: int, login: str = "reviewer", *, squash: bool = False) -> str:
        """Merge as a user; return the new commit. Raises PullRefused because of rules or conflicts."""
        with changing(self.folder) as state:
            pull = _of(state, number)
            message = f"Merge pull request #{number} from {pull.head}\n\n{pull.title}\n"
            return pulls.merge(state, pull, login, message, squash=squash)

    def close(self, number: int) -> None:
        """Close without merging."""
        with changing(self.folder) as state:
            pulls.close(state, _of(state, number))

    def revert(self, number: int, login: str = "reviewer") -> PullRequest:
        """Open a pull request that reverts a merged one."""
        with changing(self.folder) as state:
            pull = _of(state, number)
            return pulls.revert(state, pull, login, f'Revert "{pull.title}"', f"Reverts #{number}")

    def set_document(self, place: str, document: Any) -> None:
        """Set the answer of a settings route, below repos/OWNER/NAME on GitHub; None removes it."""
        with changing(self.folder) as state:
            if document is None:
                state.documents.pop(place, None)
            else:
                state.documents[place] = document


class FakeGitHub(FakeGitHost):
    """github.com, and `gh`."""

    kind = "github"
    programs = ("gh", "ssh")
    push_refusal = "GH013: Repository rule violations found: changes must be made through a pull request."

    @property
    def token_variable(self) -> str:
        """What `gh` reads."""
        return "GH_TOKEN"

    @property
    def _rewritten(self) -> tuple[str, str]:
        return "git@github.com:", "https://github.com/"

    def attest(self, sha256: str, subject: str, builder: str, predicate_type: str, predicate: Any) -> None:
        """Record an attestation by `builder`: OWNER/NAME/.github/workflows/x.yml@refs/heads/y."""
        with changing(self.folder) as state:
            statement = {
                "_type": "https://in-toto.io/Statement/v1",
                "subject": [{"name": subject, "digest": {"sha256": sha256}}],
                "predicateType": predicate_type,
                "predicate": predicate,
            }
            state.attested.append({"builder": builder, "statement": statement})


class FakeAzureDevOps(FakeGitHost):
    """Azure DevOps, and `az`."""

    kind = "azure"
    programs = ("az", "ssh")
    push_refusal = "TF402455: Pushes to this branch are not permitted; you must use a pull request to update it."

    @property
    def token_variable(self) -> str:
        """What the extension of `az` reads."""
        return "AZURE_DEVOPS_EXT_PAT"

    @property
    def _rewritten(self) -> tuple[str, str]:
        return ssh_address(self.state), web_address(self.state)


def _data(text: str) -> list[str]:
    return [f"data {len(text.encode())}", text]


def _of(state: State, number: int) -> PullRequest:
    pull = state.pull(number)
    if pull is None:
        raise PullRefused("unknown", f"there is no pull request {number}")
    return pull
