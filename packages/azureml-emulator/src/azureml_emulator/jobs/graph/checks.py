"""Checks the steps of a job against each other, and puts them in order. Pure: no I/O."""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter

from azureml_emulator.jobs.definitions.command_line import references
from azureml_emulator.jobs.definitions.control_flow import Control, Loop
from azureml_emulator.jobs.definitions.steps import DATA_TYPES, VALUE_TYPES, FromStep, Step
from azureml_emulator.jobs.definitions.wire import refuse
from azureml_emulator.jobs.graph.bindings import known
from azureml_emulator.kernel.errors import BadRequest


def check_references(step: Step) -> None:
    """Raise BadRequest when the command uses an input or output that the step does not have."""
    read = {*step.inputs, *(step.sweep.space if step.sweep else ())}
    for reference in references(step.command):
        declared = read if reference.side == "inputs" else set(step.outputs)
        if reference.name not in declared and not reference.optional:
            raise refuse(
                f"The command of '{step.name}' uses ${{{{{reference.side}.{reference.name}}}}}, which it does not have."
                f"{known(declared)} An optional input must be inside $[[ ]].",
                f"jobs.{step.name}.command",
            )


def check_bindings(steps: dict[str, Step], controls: dict[str, Control]) -> None:
    """Raise BadRequest for a step that reads its own output, or data where it needs a value."""
    for step in steps.values():
        for name, step_input in step.inputs.items():
            if isinstance(step_input.source, FromStep) and step_input.source.step == step.name:
                raise refuse(f"The step '{step.name}' reads its own output in '{name}'.", f"jobs.{step.name}")
            if step_input.type not in DATA_TYPES and isinstance(step_input.source, FromStep):
                written = _type_of(step_input.source, steps, controls)
                if written not in VALUE_TYPES:
                    raise needs_value(step.name, name, step_input.type)


def in_order(steps: dict[str, Step], controls: dict[str, Control]) -> dict[str, Step]:
    """The steps in topological order. Raises BadRequest for a cycle."""
    needs = {name: sorted(node.needs) for nodes in (steps, controls) for name, node in nodes.items()}
    try:
        order = list(TopologicalSorter(needs).static_order())
    except CycleError as error:
        circle = " → ".join(error.args[1])
        raise refuse(f"The steps form a cycle: {circle}.", "jobs") from error
    return {name: steps[name] for name in order if name in steps}


def _type_of(source: FromStep, steps: dict[str, Step], controls: dict[str, Control]) -> str:
    if source.step in steps:
        return steps[source.step].outputs[source.output].type
    loop = controls[source.step]
    return loop.output_types[source.output] if isinstance(loop, Loop) else ""


def needs_value(step: str, name: str, kind: str) -> BadRequest:
    """The error for an input that needs a value."""
    where = f"jobs.{step}.inputs.{name}"
    return refuse(f"{where} needs a value of type {kind}, not data.", where)
