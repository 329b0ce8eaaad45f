"""The output of a step: masks secrets, keeps lines, and runs the logging commands in them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from workflow_replay.azure.state.results import Result, worst
from workflow_replay.azure.state.variable_store import ReadOnly, VariableStore
from workflow_replay.azure.steps.logging_commands import LoggingCommand, command
from workflow_replay.common.masking import Masks
from workflow_replay.result import Annotation, Level

_SUMMARY_TYPE = "distributedtask.core.summary"
_RESULTS = {
    "succeeded": Result.SUCCEEDED,
    "succeededwithissues": Result.SUCCEEDED_WITH_ISSUES,
    "failed": Result.FAILED,
}
# Commands that affect only the service's web pages.
_IGNORED = frozenset(
    {"task.setprogress", "task.logdetail", "task.debug", "task.uploadfile", "build.uploadlog", "artifact.associate"}
    | {"task.settaskvariable", "task.setendpoint"}
)


class CommandFailed(Exception):
    """The agent would reject a logging command; the step fails."""


class StepOutput:
    """The output of a step, with its reference name if it has one; `on_line` gets each visible line."""

    def __init__(
        self,
        step_name: str,
        variables: VariableStore,
        masks: Masks,
        artifacts: Path,
        tags: list[str],
        on_line: Callable[[str], None],
    ) -> None:
        self._step_name = step_name
        self._variables = variables
        self._masks = masks
        self._artifacts = artifacts
        self._tags = tags
        self._on_line = on_line
        self._actions: dict[str, Callable[[LoggingCommand], None]] = {
            "artifact.upload": self._upload,
            "build.addbuildtag": self._tag,
            "build.updatebuildnumber": self._number,
            "build.uploadsummary": self._summarize,
            "task.addattachment": self._attach,
            "task.complete": self._complete,
            "task.issue": self._issue,
            "task.logissue": self._issue,
            "task.prependpath": self._prepend,
            "task.setsecret": self._secret,
            "task.setvariable": self._set,
            "task.uploadsummary": self._summarize,
        }
        self.lines: list[str] = []
        self.outputs: dict[str, str] = {}
        self.annotations: list[Annotation] = []
        self.summary = ""
        self.paths: list[str] = []
        self.completed: Result | None = None
        self.rejected = False

    def line(self, text: str) -> None:
        """Add a line of output, or run the logging command in it."""
        found = command(text)
        if found is None:
            self.log(text)
            return
        action = self._actions.get(found.name)
        if action is None:
            if found.name not in _IGNORED:
                self.annotate("warning", f"Unknown logging command ##vso[{found.name}]")
                self.log(text)
            return
        try:
            action(found)
        except (CommandFailed, ReadOnly) as error:
            self.rejected = True
            self.annotate("error", f"Unable to process command '{text}' successfully. {error}")

    def reset_result(self) -> None:
        """Discard the reported result before another attempt."""
        self.completed, self.rejected = None, False

    def log(self, text: str) -> None:
        """Add a visible line."""
        hidden = self._masks.hide(text)
        self.lines.append(hidden)
        self._on_line(hidden)

    def annotate(self, level: Level, message: str, file: str | None = None, line: int | None = None) -> None:
        """Add an annotation, and a line that shows it."""
        hidden = self._masks.hide(message)
        self.annotations.append(Annotation(level, hidden, file=file, line=line))
        self.log(f"##[{level}]{hidden}")

    def set_output(self, name: str, value: str, *, secret: bool = False) -> None:
        """Set an output variable for later steps and jobs."""
        self.outputs[name] = value
        if self._step_name:
            self._variables.put(f"{self._step_name}.{name}", value, secret=secret, read_only=True)

    def _set(self, found: LoggingCommand) -> None:
        name, secret = found.get("variable"), found.flag("issecret")
        if not name:
            raise CommandFailed("Required field 'variable' is missing.")
        if secret and "\n" in found.data:
            raise CommandFailed("Secrets cannot contain multiple lines.")
        if secret and found.data:
            self._masks.add(found.data)
        if not found.flag("isoutput"):
            self._variables.assign(name, found.data, secret=secret, read_only=found.flag("isreadonly"))
            return
        if not self._step_name:
            self.annotate("warning", f"The output variable {name} cannot be referenced: the step has no name")
        self.set_output(name, found.data, secret=secret)

    def _secret(self, found: LoggingCommand) -> None:
        self._masks.add(found.data)

    def _issue(self, found: LoggingCommand) -> None:
        kind = found.get("type").lower()
        if kind not in ("error", "warning"):
            raise CommandFailed(f"issue type {kind or '(none)'} is not an expected issue type.")
        line = found.get("linenumber")
        level: Level = "error" if kind == "error" else "warning"
        self.annotate(level, found.data, found.get("sourcepath") or None, int(line) if line.isdigit() else None)

    def _complete(self, found: LoggingCommand) -> None:
        result = _RESULTS.get(found.get("result").lower())
        if result is None:
            raise CommandFailed("Command doesn't have valid result value.")
        self.completed = worst([result, self.completed]) if self.completed else result

    def _prepend(self, found: LoggingCommand) -> None:
        if not found.data:
            raise CommandFailed("A path is required.")
        self.paths.append(found.data)

    def _summarize(self, found: LoggingCommand) -> None:
        file = Path(found.data)
        if not found.data or not file.is_file():
            raise CommandFailed(f"Markdown summary file path is not provided or file doesn't exist: '{found.data}'")
        self.summary += file.read_text(encoding="utf-8", errors="replace")

    def _attach(self, found: LoggingCommand) -> None:
        if not found.get("type") or not found.get("name"):
            raise CommandFailed("Can't add task attachment, attachment type or name is not provided.")
        if not Path(found.data).is_file():
            raise CommandFailed(f"The attachment's file does not exist: '{found.data}'")
        if found.get("type").lower() == _SUMMARY_TYPE:
            self._summarize(found)

    def _tag(self, found: LoggingCommand) -> None:
        tag = found.data.strip()
        if not tag:
            raise CommandFailed("Build tag is required.")
        if tag.casefold() not in [known.casefold() for known in self._tags]:
            self._tags.append(tag)

    def _number(self, found: LoggingCommand) -> None:
        if not found.data:
            raise CommandFailed("Build number is required.")
        self._variables.put("Build.BuildNumber", found.data)

    def _upload(self, found: LoggingCommand) -> None:
        name, source = found.get("artifactname"), Path(found.data)
        if not name or "/" in name or name.startswith("."):
            raise CommandFailed("Artifact Name is required.")
        if not source.exists():
            raise CommandFailed(f"Path does not exist: {found.data}")
        target = self._artifacts / name
        target.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, dirs_exist_ok=True)
        else:
            shutil.copy2(source, target)
