"""A pipeline's steps: what each runs, what it is given, and where its data comes from. Pure reading."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from mlops.checks.pipelines.component import COMMAND, PARALLEL, PIPELINE, Component, read_component
from mlops.checks.pipelines.ports import Port, declared_ports
from mlops.checks.yaml.document import Document, Node

SWEEP: Final = "sweep"
CHECKED_KINDS: Final = frozenset({COMMAND, PARALLEL, PIPELINE, SWEEP})

Resolver: TypeAlias = Callable[[Document, Node], Component | None]


@dataclass(frozen=True, slots=True)
class Step:
    """One entry of `jobs`. `component` is None when it is registered elsewhere or could not be read."""

    name: str
    node: Node
    kind: str
    component: Component | None
    is_inline: bool

    @property
    def reference(self) -> Node | None:
        """What the step names as its component."""
        return self.node.get("trial") if self.kind == SWEEP else self.node.get("component")

    @property
    def inputs(self) -> dict[str, Node]:
        """What the step is given, by input name."""
        given = self.node.get("inputs")
        return given.entries if given else {}

    @property
    def outputs(self) -> dict[str, Node]:
        """What the step says about its outputs, by output name."""
        said = self.node.get("outputs")
        return said.entries if said else {}

    @property
    def searched(self) -> frozenset[str]:
        """Inputs that a sweep fills in itself."""
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


def read_pipeline(document: Document, node: Node, resolve: Resolver) -> Pipeline:
    """Read a pipeline; `resolve(document, reference)` returns the component that a step names, if it can."""
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
