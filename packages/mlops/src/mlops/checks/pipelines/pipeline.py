"""Checks of a pipeline as a whole: its declarations, its graph, and each of its steps."""

import re
from collections.abc import Iterator
from typing import Final

from mlops.checks.pipelines.bindings import Binding, bindings_in, find_cycle, references_to_parent
from mlops.checks.pipelines.command import UNUSED
from mlops.checks.pipelines.component import COMMAND, PARALLEL, PIPELINE, SPARK, check_command, check_ports
from mlops.checks.pipelines.connections import check_inputs, check_outputs, check_references
from mlops.checks.pipelines.spark import check_spark_step
from mlops.checks.pipelines.steps import CHECKED_KINDS, SWEEP, Pipeline, Step
from mlops.checks.yaml import fields
from mlops.checks.yaml.document import Document, Node, Problem
from mlops.checks.yaml.references import COMPUTE, is_registered, local_path

STEP_NAME: Final = re.compile(r"[a-z_][a-z0-9_]*")
STEP_FIELDS: Final = {
    SWEEP: fields.SWEEP_STEP,
    PIPELINE: fields.PIPELINE_STEP,
    PARALLEL: fields.PARALLEL_STEP,
    SPARK: fields.SPARK_STEP,
}


def check_pipeline(pipeline: Pipeline, *, is_job: bool) -> Iterator[Problem]:
    """Yield everything wrong with a pipeline job, or with the graph of a pipeline component."""
    document = pipeline.document
    if is_job:
        yield from fields.unknown_fields(document, pipeline.node, fields.PIPELINE, "a pipeline")
        kind = pipeline.node.get("type")
        if kind is None or kind.value != PIPELINE:
            yield document.problem(
                kind or pipeline.node, "the file does not declare a pipeline", "write type: pipeline"
            )
        yield from check_ports(document, pipeline.inputs, "input", fields.check_given_input)
        yield from check_ports(document, pipeline.outputs, "output", fields.check_given_output)
        yield from _check_compute(pipeline)
        yield from _check_compute_names(pipeline)
    if settings := pipeline.node.get("settings"):
        yield from fields.unknown_fields(document, settings, fields.PIPELINE_SETTINGS, "`settings`")
    if not pipeline.steps:
        yield document.problem(pipeline.node, "a pipeline needs steps under `jobs`", "add one")
    for port in pipeline.inputs.values():
        yield from check_data_path(document, port.node)
    for step in pipeline.steps.values():
        yield from _check_step(pipeline, step)
    yield from _check_cycles(pipeline)
    yield from _check_ends(pipeline)


def check_data_path(document: Document, node: Node) -> Iterator[Problem]:
    """Yield a problem if the `path` of an input or data asset is a local file that does not exist."""
    path = node.get("path")
    if path is None or not path.text or any(bindings_in(path.text)):
        return
    file = local_path(path.text, document.path.parent)
    if file is not None and not file.exists() and not any(file.parent.glob(file.name)):
        yield document.problem(path, f"the data {path.text!r} does not exist", "correct the path")
    elif path.text.startswith("azureml:") and not is_registered(path.text):
        advice = "write azureml:<name>:<version>, azureml:<name>@latest or azureml://…"
        yield document.problem(path, f"{path.text!r} is not a reference to registered data", advice)


def _check_step(pipeline: Pipeline, step: Step) -> Iterator[Problem]:
    document = pipeline.document
    if not STEP_NAME.fullmatch(step.name):
        advice = "use lower-case letters, digits and `_`, beginning with a letter"
        yield document.problem(step.node, f"`{step.name}` is not a valid step name", advice)
    if step.kind in CHECKED_KINDS:
        known = STEP_FIELDS.get(step.kind, fields.COMMAND_STEP)
        yield from fields.unknown_fields(document, step.node, known, f"step `{step.name}`")
    if step.kind == SPARK:
        yield from check_spark_step(document, step)
    yield from check_references(pipeline, step)
    yield from check_inputs(pipeline, step)
    yield from check_outputs(pipeline, step)
    for name, node in step.inputs.items():
        yield from fields.check_given_input(document, node, f"input `{name}`")
        yield from check_data_path(document, node)
    for name, node in step.outputs.items():
        yield from fields.check_given_output(document, node, f"output `{name}`")
    reference = step.reference
    if reference is not None and reference.text:
        yield from _check_component_reference(document, step, reference)
    elif step.kind == COMMAND and step.component:
        yield from check_command(step.component)


def _check_component_reference(document: Document, step: Step, reference: Node) -> Iterator[Problem]:
    path = local_path(reference.text or "", document.path.parent)
    if path is None and not is_registered(reference.text or ""):
        advice = "write azureml:<name>:<version>, azureml:<name>@latest or azureml://…"
        yield document.problem(reference, f"{reference.text!r} is not a component reference", advice)
    elif path is not None and not path.is_file():
        message = f"the component file {reference.text!r} of step `{step.name}` does not exist"
        yield document.problem(reference, message, "correct the path")


def _check_compute(pipeline: Pipeline) -> Iterator[Problem]:
    if pipeline.node.get("compute") or pipeline.node.get("settings", "default_compute"):
        return
    without_compute = [
        step for step in pipeline.steps.values() if step.kind not in {PIPELINE, SPARK} and not step.node.get("compute")
    ]
    if without_compute:
        names = ", ".join(f"`{step.name}`" for step in without_compute)
        message = f"{names} {'has' if len(without_compute) == 1 else 'have'} no compute to run on"
        advice = "give the step `compute`, or the pipeline `settings.default_compute`"
        yield pipeline.document.problem(without_compute[0].node, message, advice)


def _check_compute_names(pipeline: Pipeline) -> Iterator[Problem]:
    named = [pipeline.node.get("compute"), pipeline.node.get("settings", "default_compute")]
    named += [step.node.get("compute") for step in pipeline.steps.values()]
    for node in named:
        if node is not None and node.text and not COMPUTE.fullmatch(node.text):
            advice = "write azureml:<name> with 2 to 32 letters, digits and `-`, beginning with a letter"
            yield pipeline.document.problem(node, f"{node.text!r} is not the name of a compute", advice)


def _check_cycles(pipeline: Pipeline) -> Iterator[Problem]:
    needs = {name: {each.job for each in _read_by(step) if each.job} for name, step in pipeline.steps.items()}
    if cycle := find_cycle(needs):
        message = f"the steps wait for each other: {' → '.join(cycle)}"
        yield pipeline.document.problem(pipeline.steps[cycle[0]].node, message, "remove one of these bindings")


def _check_ends(pipeline: Pipeline) -> Iterator[Problem]:
    """Every output of a step must be used, and every output of the pipeline must come from a step."""
    read = {(each.job, each.name) for step in pipeline.steps.values() for each in _read_by(step)}
    filled: set[str] = set()
    for step in pipeline.steps.values():
        bound = {name: _whole_output(node) for name, node in step.outputs.items()}
        filled |= {target for target in bound.values() if target}
        for name in step.component.outputs if step.component else ():
            if not bound.get(name) and (step.name, name) not in read:
                message = f"output `{name}` of step `{step.name}` is not used"
                advice = f"bind it: outputs: {{{name}: ${{{{parent.outputs.NAME}}}}}}, or read it in another step"
                where = step.outputs.get(name, step.node)
                yield pipeline.document.problem(where, message, advice, UNUSED["outputs"])
    for port in pipeline.outputs.values():
        if port.name not in filled:
            message = f"no step fills the pipeline's output `{port.name}`"
            advice = f"bind a step's output to ${{{{parent.outputs.{port.name}}}}}, or remove it"
            yield pipeline.document.problem(port.node, message, advice, UNUSED["outputs"])


def _read_by(step: Step) -> Iterator[Binding]:
    for node in step.inputs.values():
        for text in node.strings():
            yield from references_to_parent(text.text or "")


def _whole_output(node: Node) -> str | None:
    for text in node.strings():
        for binding in bindings_in(text.text or ""):
            if binding.kind == "outputs" and binding.job is None:
                return binding.name
    return None
