"""The interface of a git host, such as GitHub or Azure DevOps; code outside this package names neither.

A new host (GitLab, say) is one folder next to `github/`, with one class that derives from `GitHost`, and one line in
`HOSTS` (hosts.py). It also needs its CI files and, in infra/, the federation of its jobs with Azure. The class
provides:

1. **addresses**: which servers are its own, how the address of a git remote is parsed, and the page of a commit
   (`owns_server`, `parse`, `commit_url`);
2. **the CI job** that runs this process (`is_running`, `job`): outputs, summaries, annotations, masks, groups and the
   escaping of its log commands; the pull request; the actor, for the audit log; the builder, for provenance; the login;
3. **pull requests** (`pull_requests`): open or update one, the length limits of its texts, the URLs of its pictures;
4. **protection settings** (`expectations`, `protection_findings`): its section of releases/protection.yml, and how the
   repository's settings compare with it;
5. **attestations** (`attestation_problem`): whether it attests a provenance statement, or that it never does;
6. **event payloads** (`event_payload`): the envelope around an event that starts a workflow;
7. **training** (`training_command`): the command that makes its CI train without reuse, for advice;
8. **CI files** (`ci_files`, `stage_blocks`): where they are, and how their parts that list stages are written;
9. **replays** (`owns_workflow`, `replay`): which workflow files can be replayed on this machine, and how; None where
   none can be.

tests/githost/test_interface.py fails for a host that lacks a part. What a host needs only for one part is imported when
that part is used: every command imports this package.
"""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, ClassVar, Final
from urllib.parse import unquote, urlsplit

from mlops.core.results import SourceLocation

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

    from mlops.githost.protection import Expectations, Finding, Section
    from mlops.githost.stage_blocks import StageBlock
    from workflow_replay.effects import Effects
    from workflow_replay.events import Event
    from workflow_replay.host_environment import HostEnvironment
    from workflow_replay.result import Run


def server_of(url: str) -> str:
    """The server in the address, in lower case; "" for a local path."""
    if "://" in url:
        return (urlsplit(url).hostname or "").lower()
    # The short form of ssh, user@server:path; a local path has no server.
    before = url.partition(":")[0]
    return before.rpartition("@")[2].lower() if "@" in before and "/" not in before else ""


def path_of(url: str) -> list[str]:
    """The parts of the path in the address, without the suffix `.git`."""
    path = urlsplit(url).path if "://" in url else url.partition(":")[2]
    return [unquote(part) for part in path.strip("/").removesuffix(".git").split("/") if part]


WORKSTATION: Final = "urn:mlops:builder:workstation"
UNKNOWN: Final = "urn:mlops:builder:unknown"
# The tags of a registered model version.
BUILDER_TAG: Final = "builder"
RUN_TAG: Final = "builder_run"
SOURCE_TAG: Final = "source"


@dataclass(frozen=True)
class Builder:
    """A builder: the address of its definition and branch, of the run, and of the source."""

    id: str
    run: str = ""
    source: str = ""

    def tags(self) -> dict[str, str]:
        """The builder as tags of a model version."""
        return {BUILDER_TAG: self.id, RUN_TAG: self.run, SOURCE_TAG: self.source}


def builder_of(tags: Mapping[str, str] | None) -> Builder:
    """The builder that a model version's tags name; UNKNOWN for a version without them."""
    found = tags or {}
    return Builder(found.get(BUILDER_TAG) or UNKNOWN, found.get(RUN_TAG, ""), found.get(SOURCE_TAG, ""))


@dataclass(frozen=True)
class RemoteAddress:
    """A repository on a git host, as a git remote's address names it. `server` is the web server, not the ssh one.

    `origin` is the address that the host's CI gives for itself: the repository on GitHub, the project in Azure DevOps.
    `url` is the repository's page, which git can clone as well. `project` is "" where the host has no projects.
    """

    host: GitHost
    server: str
    owner: str
    project: str
    name: str
    origin: str
    url: str


@dataclass(frozen=True)
class PullRequest:
    """A pull request as opened or updated: its address, or None if the remote has no pull requests."""

    url: str | None
    advice: str


@dataclass(frozen=True)
class Attested:
    """What an attestation must state: the checksums of a model package, whose sha256 is its digest, and the predicate.

    `builder` is the identity in the statement, as `CIJob.builder` gives it.
    """

    checksums: bytes
    predicate_type: str
    predicate: Mapping[str, Any]
    builder: str


class CIJob(ABC):
    """The CI job that runs this process, read from its environment variables; or a person's own shell.

    Commands to the CI system go to standard error, which all of them read like standard output: a program that reads
    standard output gets the result of `mlops` and nothing else.
    """

    name: ClassVar[str]
    # In bytes of UTF-8; a longer summary is cut, and says so.
    summary_limit: ClassVar[int]
    # The variable that holds the checked-out folder.
    _root_variable: ClassVar[str] = ""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    @abstractmethod
    def set_output(self, name: str, value: str) -> None:
        """Pass a value to later steps and jobs; any text is safe."""

    @abstractmethod
    def add_summary(self, markdown: str) -> None:
        """Show a text on the run's page."""

    @abstractmethod
    def annotate(self, location: SourceLocation | None, message: str) -> None:
        """Show an error, at its line if it has one."""

    @abstractmethod
    def mask(self, secret: str) -> None:
        """Hide a value in the logs."""

    @abstractmethod
    def open_group(self, title: str) -> None:
        """Begin a collapsible group of log lines."""

    @abstractmethod
    def close_group(self) -> None:
        """End the group."""

    @abstractmethod
    def escape(self, line: str) -> str:
        """A line of output in a form that the CI system takes as plain text."""

    @property
    @abstractmethod
    def actor(self) -> str:
        """Who started the job; "" if the variables do not say."""

    @property
    @abstractmethod
    def pull_request_url(self) -> str:
        """The page of the pull request that the job checks; "" for a job of no pull request."""

    @abstractmethod
    def builder(self) -> Builder:
        """The job as the builder in a provenance statement."""

    @abstractmethod
    def credential(self) -> TokenCredential | None:
        """The job's own login to Azure, renewed while the job runs; None if it may not request one."""

    def path_of(self, location: SourceLocation) -> str:
        """The path of a location relative to the checked-out folder."""
        file = location.file.absolute()
        folder = Path(self._environment.get(self._root_variable, "") or Path.cwd())
        return (file.relative_to(folder) if file.is_relative_to(folder) else file).as_posix()

    def _command(self, command: str) -> None:
        # Not sys.stderr: that one escapes commands.
        stream = sys.__stderr__
        if stream is not None:
            sys.stderr.flush()
            print(command, file=stream, flush=True)


class PullRequests(ABC):
    """The pull requests of the repository cloned in `folder`; `remote` is None for an address of unknown form.

    Lengths are in characters. `comment_limit` is that of a comment with the details that do not fit in the body; 0 if
    they do.
    """

    body_limit: ClassVar[int]
    comment_limit: ClassVar[int] = 0

    def __init__(self, folder: Path, remote: RemoteAddress | None) -> None:
        self._folder = folder
        self._remote = remote

    @abstractmethod
    def propose(self, branch: str, base: str, title: str, body: str, comment: str = "") -> PullRequest:
        """Open a pull request for a pushed branch, or update the open one.

        `comment` is the full text that the body summarises. Raises MachineError if the host's program is missing
        or fails.
        """

    @abstractmethod
    def picture_url(self, commit: str, path: PurePosixPath) -> str | None:
        """The URL at which readers of a pull request see a committed picture; None if there is none.

        `path` is relative to the repository's top.
        """


@dataclass(frozen=True)
class CannedReply:
    """What the fake of the host's program prints for a command that begins with `words` and contains `containing`."""

    words: tuple[str, ...]
    text: str
    containing: str = ""


class Replay(ABC):
    """The CI of one git host, replayed on this machine; `placeholder` stands in for a repository that is not on it."""

    # The program by which steps reach the host. A replay replaces it with a fake.
    program: ClassVar[str]
    # Variables that name folders with the program's logins: a replay points each of them to an empty folder.
    login_folders: ClassVar[tuple[str, ...]] = ()
    # Variables that hold the program's login: a replay hides them from its steps.
    login_variables: ClassVar[tuple[str, ...]] = ()
    # The step that logs in to Azure.
    login_step: ClassVar[str]

    def __init__(self, placeholder: RemoteAddress) -> None:
        self.placeholder = placeholder

    @abstractmethod
    def ssh_url(self, remote: RemoteAddress) -> str:
        """The address for git over ssh, whose program GIT_SSH can replace."""

    @abstractmethod
    def ci_name(self, remote: RemoteAddress) -> str:
        """The name below the owner in the CI's variables: the repository's or the project's."""

    @abstractmethod
    def replies(self, remote: RemoteAddress) -> Sequence[CannedReply]:
        """What the fake of the host's program answers about pull requests; it refuses everything else."""

    @abstractmethod
    def builtin_effects(self) -> Effects:
        """What well-known third-party steps do in a replay."""

    @abstractmethod
    def run(self, repository: Path, path: str, event: Event, host: HostEnvironment) -> Run:
        """Replay a workflow file of a bare repository. Raises ReplayError for a file that the host would reject."""


class GitHost(ABC):
    """A service that hosts git repositories and runs their CI."""

    # The name of its section in releases/protection.yml.
    key: ClassVar[str]
    name: ClassVar[str]
    training_command: ClassVar[str]
    # Patterns of its CI files, relative to the repository's top.
    ci_files: ClassVar[tuple[str, ...]]
    # Who must approve changes to what, relative to the repository's top; "" where the host has no such file.
    owners_file: ClassVar[str] = ""

    @abstractmethod
    def owns_server(self, server: str) -> bool:
        """Whether a server, by its name in lower case, belongs to this host."""

    @abstractmethod
    def parse(self, url: str) -> RemoteAddress | None:
        """The repository that a git remote's address on this host names; None for an unknown form."""

    @abstractmethod
    def commit_url(self, remote: RemoteAddress, commit: str) -> str:
        """The page of a commit, by its full id."""

    @abstractmethod
    def is_running(self, environment: Mapping[str, str]) -> bool:
        """Whether a process with these environment variables runs in the host's CI."""

    @abstractmethod
    def job(self, environment: Mapping[str, str]) -> CIJob:
        """The job that has these environment variables."""

    @abstractmethod
    def pull_requests(self, folder: Path, remote: RemoteAddress | None) -> PullRequests:
        """The pull requests of the repository cloned in a folder."""

    @abstractmethod
    def expectations(self) -> type[Section]:
        """The host's section of releases/protection.yml."""

    @abstractmethod
    def protection_findings(self, folder: Path, remote: RemoteAddress, expected: Expectations) -> Sequence[Finding]:
        """How the settings of a repository compare with what is expected.

        Raises MachineError if the host cannot be reached, ProjectError without its section.
        """

    @abstractmethod
    def attestation_problem(self, remote: RemoteAddress, attested: Attested) -> str | None:
        """Why the host does not attest a statement; None if it does.

        Raises MachineError if the host cannot be reached.
        """

    @abstractmethod
    def event_payload(self, event: Any) -> Any:
        """The payload of an event without the host's envelope; any other event unchanged."""

    @abstractmethod
    def stage_blocks(self) -> Mapping[str, StageBlock]:
        """How to write the parts of its CI files that list stages, by the kind in their first comment."""

    def model_workflows(self, root: Path, model: PurePosixPath) -> Mapping[PurePosixPath, str]:  # noqa: ARG002
        """The CI files of a further model in `model`, by path, made from those of the repository's first one."""
        return {}

    @abstractmethod
    def owns_workflow(self, path: str) -> bool:
        """Whether a file, by its path relative to the repository's top, is a workflow of this host's CI."""

    @abstractmethod
    def replay(self) -> Replay | None:
        """How a workflow is replayed on this machine; None when it cannot be."""
