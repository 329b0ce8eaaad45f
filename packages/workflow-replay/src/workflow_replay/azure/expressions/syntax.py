"""The syntax tree of an expression, and which names are available where. Data only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from workflow_replay.azure.expressions.values import Value

ANY_NUMBER = 255


@dataclass(frozen=True)
class Literal:
    """A literal value."""

    value: Value


@dataclass(frozen=True)
class Name:
    """A context such as `variables`, or a variable of `each`; `name` is case-folded."""

    name: str


@dataclass(frozen=True)
class Call:
    """A function call; `function` is case-folded."""

    function: str
    arguments: tuple[Expression, ...]


@dataclass(frozen=True)
class Member:
    """`target.key` or `target[key]`."""

    target: Expression
    key: Expression


@dataclass(frozen=True)
class Every:
    """`target.*` or `target[*]`."""

    target: Expression


Expression: TypeAlias = Literal | Name | Call | Member | Every


@dataclass(frozen=True)
class Availability:
    """The names that an expression may use: contexts, and functions with their minimum and maximum of arguments."""

    names: frozenset[str]
    functions: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    def with_names(self, *names: str) -> Availability:
        """Return a copy with more names, for `each`."""
        return Availability(self.names | {name.casefold() for name in names}, self.functions)


_GENERAL: dict[str, tuple[int, int]] = {
    "and": (2, ANY_NUMBER),
    "coalesce": (2, ANY_NUMBER),
    "contains": (2, 2),
    "containsvalue": (2, 2),
    "converttojson": (1, 1),
    "endswith": (2, 2),
    "eq": (2, 2),
    "format": (1, ANY_NUMBER),
    "ge": (2, 2),
    "gt": (2, 2),
    "iif": (3, 3),
    "in": (2, ANY_NUMBER),
    "join": (2, 2),
    "le": (2, 2),
    "length": (1, 1),
    "lower": (1, 1),
    "lt": (2, 2),
    "ne": (2, 2),
    "not": (1, 1),
    "notin": (2, ANY_NUMBER),
    "or": (2, ANY_NUMBER),
    "replace": (3, 3),
    "split": (2, 2),
    "startswith": (2, 2),
    "trim": (1, 1),
    "upper": (1, 1),
    "xor": (2, 2),
}
_COUNTER: dict[str, tuple[int, int]] = {"counter": (1, 2)}
_OF_STEPS: dict[str, tuple[int, int]] = dict.fromkeys(
    ("always", "canceled", "failed", "succeeded", "succeededorfailed"), (0, 0)
)
_OF_JOBS: dict[str, tuple[int, int]] = _OF_STEPS | dict.fromkeys(
    ("failed", "succeeded", "succeededorfailed"), (0, ANY_NUMBER)
)

TEMPLATE = Availability(frozenset({"parameters", "variables"}), _GENERAL)
"""`${{ }}`: evaluated while the file is read."""

ROOT_VARIABLE = Availability(frozenset({"variables", "resources", "pipeline"}), _GENERAL | _COUNTER)
"""`$[ ]` in a variable of the pipeline: nothing has run yet."""

INNER_VARIABLE = Availability(ROOT_VARIABLE.names | {"dependencies", "stagedependencies"}, ROOT_VARIABLE.functions)
"""`$[ ]` in a variable of a stage or job."""

JOB_CONDITION = Availability(
    frozenset({"variables", "dependencies", "stagedependencies", "pipeline"}), _GENERAL | _OF_JOBS
)
"""`condition` of a stage or job."""

STEP_CONDITION = Availability(frozenset({"variables"}), _GENERAL | _OF_STEPS)
"""`condition` of a step: the agent knows only variables and the status of the job."""
