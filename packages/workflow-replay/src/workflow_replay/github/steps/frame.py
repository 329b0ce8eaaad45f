"""The state in which steps run: that of the job, and that of a composite action within it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from workflow_replay.cancellation import Cancellation
from workflow_replay.common.shell import BackgroundProcesses
from workflow_replay.errors import WorkflowError
from workflow_replay.github.definition.model import Raw
from workflow_replay.github.expressions.errors import ExpressionError
from workflow_replay.github.expressions.evaluation import Scope
from workflow_replay.github.expressions.functions import Function
from workflow_replay.github.expressions.templates import Availability, resolve_all
from workflow_replay.github.expressions.values import CaseSensitive, Value, to_text
from workflow_replay.github.session import Session
from workflow_replay.github.steps.hash_files import hash_files
from workflow_replay.result import Conclusion, StepRun


@dataclass
class JobState:
    """State that the steps of a job share and change.

    `exported` are variables set by GITHUB_ENV, `paths` folders added by GITHUB_PATH, the newest first. `post` are the
    post steps of effects, by name.
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
    post: list[tuple[str, Callable[[], None]]] = field(default_factory=list)
    background: BackgroundProcesses = field(default_factory=BackgroundProcesses)


@dataclass
class Frame:
    """The scope of a list of steps; `env` are the variables of workflow and job, or of the step that uses an action."""

    job: JobState
    file: str
    contexts: Mapping[str, Value]
    env: Mapping[str, str]
    available: Availability
    condition_available: Availability
    shell: str | None = None
    folder: str | None = None
    prefix: str = ""
    steps: dict[str, Value] = field(default_factory=dict)
    status: Conclusion = "success"
    overrides: Mapping[str, str] = field(default_factory=dict)

    def scope(self, env: Mapping[str, str] | None = None, *, as_if_cancelled: bool = False) -> Scope:
        """What an expression sees now; `env` are the step's own variables."""
        contexts = {
            **self.contexts,
            "steps": dict(self.steps),
            "job": {"status": "cancelled" if as_if_cancelled else self._status()},
            "env": CaseSensitive({**self.layers(), **(env or {})}),
        }
        return Scope(contexts, self._functions(as_if_cancelled=as_if_cancelled))

    def layers(self) -> dict[str, str]:
        """The variables set so far, without those of the current step."""
        return {**self.env, **self.job.exported}

    def value(self, raw: Raw | None, scope: Scope, available: Availability | None = None) -> Value:
        """A value of the file, evaluated. Raises WorkflowError."""
        if raw is None:
            return None
        try:
            return resolve_all(raw.value, available or self.available, scope)
        except ExpressionError as error:
            raise WorkflowError(self.file, error.line or raw.line, str(error)) from error

    def texts(self, raw: Raw | None, scope: Scope, available: Availability | None = None) -> dict[str, str]:
        """A mapping of the file with its values as strings. Raises WorkflowError."""
        value = self.value(raw, scope, available)
        if value is None or raw is None:
            return {}
        if not isinstance(value, Mapping):
            raise WorkflowError(self.file, raw.line, "must be a mapping")
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
