"""Reads the document of a job as a graph of steps. Refuses what the service refuses at submission. Pure: no I/O.

The steps of nested pipelines stand beside the others: step `train` of node `inner` is the step `inner.train`. The
bindings of inputs are resolved in `bindings.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from azureml_emulator.jobs.definitions.control_flow import CONTROL_KINDS, IF_ELSE, Control, Iteration
from azureml_emulator.jobs.definitions.steps import (
    DATA_TYPES,
    VALUE_TYPES,
    Data,
    FromStep,
    Gate,
    Graph,
    Literal,
    Nested,
    Registration,
    Step,
    StepInput,
    StepOutput,
    asset_kind,
)
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
from azureml_emulator.jobs.graph.automl_job import search_of_node, with_inputs
from azureml_emulator.jobs.graph.bindings import (
    PIPELINE,
    Bindings,
    FindComponent,
    Frame,
    bodies,
    job_name,
    kind_of_node,
    known,
    parent_output,
    refuse_unknown,
    root_frame,
)
from azureml_emulator.jobs.graph.checks import check_bindings, check_references, in_order, needs_value
from azureml_emulator.jobs.graph.control_flow import ControlFlowReader
from azureml_emulator.jobs.graph.spark import check_data
from azureml_emulator.jobs.graph.step_task import task_of_job, task_of_node
from azureml_emulator.jobs.sweeps.settings import read_sweep_step
from azureml_emulator.kernel.errors import NotModelled
from azureml_emulator.kernel.kinds import kind_of

Gated = TypeVar("Gated", Step, Control)


def read_pipeline(properties: dict[str, Any], find_component: FindComponent) -> Graph:
    """The graph of a pipeline job. `find_component` returns the specification of a component version by its id.

    Raises BadRequest for a job that cannot run, NotModelled for an unsupported type of step.
    """
    inputs = {name: read_input(name, value) for name, value in (properties.get("inputs") or {}).items()}
    root = root_frame(properties, find_component)
    reader = _Reader(Bindings(find_component, inputs))
    steps = reader.gated({step.name: step for step in reader.steps(root)})
    if not steps and not reader.nested:
        raise refuse("The pipeline has no steps.", "jobs")
    controls = reader.gated(reader.controls)
    check_bindings(steps, controls)
    settings = properties.get("settings") or {}
    exposed = {
        output.exposed_as: FromStep(step.name, name)
        for step in steps.values()
        for name, output in step.outputs.items()
        if output.exposed_as
    }
    return Graph(
        in_order(steps, controls),
        {**exposed, **reader.outputs_of_loops(root)},
        reader.nested,
        controls,
        datastore=(arm_id(field_of(settings, "defaultDatastore")) or "").rsplit("/", 1)[-1] or None,
        continue_on_step_failure=bool_of(field_of(settings, "continueOnStepFailure"), default=True),
        force_rerun=bool_of(field_of(settings, "forceRerun"), default=False),
    )


def read_command(name: str, properties: dict[str, Any]) -> Graph:
    """The graph of a command job or of a Spark job: one step with the name of the job. Raises BadRequest."""
    task = task_of_job(name, properties)
    inputs = {key: _given(read_input(key, value)) for key, value in (properties.get("inputs") or {}).items() if value}
    outputs = {key: _output(value or {}, {}) for key, value in (properties.get("outputs") or {}).items()}
    step = Step(
        name=name,
        display_name=properties.get("displayName") or name,
        command=task.command,
        inputs=inputs,
        outputs={key: replace(output, exposed_as=key) for key, output in outputs.items()},
        code=task.code,
        environment=task.environment,
        environment_variables=_variables(properties.get("environmentVariables")),
        timeout=seconds((properties.get("limits") or {}).get("timeout"), "limits.timeout"),
        deterministic=False,
        compute=arm_id(properties.get("computeId")),
        distribution=task.distribution,
        spark=task.spark,
    )
    check_references(step)
    if step.spark is not None:
        check_data(step, {}, properties.get("outputs") or {})
    return Graph({name: step}, {key: FromStep(name, key) for key in outputs})


class _Reader:
    def __init__(self, bindings: Bindings) -> None:
        self._bindings = bindings
        self.nested: dict[str, Nested] = {}
        self.controls: dict[str, Control] = {}
        self._gates: dict[str, list[Gate]] = {}

    def steps(self, frame: Frame) -> Iterator[Step]:
        """The steps of a pipeline and of its nested pipelines."""
        inside = bodies(frame.jobs)
        for name, given in frame.jobs.items():
            if "." in name:
                raise refuse(f"The name '{frame.prefix}{name}' of a step has a dot.", f"jobs.{name}")
            if kind_of_node(given) in CONTROL_KINDS:
                self._control(frame, name, given)
            elif name not in inside:
                yield from self._node(frame, name, given)

    def gated(self, nodes: dict[str, Gated]) -> dict[str, Gated]:
        """Steps or control nodes with the gates of the branches that they are in."""
        return {
            name: replace(
                node,
                gates=tuple(
                    gate
                    for branch, gates in self._gates.items()
                    if name == branch or name.startswith(f"{branch}.")
                    for gate in gates
                ),
            )
            for name, node in nodes.items()
        }

    def outputs_of_loops(self, root: Frame) -> dict[str, FromStep]:
        """The outputs of the job that loops write. Raises NotModelled where they ask for a path or a registration."""
        found = {name: source for name, source in self._bindings.written(root).items() if source.step in self.controls}
        for name in found:
            if name not in root.outputs:
                raise refuse(f"A loop writes the unknown output '{name}' of the pipeline.", f"outputs.{name}")
            if root.outputs[name].get("uri") or _registrations(root.outputs[name], "uri_folder"):
                raise NotModelled(f"The emulator neither registers the output '{name}' of a loop nor chooses its path.")
        return found

    def _control(self, frame: Frame, name: str, node: dict[str, Any]) -> None:
        where = f"{frame.prefix}{name}"
        flow = ControlFlowReader(self._bindings, frame, where, node)
        if kind_of_node(node) == IF_ELSE:
            self.controls[where] = flow.choice()
            for branch, gate in flow.branches():
                self._gates.setdefault(branch, []).append(gate)
        else:
            body = job_name(node.get("body"))
            self.controls[where] = flow.loop(body, lambda *given: self._iteration(frame, name, body, *given))
        self.nested[where] = Nested(where, node.get("display_name") or name)

    def _iteration(self, frame: Frame, loop: str, body: str, which: str, inputs: Mapping[str, Any]) -> Iteration:
        """The body of a loop with some inputs replaced."""
        given = frame.jobs[body]
        name = f"{loop}.{body}_{which}"
        shown = f"{given.get('display_name') or body}_{which}"
        node = {**given, "inputs": {**(given.get("inputs") or {}), **inputs}, "outputs": {}, "display_name": shown}
        reader = _Reader(self._bindings)
        where = f"{frame.prefix}{name}"
        steps = reader.gated({step.name: step for step in reader._node(frame, name, node)})
        if where in reader.nested:
            outputs = reader.nested[where].outputs
        else:
            outputs = {output: FromStep(where, output) for output in steps[where].outputs}
        return Iteration(where, steps, reader.nested, reader.gated(reader.controls), outputs)

    def _node(self, frame: Frame, name: str, given: dict[str, Any]) -> Iterator[Step]:
        """The step of a node, or the steps of a pipeline that it runs."""
        specification = self._bindings.specification(frame, name, given)
        node = self._bindings.settled(frame, f"jobs.{frame.prefix}{name}", with_inputs(given))
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
        runs = task_of_node(node, specification, where)
        declared = specification.get("inputs") or {}
        sweep = search_of_node(node) or read_sweep_step(node, declared, where)
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
            distribution=runs.distribution,
            sweep=sweep,
            spark=runs.spark,
            not_run=runs.not_run,
        )
        check_references(step)
        if step.spark is not None:
            check_data(step, declared_outputs, node.get("outputs") or {})
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
                raise needs_value(where, name, kind)
        return inputs

    def _step_output(self, frame: Frame, given: dict[str, Any], declared: dict[str, Any], where: str) -> StepOutput:
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
            output = self._step_output(frame.parent, bound, declared, where)
        else:
            output = replace(_output(outer, declared), exposed_as=name)
        return replace(output, registrations=(*_registrations(given, output.type), *output.registrations))


def _output(given: dict[str, Any], declared: dict[str, Any]) -> StepOutput:
    kind = declared.get("type") or field_of(given, "jobOutputType") or given.get("type") or "uri_folder"
    kind = str(kind).lower()
    return StepOutput(kind, given.get("uri") or None, registrations=_registrations(given, kind))


def _registrations(given: dict[str, Any], kind: str) -> tuple[Registration, ...]:
    """The asset that an output names, if any: jobs spell it assetName and assetVersion, nodes name and version."""
    name = field_of(given, "assetName") or given.get("name")
    if not name:
        return ()
    version = field_of(given, "assetVersion") or given.get("version")
    if kind in VALUE_TYPES:
        raise refuse(f"An output of type {kind} cannot be registered as '{name}': only data and models can.", "outputs")
    kind_of(asset_kind(kind)).check_name(str(name))
    return (Registration(str(name), str(version) if version else None),)


def _given(source: Literal | Data) -> StepInput:
    return StepInput("string", source) if isinstance(source, Literal) else StepInput(source.type, source, source.mode)


def _variables(given: dict[str, Any] | None) -> dict[str, str]:
    return {str(name): as_text(value) for name, value in (given or {}).items()}
