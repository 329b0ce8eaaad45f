"""What a job is, read and checked: steps, where their inputs come from, where their outputs go. Values only."""

from __future__ import annotations

from dataclasses import dataclass, field

DATA_TYPES = frozenset({"uri_file", "uri_folder", "mltable", "mlflow_model", "custom_model", "triton_model"})
DIRECT = "direct"
# A threshold that no number of failures reaches.
UNLIMITED = -1


@dataclass(frozen=True)
class Literal:
    """A value as text: "0.05", "True", "a b"."""

    text: str


@dataclass(frozen=True)
class Data:
    """A file, folder or asset, by its reference."""

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
    """One input of a step: its declared type, where it comes from, and how it is handed over."""

    type: str
    source: Source
    mode: str = ""


@dataclass(frozen=True)
class StepOutput:
    """One output of a step; `uri` names its place where the author chose one, `exposed_as` a job's output."""

    type: str
    uri: str | None = None
    exposed_as: str | None = None


@dataclass(frozen=True)
class ParallelSettings:
    """How one input is cut and run. `mini_batch_size` counts files, or bytes when the input is a table.

    Thresholds count what may fail, UNLIMITED for everything; `timeout` is seconds for one call of `run`.
    `append_to` names the output that gets what the script returns, `append_name` the file if it is a folder.
    `model` is a registered model whose folder the script finds by AZUREML_MODEL_DIR; `score_output` names the output
    whose folder it finds by AZUREML_BI_OUTPUT_PATH. Both are None except for a batch deployment's step.
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
    """One command to run. `timeout` in seconds; `component` is the id of its component's version, if it has one.

    `parallel` is there when the command runs an entry script over mini-batches.
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

    @property
    def needs(self) -> frozenset[str]:
        """The names of the steps that must have completed before this one starts."""
        return frozenset(wanted.source.step for wanted in self.inputs.values() if isinstance(wanted.source, FromStep))


@dataclass(frozen=True)
class Graph:
    """All the steps of a job, each after the ones it needs; `outputs` maps a job's outputs to steps' outputs."""

    steps: dict[str, Step]
    outputs: dict[str, FromStep] = field(default_factory=dict)
    datastore: str | None = None
    continue_on_step_failure: bool = True
    force_rerun: bool = False
