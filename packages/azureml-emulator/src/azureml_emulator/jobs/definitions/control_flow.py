"""Nodes of a pipeline that decide while it runs: a choice between steps, and two kinds of loops. Values only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from azureml_emulator.jobs.definitions.steps import FromStep, Gate, Literal, Nested, Step

IF_ELSE = "if_else"
DO_WHILE = "do_while"
PARALLEL_FOR = "parallel_for"
CONTROL_KINDS = frozenset({IF_ELSE, DO_WHILE, PARALLEL_FOR})


@dataclass(frozen=True)
class Iteration:
    """One run of a loop's body: its steps, and which of their outputs are those of the body."""

    name: str
    steps: dict[str, Step]
    nested: dict[str, Nested]
    controls: dict[str, Control]
    outputs: dict[str, FromStep]


# Reads the body for one iteration: what the iteration is called, and the inputs that it gives, as in a document.
ReadBody = Callable[[str, Mapping[str, Any]], Iteration]


@dataclass(frozen=True)
class _Node:
    """What all have in common: the steps and loops whose outputs it reads, the branches it is in, and the iterations
    that are known before the job runs.
    """

    name: str
    waits_for: frozenset[str] = frozenset()
    gates: tuple[Gate, ...] = ()
    checked: tuple[Iteration, ...] = ()

    @property
    def needs(self) -> frozenset[str]:
        """The names of the nodes that must complete before this one starts."""
        return self.waits_for | {gate.choice for gate in self.gates}


@dataclass(frozen=True, kw_only=True)
class Choice(_Node):
    """An if_else node: steps that have a gate for it run or are left out."""

    condition: Literal | FromStep


@dataclass(frozen=True, kw_only=True)
class Loop(_Node):
    """A loop, with the types of its outputs."""

    read: ReadBody
    output_types: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class DoWhile(Loop):
    """A do_while node: iterates while the output `condition` is true, or, without one, until the limit.

    `mapping` has the inputs of the next iteration that each output of the last one becomes.
    """

    condition: str | None = None
    mapping: dict[str, tuple[str, ...]] = field(default_factory=dict)
    limit: int


@dataclass(frozen=True, kw_only=True)
class ParallelFor(Loop):
    """A parallel_for node: one iteration per item, at most `concurrency` at a time if there is a limit.

    The items are JSON: a list of the inputs of each iteration, or an object with a name for each.
    """

    items: Literal | FromStep
    concurrency: int | None = None


Control = Choice | DoWhile | ParallelFor
