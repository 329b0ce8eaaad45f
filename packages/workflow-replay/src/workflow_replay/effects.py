"""What steps of other people are declared to do here: a table from their name to a callable; unknown ones are refused.

The effects of the well-known ones stand with their system (github/, azure/). An effect is a promise about somebody
else's code, so it should do as little as the workflow depends on, and fail where the real one would.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from workflow_replay.errors import UnknownStep


class EffectFailed(Exception):
    """The step fails, as the real one would; the text says why."""


@dataclass(frozen=True)
class EffectResult:
    """What the step leaves behind: outputs, variables and folders of PATH for later steps, and work at the job's end.

    `at_end` is called when the job is over, newest first, whether it failed or not, and may raise EffectFailed.
    """

    outputs: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    paths: tuple[str, ...] = ()
    masks: tuple[str, ...] = ()
    at_end: Callable[[], None] | None = None


@dataclass(frozen=True)
class EffectContext:
    """What a step of somebody else's can see and reach.

    `workspace` is the job's folder, `variables` its environment, `scopes` what its token may do ("contents": "write"),
    `artifacts` a folder that all jobs of the run share, `origin` the address that clones are to have, None for that
    of the repository. `say` prints a line into the step's output.
    """

    repository: Path
    commit: str
    ref: str
    workspace: Path
    temporary: Path
    artifacts: Path
    variables: Mapping[str, str]
    say: Callable[[str], None]
    scopes: Mapping[str, str] = field(default_factory=dict)
    token: str = ""
    job: str = ""
    environment: str | None = None
    event: str = ""
    origin: str | None = None

    def require(self, scope: str, level: str) -> None:
        """Fail when the job's token may not do this: level "read" or "write"."""
        granted = self.scopes.get(scope, "none")
        if granted != level and not (level == "read" and granted == "write"):
            raise EffectFailed(f"the job's token needs `{scope}: {level}` and has `{scope}: {granted}`")


Effect = Callable[[Mapping[str, str], EffectContext], EffectResult]


class Effects(Mapping[str, Effect]):
    """The declared effects, by the step's name without version ("actions/checkout", "AzureCLI"), in any case."""

    def __init__(self, table: Mapping[str, Effect] | None = None) -> None:
        self._table = {name.lower(): effect for name, effect in (table or {}).items()}

    def with_(self, table: Mapping[str, Effect]) -> Effects:
        """These, and others in addition or in their place."""
        return Effects({**self._table, **table})

    def named(self, name: str, place: str) -> Effect:
        """The effect of a step used at `place` ("file:line"). Raises UnknownStep."""
        effect = self._table.get(name.lower())
        if effect is None:
            raise UnknownStep(
                f"{place}: no effect is declared for {name}",
                "Declare what it does here, or that it does nothing: nothing is skipped silently.",
            )
        return effect

    def __getitem__(self, name: str) -> Effect:
        return self._table[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._table)

    def __len__(self) -> int:
        return len(self._table)


def adding(effect: Effect, variables: Mapping[str, str]) -> Effect:
    """The same effect, after which later steps also have these variables."""

    def act(inputs: Mapping[str, str], context: EffectContext) -> EffectResult:
        result = effect(inputs, context)
        return replace(result, variables={**result.variables, **variables})

    return act


def nothing(inputs: Mapping[str, str], context: EffectContext) -> EffectResult:  # noqa: ARG001 - an effect's shape
    """Do nothing, on purpose."""
    return EffectResult()
