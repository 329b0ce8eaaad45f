"""A step's inputs and outputs: names, bindings, types and literals, checked against the component it runs."""

from collections.abc import Iterator
from typing import Final

from mlops.checks.pipelines import bindings
from mlops.checks.pipelines.bindings import Binding, Port, bindings_in, connectable, references_to_parent
from mlops.checks.pipelines.steps import Pipeline, Step
from mlops.checks.yaml import references as literals
from mlops.checks.yaml.document import Node, Problem
from model_package.errors import did_you_mean

# In these, `${{inputs.x}}` and `${{search_space.x}}` refer to the step itself.
OWN_TEXT: Final = frozenset({"command", "environment", "code"})


def check_references(pipeline: Pipeline, step: Step) -> Iterator[Problem]:
    """Yield every expression of the step that names something the pipeline does not have."""
    for name, child in step.node.entries.items():
        if name in OWN_TEXT:
            continue
        for node in child.strings():
            found = bindings_in if name == "inputs" else references_to_parent
            for binding in found(node.text or ""):
                if reason := _unknown(pipeline, binding):
                    message, advice = reason
                    yield pipeline.document.problem(node, f"step `{step.name}`: {message}", advice)


def check_inputs(pipeline: Pipeline, step: Step) -> Iterator[Problem]:
    """Yield unknown, missing and wrongly typed inputs of a step."""
    if step.component is None:
        return
    document, declared = pipeline.document, step.component.inputs
    for name, node in step.inputs.items():
        if step.is_inline:
            yield from _check_inline_input(pipeline, step, node, name)
        elif name not in declared:
            message = f"step `{step.name}` sets the unknown input `{name}`{did_you_mean(name, declared)}"
            yield document.problem(node, message, f"its component has: {', '.join(declared) or 'no inputs'}")
        else:
            yield from _check_value(pipeline, step, node, declared[name])
    for port in () if step.is_inline else declared.values():
        given = step.inputs.get(port.name)
        if port.is_required and port.name not in step.searched and (given is None or given.value is None):
            message = f"step `{step.name}` does not set the input `{port.name}`"
            yield document.problem(given or step.node, message, f"set inputs.{port.name}, which has no default")


def check_outputs(pipeline: Pipeline, step: Step) -> Iterator[Problem]:
    """Yield unknown outputs of a step, and pipeline outputs whose type differs from their source."""
    if step.component is None:
        return
    for name, node in step.outputs.items():
        port = step.component.outputs.get(name)
        if port is None:
            known = ", ".join(step.component.outputs) or "no outputs"
            message = f"step `{step.name}` has no output `{name}`{did_you_mean(name, step.component.outputs)}"
            yield pipeline.document.problem(node, message, f"its component has: {known}")
            continue
        for text in node.strings():
            for binding in references_to_parent(text.text or ""):
                target = pipeline.outputs.get(binding.name) if binding.job is None else None
                if target and not connectable(port.type, target.type):
                    where = f"output `{name}` of step `{step.name}`"
                    message = f"{where} is {port.type}, the pipeline's `{target.name}` is {target.type}"
                    yield pipeline.document.problem(node, message, "declare the same type for both")


def _unknown(pipeline: Pipeline, binding: Binding) -> tuple[str, str] | None:
    """Return what is wrong with a binding's names, and what to do."""
    if binding.kind is None:
        return f"`{binding.text}` is not a valid binding", bindings.ADVICE
    if binding.job is None:
        ports = pipeline.inputs if binding.kind == "inputs" else pipeline.outputs
        if binding.name not in ports:
            return (
                f"`{binding.text}`: the pipeline has no such {binding.kind[:-1]}{did_you_mean(binding.name, ports)}",
                f"it has: {_listed(ports)}",
            )
        return None
    source = pipeline.steps.get(binding.job)
    if source is None:
        return (
            f"`{binding.text}`: there is no step `{binding.job}`{did_you_mean(binding.job, pipeline.steps)}",
            f"the steps are: {_listed(pipeline.steps)}",
        )
    if source.component is not None and binding.name not in source.component.outputs:
        known, meant = source.component.outputs, did_you_mean(binding.name, source.component.outputs)
        message = f"`{binding.text}`: step `{binding.job}` has no output `{binding.name}`{meant}"
        return message, f"it has: {_listed(known)}"
    return None


def _check_inline_input(pipeline: Pipeline, step: Step, node: Node, name: str) -> Iterator[Problem]:
    """An inline command declares an input by setting it: only a stated type can disagree with the value."""
    stated = node.get("type")
    if stated and stated.text:
        yield from _check_value(pipeline, step, node, Port(name, node, stated.text))


def _check_value(pipeline: Pipeline, step: Step, node: Node, port: Port) -> Iterator[Problem]:
    where = f"input `{port.name}` of step `{step.name}`"
    stated, given = node.get("type"), node.get("path") or node.get("value") or node
    if stated and stated.text and not connectable(stated.text, port.type):
        yield pipeline.document.problem(node, f"{where} is {port.type}, not {stated.text}", "state the same type")
    elif given.text is not None and (found := list(bindings_in(given.text))):
        if len(found) == 1 and found[0].is_whole:
            yield from _check_binding(pipeline, given, found[0], port, where)
    elif node.get("path") is None and (reason := _wrong_literal(given, port)):
        yield pipeline.document.problem(given, f"{where}: {reason}", _literal_advice(port))


def _wrong_literal(node: Node, port: Port) -> str | None:
    if node.value is None or isinstance(node.value, list | dict):
        return None
    return literals.refusal(node.value, port)


def _check_binding(pipeline: Pipeline, node: Node, binding: Binding, port: Port, where: str) -> Iterator[Problem]:
    source = _source(pipeline, binding)
    if source is None:
        return
    if not connectable(source.type, port.type):
        message = f"{where} is {port.type}, but {binding.text} is {source.type}"
        yield pipeline.document.problem(node, message, "bind something of the same type, or change one of the types")
    elif source.optional and port.is_required and not pipeline.is_job:
        message = f"{where} is required, but {binding.text} is optional"
        yield pipeline.document.problem(node, message, "make both optional, or give the pipeline's input a default")
    elif binding.kind == "inputs" and source.default and not isinstance(source.default.value, list | dict):
        already_reported = literals.refusal(source.default.value, source)
        reason = literals.refusal(source.default.value, port)
        if reason and not already_reported:
            message = f"default of the pipeline's input `{source.name}` is not valid for {where}: {reason}"
            yield pipeline.document.problem(source.default, message, "change the default")


def _source(pipeline: Pipeline, binding: Binding) -> Port | None:
    """Return the pipeline input or step output that a well-formed binding names."""
    if binding.job is None:
        return pipeline.inputs.get(binding.name) if binding.kind == "inputs" else None
    step = pipeline.steps.get(binding.job)
    return step.component.outputs.get(binding.name) if step and step.component else None


def _literal_advice(port: Port) -> str:
    return "bind it to data" if port.is_data else "write a literal of that type (numbers and booleans without quotes)"


def _listed(names: dict[str, Port] | dict[str, Step]) -> str:
    return ", ".join(names) or "none"
