"""Workflows and composite actions as read from a file, before any expression is evaluated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from workflow_replay.errors import Limit

WORKFLOW_CALL: Final = "workflow_call"
LOCAL: Final = "./"


@dataclass(frozen=True)
class Raw:
    """A value that may have expressions, and its line."""

    value: Any
    line: int


@dataclass(frozen=True)
class Filters:
    """Patterns for refs and paths; None if the key is missing."""

    branches: tuple[str, ...] | None = None
    branches_ignore: tuple[str, ...] | None = None
    tags: tuple[str, ...] | None = None
    tags_ignore: tuple[str, ...] | None = None
    paths: tuple[str, ...] | None = None
    paths_ignore: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Input:
    """An input of a workflow or action; `type` is string, boolean, number, choice or environment."""

    type: str = "string"
    required: bool = False
    default: Raw | None = None
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class Trigger:
    """An event in `on`, with its filters."""

    event: str
    line: int
    filters: Filters = field(default_factory=Filters)
    types: tuple[str, ...] | None = None
    inputs: Mapping[str, Input] = field(default_factory=dict)
    secrets: Mapping[str, bool] = field(default_factory=dict)
    outputs: Mapping[str, Raw] = field(default_factory=dict)
    crons: tuple[str, ...] = ()
    workflows: tuple[str, ...] = ()


@dataclass(frozen=True)
class Condition:
    """An `if` as an expression; empty if the key is missing."""

    expression: str
    line: int


@dataclass(frozen=True)
class Step:
    """A step: either `run` or `uses`."""

    line: int
    condition: Condition
    id: str | None = None
    name: Raw | None = None
    run: Raw | None = None
    uses: str | None = None
    shell: Raw | None = None
    inputs: Raw | None = None
    env: Raw | None = None
    working_directory: Raw | None = None
    timeout: Raw | None = None
    continue_on_error: Raw | None = None

    @property
    def action_name(self) -> str:
        """The action without its version; empty for a step with `run`."""
        return (self.uses or "").partition("@")[0]


@dataclass(frozen=True)
class Strategy:
    """The strategy of a job: its matrix and how the jobs of the matrix run."""

    matrix: Raw | None = None
    fail_fast: Raw | None = None
    max_parallel: Raw | None = None


@dataclass(frozen=True)
class Job:
    """A job with steps, or with `uses` a call of a reusable workflow. With a `limit` a replay cannot run it."""

    id: str
    line: int
    condition: Condition
    needs: tuple[str, ...] = ()
    name: Raw | None = None
    runs_on: Raw | None = None
    permissions: Mapping[str, str] | None = None
    environment: Raw | None = None
    concurrency: Raw | None = None
    outputs: Mapping[str, Raw] = field(default_factory=dict)
    env: Raw | None = None
    defaults: Raw | None = None
    timeout: Raw | None = None
    strategy: Strategy = field(default_factory=Strategy)
    continue_on_error: Raw | None = None
    steps: tuple[Step, ...] = ()
    uses: str | None = None
    inputs: Raw | None = None
    secrets: Raw | None = None
    limit: Limit | None = None


@dataclass(frozen=True)
class Workflow:
    """A workflow; `file` is relative to the repository's root."""

    file: str
    name: str
    triggers: Mapping[str, Trigger]
    jobs: Mapping[str, Job]
    run_name: Raw | None = None
    permissions: Mapping[str, str] | None = None
    env: Raw | None = None
    defaults: Raw | None = None
    concurrency: Raw | None = None


@dataclass(frozen=True)
class Composite:
    """A composite action; `file` is its action.yml."""

    file: str
    name: str
    inputs: Mapping[str, Input]
    outputs: Mapping[str, Raw]
    steps: tuple[Step, ...]
