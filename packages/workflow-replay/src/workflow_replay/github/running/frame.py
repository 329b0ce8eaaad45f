"""Where steps run: a job, or a composite action inside one, with what its expressions see and how it stands."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from workflow_replay.errors import WorkflowError
from workflow_replay.github.expressions.evaluation import Scope
from workflow_replay.github.expressions.failures import ExpressionError
from workflow_replay.github.expressions.functions import Function
from workflow_replay.github.expressions.templates import Place, resolve_all
from workflow_replay.github.expressions.values import CaseSensitive, Value, to_text
from workflow_replay.github.running.hash_files import hash_files
from workflow_replay.github.running.session import Session
from workflow_replay.github.workflow import Raw
from workflow_replay.record import Conclusion, StepRun
from workflow_replay.shell import Leftovers
from workflow_replay.stopping import Cancellation


@dataclass
class JobState:
    """What the steps of one job change as they go.

    `exported` are the variables of GITHUB_ENV and `paths` the folders of GITHUB_PATH, newest first; `at_end` is
    what effects still have to do, by the step's name.
    """

    session: Session
    id: str
    workspace: Path
    temporary: Path
    scopes: Mapping[str, str]
    token: str
    environment: str | None
    cancellation: Cancellation
    runner: Mapping[str, Value]
    git_config: Path
    exported: dict[str, str] = field(default_factory=dict)
    paths: list[str] = field(default_factory=list)
    records: list[StepRun] = field(default_factory=list)
    at_end: list[tuple[str, Callable[[], None]]] = field(default_factory=list)
    leftovers: Leftovers = field(default_factory=Leftovers)


@dataclass
class Frame:
    """Where steps run. `env` are the layers around a step: workflow and job, or the step that calls the action."""

    job: JobState
    file: str
    contexts: Mapping[str, Value]
    env: Mapping[str, str]
    place: Place
    condition_place: Place
    shell: str | None = None
    folder: str | None = None
    prefix: str = ""
    steps: dict[str, Value] = field(default_factory=dict)
    status: Conclusion = "success"
    overrides: Mapping[str, str] = field(default_factory=dict)

    def scope(self, env: Mapping[str, str] | None = None, *, as_if_cancelled: bool = False) -> Scope:
        """What an expression sees now; `env` are the variables of the step itself."""
        contexts = {
            **self.contexts,
            "steps": dict(self.steps),
            "job": {"status": "cancelled" if as_if_cancelled else self._status()},
            "env": CaseSensitive({**self.layers(), **(env or {})}),
        }
        return Scope(contexts, self._functions(as_if_cancelled=as_if_cancelled))

    def layers(self) -> dict[str, str]:
        """The variables that the workflow has set so far, without those of a step."""
        return {**self.env, **self.job.exported}

    def value(self, raw: Raw | None, scope: Scope, place: Place | None = None) -> Value:
        """A value of the file, evaluated. Raises WorkflowError with its line."""
        if raw is None:
            return None
        try:
            return resolve_all(raw.value, place or self.place, scope)
        except ExpressionError as error:
            raise WorkflowError(self.file, error.line or raw.line, str(error)) from error

    def texts(self, raw: Raw | None, scope: Scope, place: Place | None = None) -> dict[str, str]:
        """A mapping of the file as texts. Raises WorkflowError."""
        value = self.value(raw, scope, place)
        if value is None or raw is None:
            return {}
        if not isinstance(value, Mapping):
            raise WorkflowError(self.file, raw.line, "this needs keys and values")
        return {name: to_text(inner) for name, inner in value.items()}

    def _status(self) -> Conclusion:
        return "cancelled" if self.job.cancellation.is_cancelled else self.status

    def _functions(self, *, as_if_cancelled: bool) -> dict[str, Function]:
        status: Conclusion = "cancelled" if as_if_cancelled else self._status()
        return {
            "success": lambda _: status == "success",
            "failure": lambda _: status == "failure",
            "cancelled": lambda _: status == "cancelled",
            "always": lambda _: True,
            "hashfiles": lambda arguments: hash_files(self.job.workspace, arguments),
        }
