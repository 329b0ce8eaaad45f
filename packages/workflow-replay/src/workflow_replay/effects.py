"""Declared effects of third-party steps: a table from an action's or task's name to a callable.

A step without a declared effect fails, as a limit of the replay. The effects of well-known actions and tasks come with
each system (github/builtin_actions, azure/builtin_tasks.py). An effect makes a claim about code that does not run here,
so it should do only what the workflow depends on, and fail where the real step would.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from workflow_replay.errors import Limit, UnknownStep


class EffectFailed(Exception):
    """The step fails, as the real one would; the text is its error message."""


@dataclass(frozen=True)
class EffectResult:
    """What the step leaves behind: outputs, and environment variables and PATH entries for later steps.

    `masks` are values to mask in all output. `post` is called when the job ends, the newest first, whether the job
    failed or not, and may raise EffectFailed.
    """

    outputs: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    paths: tuple[str, ...] = ()
    masks: tuple[str, ...] = ()
    post: Callable[[], None] | None = None


@dataclass(frozen=True)
class EffectContext:
    """What a third-party step can see and reach.

    `workspace` is the job's folder, `artifacts` a folder that all jobs of the run share, `variables` the step's process
    environment. `scopes` are the permissions of the job's token, such as {"contents": "write"}. `remote_url` is the
    URL of the remote in clones; None is the repository's folder. `log` prints a line into the step's output.
    """

    repository: Path
    commit: str
    ref: str
    workspace: Path
    temporary: Path
    artifacts: Path
    variables: Mapping[str, str]
    log: Callable[[str], None]
    scopes: Mapping[str, str] = field(default_factory=dict)
    token: str = ""
    job: str = ""
    environment: str | None = None
    event: str = ""
    remote_url: str | None = None

    def require(self, scope: str, level: str) -> None:
        """Raise EffectFailed unless the job's token has this permission; `level` is "read" or "write"."""
        granted = self.scopes.get(scope, "none")
        if granted != level and not (level == "read" and granted == "write"):
            raise EffectFailed(f"the job's token needs `{scope}: {level}` but has `{scope}: {granted}`")


Effect = Callable[[Mapping[str, str], EffectContext], EffectResult]


class Effects(Mapping[str, Effect]):
    """Declared effects by name without version ("actions/checkout", "AzureCLI"); names are case-insensitive."""

    def __init__(self, table: Mapping[str, Effect] | None = None) -> None:
        self._table = {name.lower(): effect for name, effect in (table or {}).items()}

    def updated(self, table: Mapping[str, Effect]) -> Effects:
        """A copy with these effects added or replaced."""
        return Effects({**self._table, **table})

    def find(self, name: str, location: str) -> Effect:
        """The effect of a step at `location` ("file:line"). Raises UnknownStep."""
        effect = self._table.get(name.lower())
        if effect is None:
            raise UnknownStep(
                Limit(
                    location,
                    f"no effect is declared for {name}",
                    "Declare what it does here, or that it does nothing: no step is skipped silently.",
                    "effect",
                    name,
                )
            )
        return effect

    def __getitem__(self, name: str) -> Effect:
        return self._table[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._table)

    def __len__(self) -> int:
        return len(self._table)


def with_variables(effect: Effect, variables: Mapping[str, str]) -> Effect:
    """The same effect, which also sets these environment variables for later steps."""

    def run(inputs: Mapping[str, str], context: EffectContext) -> EffectResult:
        result = effect(inputs, context)
        return replace(result, variables={**result.variables, **variables})

    return run


def no_op(inputs: Mapping[str, str], context: EffectContext) -> EffectResult:  # noqa: ARG001 - an effect's signature
    """Do nothing, on purpose."""
    return EffectResult()
