"""A pipeline as frozen data, after templates: what will run, with what is decided only at run time left as text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from workflow_replay.azure.templates.tree import Place

StepKind: TypeAlias = Literal["script", "bash", "pwsh", "powershell", "checkout", "task", "publish", "download"]
HookName: TypeAlias = Literal["preDeploy", "deploy", "routeTraffic", "postRouteTraffic", "failure", "success"]

HOOKS: tuple[HookName, ...] = ("preDeploy", "deploy", "routeTraffic", "postRouteTraffic")
DEFAULT_STAGE = "__default"
DEFAULT_JOB = "Job"


@dataclass(frozen=True)
class Variable:
    """A variable as it is written: its value may have macros or be a runtime expression."""

    name: str
    value: str
    place: Place
    read_only: bool = False


@dataclass(frozen=True)
class Group:
    """A variable group by name; its variables are the caller's."""

    name: str
    place: Place


Variables: TypeAlias = tuple[Variable | Group, ...]


@dataclass(frozen=True)
class Step:
    """A step; `subject` is its script, task, repository, path or source, by its kind."""

    kind: StepKind
    subject: str
    place: Place
    name: str = ""
    display_name: str = ""
    condition: str | None = None
    continue_on_error: str = "false"
    enabled: str = "true"
    timeout_minutes: float = 0.0
    retries: int = 0
    inputs: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Matrix:
    """A job once for each leg, with the leg's variables; an expression stands for legs known at run time."""

    legs: Mapping[str, Mapping[str, str]]
    expression: str | None
    most_at_once: int
    place: Place


@dataclass(frozen=True)
class Slices:
    """A job several times over."""

    count: int


@dataclass(frozen=True)
class Hooks:
    """The steps of a deployment, by when they run; the strategy says how often."""

    strategy: Literal["runOnce", "rolling", "canary"]
    steps: Mapping[HookName, tuple[Step, ...]]
    increments: tuple[str, ...] = ()


@dataclass(frozen=True)
class Environment:
    """Where a deployment goes, and to which resource of it."""

    name: str
    resource: str = ""


@dataclass(frozen=True)
class Job:
    """A job; a deployment has `hooks` and an environment in the place of steps."""

    name: str
    place: Place
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


@dataclass(frozen=True)
class Stage:
    """A stage; `depends_on` None means the stage before it."""

    name: str
    place: Place
    jobs: tuple[Job, ...]
    display_name: str = ""
    depends_on: tuple[str, ...] | None = None
    condition: str | None = None
    variables: Variables = ()
    lock_behavior: str | None = None
    is_manual: bool = False


@dataclass(frozen=True)
class Filter:
    """What is meant and what is not; nothing included means everything."""

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()


@dataclass(frozen=True)
class PushTrigger:
    """Which pushes start the pipeline; None for a filter that is not there."""

    branches: Filter | None = None
    tags: Filter | None = None
    paths: Filter | None = None
    batch: bool = False


@dataclass(frozen=True)
class Schedule:
    """When, and on which branches, the pipeline starts by itself."""

    cron: str
    branches: Filter
    always: bool = False


@dataclass(frozen=True)
class PipelineResource:
    """Another pipeline that this one may use; `triggers` when its runs start this one."""

    alias: str
    source: str
    triggers: bool = False
    branches: Filter | None = None
    stages: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Pipeline:
    """A pipeline file; `push` None never starts by a push, `pull_request` None by no pull request."""

    file: str
    name: str = ""
    stages: tuple[Stage, ...] = ()
    variables: Variables = ()
    push: PushTrigger | None = field(default_factory=PushTrigger)
    pull_request: PushTrigger | None = field(default_factory=PushTrigger)
    schedules: tuple[Schedule, ...] = ()
    resources: tuple[PipelineResource, ...] = ()
    lock_behavior: str | None = None
