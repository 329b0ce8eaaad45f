"""Resolves the bindings of step inputs, also through nested pipelines. Pure: no I/O.

The steps themselves and their order are read in `reader.py`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from azureml_emulator.jobs.definitions.control_flow import DO_WHILE, PARALLEL_FOR
from azureml_emulator.jobs.definitions.steps import Data, FromStep, Literal, Source
from azureml_emulator.jobs.definitions.wire import arm_id, as_text, bool_of, read_input, refuse
from azureml_emulator.jobs.graph.automl_job import AUTOML, automl_component, with_inputs
from azureml_emulator.jobs.graph.data_transfer import DATA_TRANSFER
from azureml_emulator.jobs.graph.not_run import own_specification, reason_not_to_run
from azureml_emulator.jobs.graph.spark import SPARK
from azureml_emulator.jobs.sweeps.settings import SWEEP
from azureml_emulator.kernel.errors import NotModelled

FindComponent = Callable[[str], dict[str, Any]]
PARALLEL = "parallel"
PIPELINE = "pipeline"
_KINDS = frozenset({"command", PIPELINE, PARALLEL, SWEEP, AUTOML, DATA_TRANSFER, SPARK})
_KNOWN_KINDS = "steps of the types command, parallel, pipeline, sweep, automl, data_transfer and spark"
# Fields of a node whose expressions name data, or stand inside the component.
_BOUND_ELSEWHERE = frozenset({"inputs", "outputs", "componentId"})
_EXPRESSION = re.compile(r"\$\{\{\s*parent\.(inputs|outputs|jobs)\.([^}]+?)\s*\}\}")
_BELOW = re.compile(r"^\s*\$\{\{\s*parent\.(inputs)\.([^}]+?)\s*\}\}(/.+)$")
# References to which a path can be added; ids of assets are not.
_PATHS = ("azureml://", "https://")
_STEP_OUTPUT = re.compile(r"^([\w-]+)\.outputs\.([\w-]+)$")


@dataclass(frozen=True)
class Frame:
    """The scope of one pipeline: the job itself (no parent), or a pipeline component that a node runs.

    `declared` has the inputs of a pipeline component, None where the steps are the job's own.
    """

    prefix: str
    jobs: dict[str, Any]
    parent: Frame | None
    node: dict[str, Any]
    outputs: dict[str, Any]
    declared: dict[str, Any] | None = None


def root_frame(properties: dict[str, Any], find_component: FindComponent) -> Frame:
    """The scope of a pipeline job: its own steps, or those of the registered pipeline that it runs as a whole."""
    jobs = properties.get("jobs") or {}
    outputs = {name: value or {} for name, value in (properties.get("outputs") or {}).items()}
    component = arm_id(properties.get("componentId"))
    if jobs or component is None:
        return Frame("", jobs, None, {}, outputs)
    specification = find_component(component)
    if specification.get("type") != PIPELINE:
        raise refuse(f"'{component}' is not a pipeline component, which a pipeline job needs.", "componentId")
    declared, written = specification.get("inputs") or {}, specification.get("outputs") or {}
    refuse_unknown(PIPELINE, "input", properties.get("inputs") or {}, declared)
    refuse_unknown(PIPELINE, "output", outputs, written)
    unnamed = {name: {} for name in written if name not in outputs}
    return Frame("", specification.get("jobs") or {}, None, {}, {**outputs, **unnamed}, declared)


class Bindings:
    """Resolves the bindings in one pipeline job, whose own inputs are `inputs`.

    `find_component` returns the specification of a component version by its id.
    """

    def __init__(self, find_component: FindComponent, inputs: dict[str, Literal | Data]) -> None:
        self._find_component = find_component
        self._inputs = inputs

    def specification(self, frame: Frame, name: str, node: dict[str, Any]) -> dict[str, Any]:
        """The specification of a node's component. Raises NotModelled for an unsupported type of step."""
        kind = kind_of_node(node)
        if kind not in _KINDS:
            raise NotModelled(f"The step '{frame.prefix}{name}' is of type '{kind}': the emulator runs {_KNOWN_KINDS}.")
        if kind == AUTOML:
            return automl_component(self.settled(frame, f"jobs.{name}", with_inputs(node)))
        if reason_not_to_run(node, name) is not None:
            return own_specification(node)
        component = arm_id(node.get("componentId") or (node.get("trial") or {}).get("componentId"))
        if component is None:
            raise refuse(f"The step '{frame.prefix}{name}' has no component.", f"jobs.{name}.component")
        return self._find_component(component)

    def inner(self, frame: Frame, name: str, node: dict[str, Any], specification: dict[str, Any]) -> Frame:
        """The scope of a node that runs a pipeline component."""
        declared = specification.get("inputs") or {}
        where = f"{frame.prefix}{name}"
        refuse_unknown(where, "input", node.get("inputs") or {}, declared)
        refuse_unknown(where, "output", node.get("outputs") or {}, specification.get("outputs") or {})
        outputs = specification.get("outputs") or {}
        return Frame(f"{where}.", specification.get("jobs") or {}, frame, node, outputs, declared)

    def written(self, frame: Frame) -> dict[str, FromStep]:
        """The outputs of a pipeline that steps inside it write, and those outputs of the steps."""
        bound = {
            output: (name, key)
            for name, body in frame.jobs.items()
            for key, value in (body.get("outputs") or {}).items()
            if (output := parent_output(value)) is not None
        }
        return {
            output: self._of_job(frame, f"{frame.prefix}{name}", name, key) for output, (name, key) in bound.items()
        }

    def settled(self, frame: Frame, where: str, node: dict[str, Any]) -> dict[str, Any]:
        """The node with the values of pipeline inputs in its settings, such as `compute` and `limits`.

        What is bound to an absent optional input is left out.
        """
        return {
            name: value if name in _BOUND_ELSEWHERE else self._settled(frame, f"{where}.{name}", value)
            for name, value in node.items()
        }

    def _settled(self, frame: Frame, where: str, value: Any) -> Any:
        if isinstance(value, dict):
            settled = {key: self._settled(frame, f"{where}.{key}", each) for key, each in value.items()}
            return {key: each for key, each in settled.items() if each is not None or value[key] is None}
        if isinstance(value, list):
            return [self._settled(frame, where, each) for each in value]
        if not isinstance(value, str) or not _EXPRESSION.search(value):
            return value
        source = self.bound(frame, where, value)
        if source is not None and not isinstance(source, Literal):
            raise refuse(f"{where}: '{value}' is not a literal value, which a setting requires.", where)
        return source.text if source is not None else None

    def bound(self, frame: Frame, where: str, value: Any) -> Source | None:
        """The source of a value, resolved through all enclosing pipelines; None for an absent optional input."""
        if isinstance(value, Literal | Data | FromStep):
            return value
        source = read_input(where, value)
        if isinstance(source, Data):
            return source
        whole = _EXPRESSION.fullmatch(source.text.strip())
        if whole:
            return self._expression(frame, where, whole[1], whole[2])
        return self._below(frame, where, source.text) or Literal(
            _EXPRESSION.sub(lambda match: self._inlined(frame, where, match), source.text)
        )

    def _below(self, frame: Frame, where: str, text: str) -> Data | None:
        """What is below a folder that is an input of the pipeline, as in `${{parent.inputs.folder}}/part.csv`."""
        found = _BELOW.match(text)
        folder = self._expression(frame, where, found[1], found[2]) if found else None
        if found is None or not isinstance(folder, Data) or not folder.uri.startswith(_PATHS):
            return None
        below = _EXPRESSION.sub(lambda match: self._inlined(frame, where, match), found[3])
        return replace(folder, uri=folder.uri.rstrip("/") + below)

    def _inlined(self, frame: Frame, where: str, match: re.Match[str]) -> str:
        source = self._expression(frame, where, match[1], match[2])
        if not isinstance(source, Literal):
            raise refuse(f"{where}: '{match[0]}' is not a literal value, which text requires.", where)
        return source.text

    def _expression(self, frame: Frame, where: str, side: str, name: str) -> Source | None:
        if side == "inputs":
            return self._parent_input(frame, where, name)
        output = _STEP_OUTPUT.match(name)
        if side != "jobs" or output is None:
            raise refuse(f"{where}: '${{{{parent.{side}.{name}}}}}' cannot be bound to an input.", where)
        return self._of_job(frame, where, output[1], output[2])

    def _parent_input(self, frame: Frame, where: str, name: str) -> Source | None:
        if frame.parent is None and name in self._inputs:
            return self._inputs[name]
        if frame.declared is None:
            raise refuse(f"{where}: the pipeline has no input '{name}'.{known(self._inputs)}", where)
        declared = frame.declared
        if name not in declared:
            raise refuse(f"{where}: the pipeline component has no input '{name}'.{known(declared)}", where)
        given = frame.node.get("inputs") or {}
        if frame.parent is not None and name in given:
            return self.bound(frame.parent, where, given[name])
        specification = declared[name] or {}
        if specification.get("default") is not None:
            return Literal(as_text(specification["default"]))
        if bool_of(specification.get("optional"), default=False):
            return None
        raise refuse(f"{where}: the required input '{name}' of the pipeline component is missing.", where)

    def _of_job(self, frame: Frame, where: str, job: str, output: str) -> FromStep:
        if job not in frame.jobs:
            raise refuse(f"{where}: unknown step '{job}'.{known(frame.jobs)}", where)
        node = frame.jobs[job]
        if kind_of_node(node) == PARALLEL_FOR:
            return self._of_job(frame, where, job_name(node.get("body")), output)
        specification = self.specification(frame, job, node)
        outputs = specification.get("outputs") or {}
        if output not in outputs:
            raise refuse(f"{where}: the step '{job}' has no output '{output}'.{known(outputs)}", where)
        loop = bodies(frame.jobs).get(job)
        if loop is not None or specification.get("type", "command") != PIPELINE:
            return FromStep(f"{frame.prefix}{loop or job}", output)
        written = self.written(self.inner(frame, job, node, specification))
        if output not in written:
            raise refuse(f"{where}: no step inside '{job}' writes its output '{output}'.", where)
        return written[output]


def kind_of_node(node: dict[str, Any]) -> str:
    """The type of a node in lower case."""
    return str(node.get("type", "command")).lower()


def bodies(jobs: dict[str, Any]) -> dict[str, str]:
    """The nodes that run as the bodies of loops, with the name of the loop."""
    loops = {name: node for name, node in jobs.items() if kind_of_node(node) in {DO_WHILE, PARALLEL_FOR}}
    return {job_name(node.get("body")): name for name, node in loops.items()}


def job_name(expression: Any) -> str:
    """The name in `${{parent.jobs.NAME}}`; any other text unchanged."""
    match = _EXPRESSION.fullmatch(str(expression or "").strip())
    return match[2] if match and match[1] == "jobs" else str(expression or "")


def parent_output(value: Any) -> str | None:
    """The output of the enclosing pipeline to which an output is bound."""
    text = value.get("value") if isinstance(value, dict) else value
    match = _EXPRESSION.fullmatch(str(text).strip()) if text else None
    return match[2] if match and match[1] == "outputs" else None


def refuse_unknown(where: str, what: str, given: dict[str, Any], declared: dict[str, Any]) -> None:
    """Raise BadRequest for inputs or outputs that the component does not declare."""
    unknown = sorted(set(given) - set(declared))
    if unknown:
        raise refuse(
            f"The component of '{where}' has no {what} '{unknown[0]}'.{known(declared)}",
            f"jobs.{where}.{what}s.{unknown[0]}",
        )


def known(names: Any) -> str:
    """A sentence with the existing names, for an error message."""
    return f" It has: {', '.join(sorted(names))}." if names else " It has none."
