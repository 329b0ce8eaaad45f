"""The graph of a job: steps, the sources of their inputs, the destinations of their outputs. Values only."""

from __future__ import annotations

from dataclasses import dataclass, field

from azureml_emulator.jobs.definitions.sweep import SweepSettings

DATA_TYPES = frozenset({"uri_file", "uri_folder", "mltable", "mlflow_model", "custom_model", "triton_model"})
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
class StepOutput:
    """One output of a step. `uri` is the author's path for it, `exposed_as` the output of the job it is bound to."""

    type: str
    uri: str | None = None
    exposed_as: str | None = None


@dataclass(frozen=True)
class ParallelSettings:
    """How an input is split and processed. `mini_batch_size` counts files, or bytes when the input is a table.

    The `max_failed_…` fields are thresholds, UNLIMITED for none; `timeout` is in seconds per call of `run`.
    `append_to` is the output that gets what the script returns, `append_name` the file name if that is a folder.
    `model` is the registered model for AZUREML_MODEL_DIR, `score_output` the output for AZUREML_BI_OUTPUT_PATH; both
    are None except in the step of a batch deployment.
    """

    entry_script: str
    input_name: str
    is_table: bool
    mini_batch_size: int
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
class Step:
    """One command to run. `timeout` is in seconds; `component` is the id of the component version, if it has one.

    `parallel` is set when the command runs an entry script over mini-batches, `sweep` when it is run by trials with
    different parameters. `is_trial` marks such a trial.
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
    sweep: SweepSettings | None = None
    is_trial: bool = False

    @property
    def needs(self) -> frozenset[str]:
        """The names of the steps that must complete before this one starts."""
        return frozenset(
            step_input.source.step for step_input in self.inputs.values() if isinstance(step_input.source, FromStep)
        )


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
    """

    steps: dict[str, Step]
    outputs: dict[str, FromStep] = field(default_factory=dict)
    nested: dict[str, Nested] = field(default_factory=dict)
    datastore: str | None = None
    continue_on_step_failure: bool = True
    force_rerun: bool = False
