"""A pipeline as frozen data after template expansion; values known only at run time stay text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from workflow_replay.azure.templates.tree import SourceLocation
from workflow_replay.errors import Limit

StepKind: TypeAlias = Literal[
    "script", "bash", "pwsh", "powershell", "checkout", "task", "publish", "upload", "download", "reviewApp",
    "getPackage",
]  # fmt: skip
HookName: TypeAlias = Literal["preDeploy", "deploy", "routeTraffic", "postRouteTraffic", "failure", "success"]

HOOKS: tuple[HookName, ...] = ("preDeploy", "deploy", "routeTraffic", "postRouteTraffic")
DEFAULT_STAGE = "__default"
DEFAULT_JOB = "Job"


@dataclass(frozen=True)
class Variable:
    """A variable; its value may have macros, or be a runtime expression."""

    name: str
    value: str
    location: SourceLocation
    read_only: bool = False


@dataclass(frozen=True)
class Group:
    """A reference to a variable group; the caller provides its variables."""

    name: str
    location: SourceLocation


Variables: TypeAlias = tuple[Variable | Group, ...]


@dataclass(frozen=True)
class Step:
    """A step; depending on its kind `subject` is a script, task, repository, path or source.

    With a `limit` a replay cannot run it.
    """

    kind: StepKind
    subject: str
    location: SourceLocation
    name: str = ""
    display_name: str = ""
    condition: str | None = None
    continue_on_error: str = "false"
    enabled: str = "true"
    timeout_minutes: float = 0.0
    retries: int = 0
    inputs: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    limit: Limit | None = None


@dataclass(frozen=True)
class Matrix:
    """Runs a job once for each leg, with the leg's variables; legs may be a runtime expression."""

    legs: Mapping[str, Mapping[str, str]]
    expression: str | None
    max_parallel: int
    location: SourceLocation


@dataclass(frozen=True)
class Slices:
    """Runs a job several times in parallel."""

    count: int


@dataclass(frozen=True)
class Hooks:
    """The lifecycle hooks of a deployment; the strategy says how often they run."""

    strategy: Literal["runOnce", "rolling", "canary"]
    steps: Mapping[HookName, tuple[Step, ...]]
    increments: tuple[str, ...] = ()


@dataclass(frozen=True)
class Environment:
    """The environment of a deployment, and the resource in it."""

    name: str
    resource: str = ""


@dataclass(frozen=True)
class Job:
    """A job; a deployment has `hooks` and an environment instead of steps. With a `limit` a replay cannot run it."""

    name: str
    location: SourceLocation
    display_name: str = ""
    depends_on: tuple[str, ...] = ()
    condition: str | None = None
    continue_on_error: str = "false"
    timeout_minutes: float = 60.0
    variables: Variables = ()
    steps: tuple[Step, ...] = ()
    strategy: Matrix | Slices | None = None
    hooks: Hooks | None = None
    environment: Environment | None = None
    limit: Limit | None = None


@dataclass(frozen=True)
class Stage:
    """A stage; `depends_on` None is the previous stage."""

    name: str
    location: SourceLocation
    jobs: tuple[Job, ...]
    display_name: str = ""
    depends_on: tuple[str, ...] | None = None
    condition: str | None = None
    variables: Variables = ()
    lock_behavior: str | None = None
    is_manual: bool = False


@dataclass(frozen=True)
class Filter:
    """Included and excluded patterns; without included ones everything is included."""

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()


@dataclass(frozen=True)
class PushTrigger:
    """Filters of pushes; None if the key is missing."""

    branches: Filter | None = None
    tags: Filter | None = None
    paths: Filter | None = None
    batch: bool = False


@dataclass(frozen=True)
class Schedule:
    """A schedule and its branches."""

    cron: str
    branches: Filter


@dataclass(frozen=True)
class PipelineResource:
    """A pipeline resource; `triggers` if its runs trigger this pipeline."""

    alias: str
    source: str
    triggers: bool = False
    branches: Filter | None = None
    stages: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Pipeline:
    """A pipeline; `push` and `pull_request` are None for `none`."""

    file: str
    name: str = ""
    stages: tuple[Stage, ...] = ()
    variables: Variables = ()
    push: PushTrigger | None = field(default_factory=PushTrigger)
    pull_request: PushTrigger | None = field(default_factory=PushTrigger)
    schedules: tuple[Schedule, ...] = ()
    resources: tuple[PipelineResource, ...] = ()
    lock_behavior: str | None = None
