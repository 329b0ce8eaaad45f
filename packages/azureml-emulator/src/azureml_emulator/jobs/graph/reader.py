"""Reads the document of a job as a graph of steps. Refuses what the service refuses at submission. Pure: no I/O.

The steps of nested pipelines stand beside the others: step `train` of node `inner` is the step `inner.train`. The
bindings of inputs are resolved in `bindings.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from graphlib import CycleError, TopologicalSorter
from typing import Any

from azureml_emulator.jobs.automl.settings import read_automl
from azureml_emulator.jobs.definitions.command_line import references
from azureml_emulator.jobs.definitions.steps import (
    DATA_TYPES,
    VALUE_TYPES,
    Data,
    FromStep,
    Graph,
    Literal,
    Nested,
    ParallelSettings,
    Step,
    StepInput,
    StepOutput,
)
from azureml_emulator.jobs.definitions.sweep import SweepSettings
from azureml_emulator.jobs.definitions.wire import (
    arm_id,
    as_text,
    bool_of,
    check_literal,
    field_of,
    read_input,
    refuse,
    seconds,
)
from azureml_emulator.jobs.graph.automl_job import AUTOML, with_inputs
from azureml_emulator.jobs.graph.bindings import (
    PARALLEL,
    PIPELINE,
    SWEEP,
    Bindings,
    FindComponent,
    Frame,
    known,
    parent_output,
    refuse_unknown,
)
from azureml_emulator.jobs.graph.parallel_settings import driver_command, read_settings
from azureml_emulator.jobs.sweeps.settings import read_sweep_settings
from azureml_emulator.kernel.errors import BadRequest, NotModelled

_SEVERAL_PROCESSES = "process_count_per_instance"


def read_pipeline(properties: dict[str, Any], find_component: FindComponent) -> Graph:
    """The graph of a pipeline job. `find_component` returns the specification of a component version by its id.

    Raises BadRequest for a job that cannot run, NotModelled for an unsupported type of step.
    """
    inputs = {name: read_input(name, value) for name, value in (properties.get("inputs") or {}).items()}
    outputs = {name: value or {} for name, value in (properties.get("outputs") or {}).items()}
    root = Frame("", properties.get("jobs") or {}, None, {}, outputs)
    reader = _Reader(Bindings(find_component, inputs))
    steps = {step.name: step for step in reader.steps(root)}
    if not steps and not reader.nested:
        raise refuse("The pipeline has no steps.", "jobs")
    _check_bindings(steps)
    settings = properties.get("settings") or {}
    exposed = {
        output.exposed_as: FromStep(step.name, name)
        for step in steps.values()
        for name, output in step.outputs.items()
        if output.exposed_as
    }
    return Graph(
        _in_order(steps),
        exposed,
        reader.nested,
        datastore=(arm_id(field_of(settings, "defaultDatastore")) or "").rsplit("/", 1)[-1] or None,
        continue_on_step_failure=bool_of(field_of(settings, "continueOnStepFailure"), default=True),
        force_rerun=bool_of(field_of(settings, "forceRerun"), default=False),
    )


def read_command(name: str, properties: dict[str, Any]) -> Graph:
    """The graph of a command job: one step with the name of the job. Raises BadRequest."""
    _refuse_distribution(properties, name)
    if not properties.get("environmentId"):
        raise refuse("A command job needs an environment.", "environmentId")
    inputs = {key: _given(read_input(key, value)) for key, value in (properties.get("inputs") or {}).items() if value}
    outputs = {key: _output(value or {}, {}) for key, value in (properties.get("outputs") or {}).items()}
    step = Step(
        name=name,
        display_name=properties.get("displayName") or name,
        command=_command(properties, name),
        inputs=inputs,
        outputs={key: replace(output, exposed_as=key) for key, output in outputs.items()},
        code=arm_id(properties.get("codeId")),
        environment=arm_id(properties.get("environmentId")),
        environment_variables=_variables(properties.get("environmentVariables")),
        timeout=seconds((properties.get("limits") or {}).get("timeout"), "limits.timeout"),
        deterministic=False,
        compute=arm_id(properties.get("computeId")),
    )
    _check_references(step)
    return Graph({name: step}, {key: FromStep(name, key) for key in outputs})


class _Reader:
    def __init__(self, bindings: Bindings) -> None:
        self._bindings = bindings
        self.nested: dict[str, Nested] = {}

    def steps(self, frame: Frame) -> Iterator[Step]:
        """The steps of a pipeline and of its nested pipelines."""
        for name, given in frame.jobs.items():
            if "." in name:
                raise refuse(f"The name '{frame.prefix}{name}' of a step has a dot.", f"jobs.{name}")
            node = self._bindings.settled(frame, f"jobs.{frame.prefix}{name}", with_inputs(given))
            specification = self._bindings.specification(frame, name, node)
            if specification.get("type", "command") == PIPELINE:
                inner = self._bindings.inner(frame, name, node, specification)
                where = f"{frame.prefix}{name}"
                self.nested[where] = Nested(
                    name=where,
                    display_name=node.get("display_name") or name,
                    component=arm_id(node.get("componentId")),
                    tags=_variables(node.get("tags")),
                    outputs=self._bindings.written(inner),
                )
                yield from self.steps(inner)
            else:
                yield self._step(frame, name, node, specification)

    def _step(self, frame: Frame, name: str, node: dict[str, Any], specification: dict[str, Any]) -> Step:
        where = f"{frame.prefix}{name}"
        runs = _step_task(node, specification, where)
        declared = specification.get("inputs") or {}
        sweep = _sweep(node, declared, where)
        if sweep is not None:
            declared = {key: value for key, value in declared.items() if key not in sweep.space}
        declared_outputs = specification.get("outputs") or {}
        refuse_unknown(where, "input", node.get("inputs") or {}, declared)
        refuse_unknown(where, "output", node.get("outputs") or {}, declared_outputs)
        step = Step(
            name=where,
            display_name=node.get("display_name") or name,
            command=runs.command,
            inputs=self._step_inputs(frame, where, node.get("inputs") or {}, declared),
            outputs={
                key: self._step_output(frame, (node.get("outputs") or {}).get(key) or {}, value or {}, where)
                for key, value in declared_outputs.items()
            },
            code=runs.code,
            environment=runs.environment,
            environment_variables={
                **_variables(specification.get("environment_variables")),
                **_variables(node.get("environment_variables")),
            },
            timeout=None
            if sweep
            else seconds((node.get("limits") or {}).get("timeout"), f"jobs.{name}.limits.timeout"),
            deterministic=bool_of(specification.get("is_deterministic"), default=True),
            component=arm_id(node.get("componentId") or (node.get("trial") or {}).get("componentId")),
            compute=arm_id(node.get("computeId")),
            tags=_variables(node.get("tags")),
            parallel=runs.parallel,
            sweep=sweep,
        )
        _check_references(step)
        return step

    def _step_inputs(
        self, frame: Frame, where: str, given: dict[str, Any], declared: dict[str, Any]
    ) -> dict[str, StepInput]:
        inputs = {}
        for name, declaration in declared.items():
            specification = declaration or {}
            source = self._bindings.bound(frame, f"{where}.inputs.{name}", given[name]) if name in given else None
            if source is None and specification.get("default") is not None:
                source = Literal(as_text(specification["default"]))
            if source is None:
                if bool_of(specification.get("optional"), default=False):
                    continue
                raise refuse(
                    f"The required input '{name}' of the step '{where}' is missing.", f"jobs.{where}.inputs.{name}"
                )
            if isinstance(source, Literal):
                check_literal(source.text, specification, f"jobs.{where}.inputs.{name}")
            kind = str(specification.get("type", "string")).lower()
            mode = given[name].get("mode") if isinstance(given.get(name), dict) else None
            inherited = source.mode if isinstance(source, Data) else ""
            inputs[name] = StepInput(kind, source, str(mode or inherited or specification.get("mode") or "").lower())
            if kind not in DATA_TYPES and isinstance(source, Data):
                raise _needs_value(where, name, kind)
        return inputs

    def _step_output(self, frame: Frame, given: dict[str, Any], declared: dict[str, Any], where: str) -> StepOutput:
        _refuse_registration(given, where)
        name = parent_output(given)
        if name is None:
            return _output(given, declared)
        if name not in frame.outputs:
            raise refuse(
                f"{where}: the pipeline has no output '{name}'.{known(frame.outputs)}",
                f"jobs.{where}.outputs",
            )
        outer = frame.outputs[name] or {}
        if frame.parent is not None:
            bound = (frame.node.get("outputs") or {}).get(name) or {}
            return self._step_output(frame.parent, bound, declared, where)
        _refuse_registration(outer, where)
        return replace(_output(outer, declared), exposed_as=name)


def _output(given: dict[str, Any], declared: dict[str, Any]) -> StepOutput:
    kind = declared.get("type") or field_of(given, "jobOutputType") or given.get("type") or "uri_folder"
    return StepOutput(str(kind).lower(), given.get("uri") or None)


def _given(source: Literal | Data) -> StepInput:
    return StepInput("string", source) if isinstance(source, Literal) else StepInput(source.type, source, source.mode)


def _command(specification: dict[str, Any], where: str) -> str:
    command = str(specification.get("command") or "").strip()
    if not command:
        raise refuse(f"'{where}' has no command.", "command")
    return command


@dataclass(frozen=True)
class _StepTask:
    """What a step runs: a command, or an entry script over mini-batches."""

    command: str
    code: str | None
    environment: str | None
    parallel: ParallelSettings | None = None


def _step_task(node: dict[str, Any], specification: dict[str, Any], where: str) -> _StepTask:
    if PARALLEL not in {str(node.get("type")).lower(), specification.get("type")}:
        _refuse_distribution(node, where)
        environment = arm_id(node.get("environment") or specification.get("environment"))
        return _StepTask(_command(specification, where), arm_id(specification.get("code")), environment)
    task = {**(specification.get("task") or {}), **(node.get("task") or {})}
    settings = read_settings(node, specification, where)
    return _StepTask(driver_command(task), arm_id(task.get("code")), arm_id(task.get("environment")), settings)


def _variables(given: dict[str, Any] | None) -> dict[str, str]:
    return {str(name): as_text(value) for name, value in (given or {}).items()}


def _sweep(node: dict[str, Any], declared: dict[str, Any], where: str) -> SweepSettings | None:
    """The settings of a sweep step, whose parameters are inputs of its component; None for other steps.

    An AutoML step is a sweep whose trials choose their parameters themselves.
    """
    if str(node.get("type")).lower() == AUTOML:
        return read_automl(node)
    if str(node.get("type")).lower() != SWEEP:
        return None
    settings = read_sweep_settings(node, declared)
    refuse_unknown(where, "input", dict(settings.space), declared)
    return settings


def _check_references(step: Step) -> None:
    read = {*step.inputs, *(step.sweep.space if step.sweep else ())}
    for reference in references(step.command):
        declared = read if reference.side == "inputs" else set(step.outputs)
        if reference.name not in declared and not reference.optional:
            raise refuse(
                f"The command of '{step.name}' uses ${{{{{reference.side}.{reference.name}}}}}, which it does not have."
                f"{known(declared)} An optional input must be inside $[[ ]].",
                f"jobs.{step.name}.command",
            )


def _check_bindings(steps: dict[str, Step]) -> None:
    for step in steps.values():
        for name, step_input in step.inputs.items():
            if isinstance(step_input.source, FromStep) and step_input.source.step == step.name:
                raise refuse(f"The step '{step.name}' reads its own output in '{name}'.", f"jobs.{step.name}")
            if step_input.type not in DATA_TYPES and isinstance(step_input.source, FromStep):
                written = steps[step_input.source.step].outputs[step_input.source.output].type
                if written not in VALUE_TYPES:
                    raise _needs_value(step.name, name, step_input.type)


def _needs_value(step: str, name: str, kind: str) -> BadRequest:
    where = f"jobs.{step}.inputs.{name}"
    return refuse(f"{where} needs a value of type {kind}, not data.", where)


def _in_order(steps: dict[str, Step]) -> dict[str, Step]:
    try:
        order = list(TopologicalSorter({name: sorted(step.needs) for name, step in steps.items()}).static_order())
    except CycleError as error:
        circle = " → ".join(error.args[1])
        raise refuse(f"The steps form a cycle: {circle}.", "jobs") from error
    return {name: steps[name] for name in order}


def _refuse_registration(given: dict[str, Any], where: str) -> None:
    if field_of(given, "assetName"):
        raise NotModelled(f"'{where}': the emulator does not model outputs that are registered as data assets.")


def _refuse_distribution(node: dict[str, Any], where: str) -> None:
    distribution = node.get("distribution") or {}
    instances = field_of(node.get("resources") or {}, "instanceCount") or 1
    if int(instances) > 1 or int(distribution.get(_SEVERAL_PROCESSES) or 1) > 1:
        raise NotModelled(f"'{where}' asks for several instances or processes; the emulator runs one.")
