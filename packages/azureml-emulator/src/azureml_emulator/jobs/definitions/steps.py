"""The graph of a job: steps, the sources of their inputs, the destinations of their outputs. Values only."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from azureml_emulator.jobs.definitions.distribution import Distribution
from azureml_emulator.jobs.definitions.spark import SparkSettings
from azureml_emulator.jobs.definitions.sweep import SweepSettings

if TYPE_CHECKING:
    from azureml_emulator.jobs.definitions.control_flow import Control

DATA_TYPES = frozenset({"uri_file", "uri_folder", "mltable", "mlflow_model", "custom_model", "triton_model"})
_MODEL_TYPES = frozenset({"mlflow_model", "custom_model", "triton_model"})
# Outputs of these types are files with one value, which a later step gets as text.
VALUE_TYPES = frozenset({"boolean", "integer", "number", "string"})
DIRECT = "direct"
# A threshold without a limit.
UNLIMITED = -1


@dataclass(frozen=True)
class Literal:
    """A literal value as text: "0.05", "True", "a b"."""

    text: str


@dataclass(frozen=True)
class Data:
    """A file, folder or asset, by reference."""

    uri: str
    type: str
    mode: str = ""


@dataclass(frozen=True)
class FromStep:
    """An output of another step of the same job."""

    step: str
    output: str


Source = Literal | Data | FromStep


@dataclass(frozen=True)
class StepInput:
    """One input of a step: its declared type, its source, and its mode."""

    type: str
    source: Source
    mode: str = ""


@dataclass(frozen=True)
class Registration:
    """The asset that an output becomes when its step has completed; without a version, the next one of that name."""

    name: str
    version: str | None = None


@dataclass(frozen=True)
class StepOutput:
    """One output of a step. `uri` is the author's path for it, `exposed_as` the output of the job it is bound to.

    It has several registrations when the step and the pipelines around it each name an asset.
    """

    type: str
    uri: str | None = None
    exposed_as: str | None = None
    registrations: tuple[Registration, ...] = ()


@dataclass(frozen=True)
class ParallelSettings:
    """How an input is split and processed: by `partition_keys`, columns of a table, or else by `mini_batch_size`, which
    counts files, or bytes when the input is a table; None for the default.

    The `max_failed_…` fields are thresholds, UNLIMITED for none; `timeout` is in seconds per call of `run`.
    `append_to` is the output that gets what the script returns, `append_name` the file name if that is a folder.
    `model` is the registered model for AZUREML_MODEL_DIR, `score_output` the output for AZUREML_BI_OUTPUT_PATH; both
    are None except in the step of a batch deployment. `entry_script` is None where the emulator scores an MLflow model.
    """

    entry_script: str | None
    input_name: str
    is_table: bool
    partition_keys: tuple[str, ...]
    mini_batch_size: int | None
    workers: int
    retries: int
    timeout: float
    max_failed_batches: int
    max_failed_items: int
    max_failed_percent: int
    append_to: str | None
    append_name: str
    logging_level: str
    model: str | None
    score_output: str | None


@dataclass(frozen=True)
class Gate:
    """A node inside a branch of an if_else node runs only when the condition is `taken`."""

    choice: str
    taken: bool


@dataclass(frozen=True)
class Step:
    """One command to run. `timeout` is in seconds; `component` is the id of the component version, if it has one.

    `parallel` is set when the command runs an entry script over mini-batches, `distribution` when several processes
    may run it, `sweep` when trials run it with different parameters. `is_trial` marks such a trial. `spark` is set when
    it is a Spark program, whose command line is `spark-submit ENTRY ARGUMENTS`.
    """

    name: str
    display_name: str
    command: str
    inputs: dict[str, StepInput]
    outputs: dict[str, StepOutput]
    code: str | None = None
    environment: str | None = None
    environment_variables: dict[str, str] = field(default_factory=dict)
    timeout: float | None = None
    deterministic: bool = True
    component: str | None = None
    compute: str | None = None
    tags: dict[str, str] = field(default_factory=dict)
    parallel: ParallelSettings | None = None
    distribution: Distribution | None = None
    gates: tuple[Gate, ...] = ()
    sweep: SweepSettings | None = None
    is_trial: bool = False
    not_run: str | None = None
    spark: SparkSettings | None = None

    @property
    def needs(self) -> frozenset[str]:
        """The names of the steps and control nodes that must complete before this one starts."""
        sources = (step_input.source for step_input in self.inputs.values())
        read = frozenset(source.step for source in sources if isinstance(source, FromStep))
        return read | {gate.choice for gate in self.gates}


@dataclass(frozen=True)
class Nested:
    """A node that runs a pipeline component. `outputs` maps its outputs to those of the steps inside it."""

    name: str
    display_name: str
    component: str | None = None
    tags: dict[str, str] = field(default_factory=dict)
    outputs: dict[str, FromStep] = field(default_factory=dict)


@dataclass(frozen=True)
class Graph:
    """The steps of a job in topological order. `outputs` maps the outputs of the job to those of steps.

    `nested` has the nested pipelines, outer ones first: the step or pipeline `a` of the nested pipeline `x` is `x.a`.
    `controls` has the nodes that decide while the job runs; iterations of loops are added to the graph when they start.
    """

    steps: dict[str, Step]
    outputs: dict[str, FromStep] = field(default_factory=dict)
    nested: dict[str, Nested] = field(default_factory=dict)
    controls: dict[str, Control] = field(default_factory=dict)
    datastore: str | None = None
    continue_on_step_failure: bool = True
    force_rerun: bool = False

    @property
    def known_steps(self) -> list[Step]:
        """The steps, and those of the iterations of loops that are known before the job runs."""
        loops = [control.checked for control in self.controls.values()]
        return [*self.steps.values(), *(step for checked in loops for each in checked for step in each.steps.values())]


def asset_kind(output_type: str) -> str:
    """The kind of asset that an output of this type is registered as: "models" or "data"."""
    return "models" if output_type in _MODEL_TYPES else "data"
