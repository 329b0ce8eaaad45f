"""The forge as tests see it: made, cloned, reviewed, merged and asked, without a program in between.

forge = GitHubForge.make(tmp_path / "forge")
clone = forge.clone(tmp_path / "clone")             # its remote reads git@github.com:example/credit-default.git
subprocess.run([...], env=os.environ | forge.variables())   # gh, git and mlops there talk to this forge
forge.approve(1, "reviewer"); forge.merge(1, "reviewer")
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

from forge_standin import pulls
from forge_standin.address import ssh_address, ssh_host, web_address
from forge_standin.bare import Bare
from forge_standin.pulls import PullRefused
from forge_standin.rules import APPROVED, CHANGES_REQUESTED
from forge_standin.state import PullRequest, State, changing, read_state, write_state

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


class Forge(ABC):
    """One repository with its pull requests and settings, in one folder."""

    kind: ClassVar[str]
    programs: ClassVar[tuple[str, ...]]
    push_refusal: ClassVar[str]

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def make(cls, folder: Path, *, branch: str = "main") -> Self:
        """An empty repository in a new folder, and the programs that lead to it."""
        folder.mkdir(parents=True, mode=PRIVATE_MODE)
        remote = folder / "remote.git"
        subprocess.run(["git", "init", "--quiet", "--bare", "--initial-branch", branch, str(remote)], check=True)
        write_state(folder, State(cls.kind, OWNER, PROJECT, NAME, str(remote), branch))
        forge = cls(folder)
        forge._install()
        # The form of the address that CI systems check out from leads to the same place.
        begins, stands_for = forge._rewritten
        (folder / CONFIGURATION).write_text(
            f'[include]\n\tpath = ~/.gitconfig\n[url "{begins}"]\n\tinsteadOf = {stands_for}\n'
        )
        return forge

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
        """What a process needs in its environment to find this forge; `token` is whose it acts as."""
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
        """Where the program looks for a token."""

    @property
    @abstractmethod
    def _rewritten(self) -> tuple[str, str]:
        """The beginning of git's address, and of the web's."""

    @property
    def state(self) -> State:
        """Everything as it is now."""
        return read_state(self.folder)

    @property
    def bare(self) -> Bare:
        """The repository itself."""
        return Bare(self.folder / "remote.git")

    @property
    def address(self) -> str:
        """What a clone's remote says."""
        return ssh_address(self.state)

    @property
    def web_address(self) -> str:
        """What people open."""
        return web_address(self.state)

    @property
    def host(self) -> str:
        """Where git believes to talk to."""
        return ssh_host(self.state)

    def begin(self, files: dict[str, str], message: str = "Begin") -> str:
        """Put a first commit of some files on the default branch; the commit."""
        branch, identity = self.state.branch, "forge <forge@users.noreply.invalid> 0 +0000"
        lines = [f"commit refs/heads/{branch}", f"author {identity}", f"committer {identity}", *_data(message)]
        for name, text in files.items():
            lines += [f"M 100644 inline {name}", *_data(text)]
        self.bare.run("fast-import", "--quiet", given="\n".join([*lines, ""]))
        return self.tip()

    def clone(self, folder: Path) -> Path:
        """A clone whose remote reads as the real forge's."""
        command = ["git", "clone", "--quiet", self.address, str(folder)]
        subprocess.run(command, check=True, capture_output=True, env=os.environ | self.variables(), timeout=60)
        return folder

    def token(self, login: str) -> str:
        """A token of somebody, for `variables`."""
        with changing(self.folder) as state:
            token = secrets.token_hex(20)
            state.tokens[token] = login
        return token

    def log_out(self) -> None:
        """From now on only a token says who one is."""
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
        """Approve as somebody. Raises PullRefused for the author."""
        with changing(self.folder) as state:
            pulls.review(state, _of(state, number), login, APPROVED)

    def request_changes(self, number: int, body: str, login: str = "reviewer") -> None:
        """Ask for changes as somebody."""
        with changing(self.folder) as state:
            pulls.review(state, _of(state, number), login, CHANGES_REQUESTED, body)

    def report_check(self, number: int, name: str, conclusion: str) -> None:
        """Note what the CI system found: success, failure, cancelled …"""
        with changing(self.folder) as state:
            _of(state, number).checks[name] = conclusion

    def merge(self, number: int, login: str = "reviewer", *, squash: bool = False) -> str:
        """Merge as somebody; the new commit. Raises PullRefused when rules or conflicts stand against it."""
        with changing(self.folder) as state:
            pull = _of(state, number)
            message = f"Merge pull request #{number} from {pull.head}\n\n{pull.title}\n"
            return pulls.merge(state, pull, login, message, squash=squash)

    def close(self, number: int) -> None:
        """Close without merging."""
        with changing(self.folder) as state:
            pulls.close(state, _of(state, number))

    def revert(self, number: int, login: str = "reviewer") -> PullRequest:
        """Open a pull request that takes a merged one back, as the button does."""
        with changing(self.folder) as state:
            pull = _of(state, number)
            return pulls.revert(state, pull, login, f'Revert "{pull.title}"', f"Reverts #{number}")

    def set_document(self, place: str, document: Any) -> None:
        """Set what a route of the settings answers, below repos/OWNER/NAME on GitHub; None takes it away."""
        with changing(self.folder) as state:
            if document is None:
                state.documents.pop(place, None)
            else:
                state.documents[place] = document


class GitHubForge(Forge):
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
        """Note what `actions/attest` signs in a run of `builder`: OWNER/NAME/.github/workflows/x.yml@refs/heads/y."""
        with changing(self.folder) as state:
            statement = {
                "_type": "https://in-toto.io/Statement/v1",
                "subject": [{"name": subject, "digest": {"sha256": sha256}}],
                "predicateType": predicate_type,
                "predicate": predicate,
            }
            state.attested.append({"builder": builder, "statement": statement})


class AzureForge(Forge):
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
