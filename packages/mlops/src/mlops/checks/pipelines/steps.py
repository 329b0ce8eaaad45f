"""A pipeline's steps: what each runs and on which resources, its inputs, and where its data comes from. Pure."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from mlops.checks.pipelines.bindings import Port, declared_ports
from mlops.checks.pipelines.component import COMMAND, PARALLEL, PIPELINE, SPARK, Component, read_component
from mlops.checks.yaml.document import Document, Node, Problem

SWEEP: Final = "sweep"
CHECKED_KINDS: Final = frozenset({COMMAND, PARALLEL, PIPELINE, SPARK, SWEEP})

Resolver: TypeAlias = Callable[[Document, Node], Component | None]


@dataclass(frozen=True, slots=True)
class Step:
    """One entry of `jobs`. `component` is None if it is registered elsewhere or could not be read."""

    name: str
    node: Node
    kind: str
    component: Component | None
    is_inline: bool

    @property
    def reference(self) -> Node | None:
        """The component that the step names."""
        return self.node.get("trial") if self.kind == SWEEP else self.node.get("component")

    @property
    def inputs(self) -> dict[str, Node]:
        """The step's inputs, by name."""
        given = self.node.get("inputs")
        return given.entries if given else {}

    @property
    def outputs(self) -> dict[str, Node]:
        """The step's outputs, by name."""
        said = self.node.get("outputs")
        return said.entries if said else {}

    @property
    def searched(self) -> frozenset[str]:
        """Inputs that a sweep sets itself."""
        space = self.node.get("search_space")
        return frozenset(space.entries if space else {})


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A pipeline job or a pipeline component, with its steps."""

    document: Document
    node: Node
    inputs: dict[str, Port]
    outputs: dict[str, Port]
    steps: dict[str, Step] = field(default_factory=dict)

    @property
    def is_job(self) -> bool:
        """Whether it is submitted as it is; a component of a pipeline has a version."""
        return self.node.get("version") is None


def read_pipeline(document: Document, node: Node, resolve: Resolver) -> Pipeline:
    """Read a pipeline; `resolve(document, reference)` returns the component that a step names, or None."""
    inputs, outputs, jobs = node.get("inputs"), node.get("outputs"), node.get("jobs")
    return Pipeline(
        document=document,
        node=node,
        inputs={name: Port.written(name, child) for name, child in (inputs.entries if inputs else {}).items()},
        outputs=declared_ports(outputs),
        steps={
            name: _read_step(document, name, child, resolve) for name, child in (jobs.entries if jobs else {}).items()
        },
    )


def _read_step(document: Document, name: str, node: Node, resolve: Resolver) -> Step:
    kind_node = node.get("type")
    kind = (kind_node.text if kind_node else None) or COMMAND
    reference = node.get("trial") if kind == SWEEP else node.get("component")
    if reference is not None:
        component = resolve(document, reference)
        kind = PIPELINE if component and component.kind == PIPELINE else kind
        return Step(name, node, kind, component, is_inline=False)
    component = read_component(document, node) if kind == COMMAND else None
    return Step(name, node, kind, component, is_inline=component is not None)


KINDS: Final = ("cpu", "memory")
_QUANTITY: Final = re.compile(r"(?P<number>[0-9]+(\.[0-9]+)?)(?P<unit>m|[kMGT]|[KMGT]i)?")
_UNITS: Final = {"": 1.0, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12} | {
    f"{letter}i": 1024.0**power for power, letter in enumerate("KMGT", start=1)
}


def check_resources(document: Document) -> Iterator[Problem]:
    """Yield what is wrong with `resources`; without them the instance type decides what a deployment gets."""
    resources = document.root.get("resources")
    if resources is None:
        return
    requests, limits = resources.get("requests"), resources.get("limits")
    for kind in KINDS:
        asked, most = (each.get(kind) if each else None for each in (requests, limits))
        if asked is None:
            advice = f"write `requests: {{{kind}: …}}`, or no `resources`"
            yield document.problem(requests or resources, f"`resources` requests no {kind}", advice)
        wrong = [each for each in (asked, most) if each is not None and _amount(each) is None]
        for each in wrong:
            message = f"`{each.value}` is not a valid amount of {kind} above 0"
            yield document.problem(each, message, "write it in quotes, such as '500m' or '2' for cpu, '2Gi' for memory")
        if asked and most and not wrong and (_amount(asked) or 0) > (_amount(most) or 0):
            message = f"{kind} request {asked.value} is above the limit {most.value}"
            yield document.problem(asked, message, "raise the limit, or request less")


def _amount(node: Node) -> float | None:
    match = _QUANTITY.fullmatch(node.text) if node.text else None
    if match is None or float(match["number"]) == 0:
        return None
    return float(match["number"]) * _UNITS[match["unit"] or ""]
