"""What a git host has to provide. GitHub and Azure DevOps are behind it; nothing outside this package names one.

A new host (GitLab, say) is one folder beside `github/`, with one class that derives from `GitHost`, and one line in
`HOSTS` (hosts.py). Besides that it needs its CI files and, in infra/, the federation of its jobs with Azure. The class
provides:

1. **addresses**: which servers are its own, and what the address of a git remote says (`owns_server`, `parse`);
2. **the CI job** that runs this process (`is_running`, `job`): outputs, summaries, annotations, masks, groups and the
   escape of its log commands; the actor, for the audit log; the builder, for provenance; the login at Azure;
3. **pull requests** (`pull_requests`): open or update one, how long its texts may be, where its pictures are shown;
4. **protection settings** (`expectations`, `protection_findings`): its section of releases/protection.yml, and how the
   repository's settings compare with it;
5. **attestations** (`attestation_problem`): whether it vouches for a provenance statement, or that it never does;
6. **event shapes** (`event_payload`): what it wraps around an event that starts a workflow;
7. **training** (`training_command`): the command that has its CI train without reuse, for advice;
8. **CI files** (`ci_files`, `stage_blocks`): where they are, and how the parts of them that list stages are written;
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
    """The server in the address, in lower case; "" for a path of this machine."""
    if "://" in url:
        return (urlsplit(url).hostname or "").lower()
    # The short form of ssh, user@server:path; a path of this machine has no server.
    before = url.partition(":")[0]
    return before.rpartition("@")[2].lower() if "@" in before and "/" not in before else ""


def path_of(url: str) -> list[str]:
    """The parts of the path in the address, without the ending `.git`."""
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
    """A builder by the address of its definition and branch, the address of the run, and that of the source."""

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
    """A repository of a git host, by the address of a git remote. `server` is the web's name, not ssh's.

    `origin` is the address that the host's CI names as its own: the repository on GitHub, the project in Azure DevOps.
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
    """A pull request as opened or updated: its address, or None where the remote has no such thing."""

    url: str | None
    advice: str


@dataclass(frozen=True)
class Attested:
    """What an attestation has to say: the checksums of a model package, whose sha256 is its digest, and the predicate.

    `builder` is the identity in the statement, as `CIJob.builder` gives it.
    """

    checksums: bytes
    predicate_type: str
    predicate: Mapping[str, Any]
    builder: str


class CIJob(ABC):
    """A job of a CI system that runs this process, as its environment variables say; or a person's own shell.

    Commands to a CI system go to standard error, which all of them read like standard output: a program that reads
    standard output gets the answer of `mlops` and nothing else.
    """

    name: ClassVar[str]
    # In bytes of UTF-8; what a summary has beyond it is cut, and says so.
    summary_limit: ClassVar[int]
    # The variable with the folder that was checked out.
    _root_variable: ClassVar[str] = ""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    @abstractmethod
    def set_output(self, name: str, value: str) -> None:
        """Hand a value to later steps and jobs; any text is safe."""

    @abstractmethod
    def add_summary(self, markdown: str) -> None:
        """Show a text on the page of the run."""

    @abstractmethod
    def annotate(self, location: SourceLocation | None, message: str) -> None:
        """Show an error, at its line where there is one."""

    @abstractmethod
    def mask(self, secret: str) -> None:
        """Hide a value in the logs."""

    @abstractmethod
    def open_group(self, title: str) -> None:
        """Begin lines of the log that can be collapsed."""

    @abstractmethod
    def close_group(self) -> None:
        """End them."""

    @abstractmethod
    def escape(self, line: str) -> str:
        """A line of output that the CI system takes for text, whatever it holds."""

    @property
    @abstractmethod
    def actor(self) -> str:
        """Who started the job; "" when the variables do not say."""

    @abstractmethod
    def builder(self) -> Builder:
        """The job as the builder in a provenance statement."""

    @abstractmethod
    def credential(self) -> TokenCredential | None:
        """The job's own login at Azure, renewed for as long as the job runs; None when it may not ask for one."""

    def path_of(self, location: SourceLocation) -> str:
        """The path of a location below the folder that was checked out."""
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
    """The pull requests of the repository that is cloned in `folder`; `remote` is None for an address of unknown form.

    Lengths are in characters. `comment_limit` is that of a comment which says more than the body; 0 where the body has
    room enough.
    """

    body_limit: ClassVar[int]
    comment_limit: ClassVar[int] = 0

    def __init__(self, folder: Path, remote: RemoteAddress | None) -> None:
        self._folder = folder
        self._remote = remote

    @abstractmethod
    def propose(self, branch: str, base: str, title: str, body: str, comment: str = "") -> PullRequest:
        """Open a pull request for a pushed branch, or update the one that is open.

        `comment` is the whole of what the body says in brief. Raises MachineError when the host's program is missing,
        or refuses.
        """

    @abstractmethod
    def picture_url(self, commit: str, path: PurePosixPath) -> str | None:
        """Where a committed picture is shown to readers of a pull request; None where there is no such address.

        `path` counts from the repository's top.
        """


@dataclass(frozen=True)
class CannedReply:
    """What the fake of the host's program prints for a command that begins with `words` and has `containing` in it."""

    words: tuple[str, ...]
    text: str
    containing: str = ""


class Replay(ABC):
    """The CI of one git host, replayed on this machine; `placeholder` is for a repository that is not on it."""

    # The program by which steps reach the host. A replay puts a fake in its place.
    program: ClassVar[str]
    # Variables that name folders with the program's logins: a replay points each to an empty folder.
    login_folders: ClassVar[tuple[str, ...]] = ()
    # Variables that hold a login of the program's: no step of a replay sees them.
    login_variables: ClassVar[tuple[str, ...]] = ()
    # The step that logs in to Azure.
    login_step: ClassVar[str]

    def __init__(self, placeholder: RemoteAddress) -> None:
        self.placeholder = placeholder

    @abstractmethod
    def ssh_url(self, remote: RemoteAddress) -> str:
        """The address for git over ssh: git lets GIT_SSH replace that program."""

    @abstractmethod
    def ci_name(self, remote: RemoteAddress) -> str:
        """The name below the owner that the CI's variables give: of the repository, or of the project."""

    @abstractmethod
    def replies(self, remote: RemoteAddress) -> Sequence[CannedReply]:
        """What the fake of the host's program answers about pull requests; it refuses everything else."""

    @abstractmethod
    def builtin_effects(self) -> Effects:
        """What well-known steps of others do in a replay."""

    @abstractmethod
    def run(self, repository: Path, path: str, event: Event, host: HostEnvironment) -> Run:
        """Replay a workflow file of a bare repository. Raises ReplayError for what the host would reject."""


class GitHost(ABC):
    """A service that keeps git repositories and runs their CI."""

    # The name of its section in releases/protection.yml.
    key: ClassVar[str]
    name: ClassVar[str]
    training_command: ClassVar[str]
    # Patterns of its CI files, from the repository's top.
    ci_files: ClassVar[tuple[str, ...]]

    @abstractmethod
    def owns_server(self, server: str) -> bool:
        """Whether a server, by its name in lower case, belongs to this host."""

    @abstractmethod
    def parse(self, url: str) -> RemoteAddress | None:
        """The repository that the address of a git remote on this host names; None for a form that it does not use."""

    @abstractmethod
    def is_running(self, environment: Mapping[str, str]) -> bool:
        """Whether the host's CI runs the process that has these environment variables."""

    @abstractmethod
    def job(self, environment: Mapping[str, str]) -> CIJob:
        """The job that has these environment variables."""

    @abstractmethod
    def pull_requests(self, folder: Path, remote: RemoteAddress | None) -> PullRequests:
        """The pull requests of the repository that is cloned in a folder."""

    @abstractmethod
    def expectations(self) -> type[Section]:
        """The host's section of releases/protection.yml."""

    @abstractmethod
    def protection_findings(self, folder: Path, remote: RemoteAddress, expected: Expectations) -> Sequence[Finding]:
        """How the settings of a repository compare with what is expected.

        Raises MachineError when the host cannot be asked, ProjectError without its section.
        """

    @abstractmethod
    def attestation_problem(self, remote: RemoteAddress, attested: Attested) -> str | None:
        """Why the host does not vouch for a statement; None when it does.

        Raises MachineError when the host cannot be asked.
        """

    @abstractmethod
    def event_payload(self, event: Any) -> Any:
        """What was sent with an event, without the host's envelope; another event as it is."""

    @abstractmethod
    def stage_blocks(self) -> Mapping[str, StageBlock]:
        """How the parts of its CI files that list stages are written, by the kind that their first comment names."""

    @abstractmethod
    def owns_workflow(self, path: str) -> bool:
        """Whether a file, by its path from the repository's top, is a workflow of this host's CI."""

    @abstractmethod
    def replay(self) -> Replay | None:
        """How a workflow is replayed on this machine; None when it cannot be."""
