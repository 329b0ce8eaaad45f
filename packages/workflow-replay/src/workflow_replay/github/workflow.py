"""A workflow file and a composite action as read: what stands where, nothing evaluated. loading.py makes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Raw:
    """A value of a file with its expressions in it, and its line."""

    value: Any
    line: int


@dataclass(frozen=True)
class Filters:
    """Patterns that a ref or a path has to match, or must not; None where the file says nothing."""

    branches: tuple[str, ...] | None = None
    branches_ignore: tuple[str, ...] | None = None
    tags: tuple[str, ...] | None = None
    tags_ignore: tuple[str, ...] | None = None
    paths: tuple[str, ...] | None = None
    paths_ignore: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Input:
    """An input of a workflow or an action; `type` is string, boolean, number, choice or environment."""

    type: str = "string"
    required: bool = False
    default: Raw | None = None
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class Trigger:
    """One entry below `on`."""

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
    """An `if` as one expression; empty when the file says nothing."""

    expression: str
    line: int


@dataclass(frozen=True)
class Step:
    """A step: `run` or `uses`, never both."""

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


@dataclass(frozen=True)
class Strategy:
    """How a job becomes several."""

    matrix: Raw | None = None
    fail_fast: Raw | None = None
    max_parallel: Raw | None = None


@dataclass(frozen=True)
class Job:
    """A job of steps, or for `uses` a call of another workflow."""

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


@dataclass(frozen=True)
class Workflow:
    """A workflow file; `file` counts from the repository's top."""

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
