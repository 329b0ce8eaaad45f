"""Reads the outputs of a stage's Pulumi stack, and fills in the stage's entry in project.yml.

Changes only values, keeps every comment. The new text is checked like any project.yml before it replaces the old one
atomically.
"""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, ValidationError
from ruamel.yaml import YAML

from mlops.core.edits import replacing
from mlops.core.errors import InputError, MachineError
from mlops.core.layout import INFRASTRUCTURE_FOLDER
from mlops.settings.project import (
    BATCH,
    KUBERNETES,
    MANAGED,
    ClientId,
    ComputeName,
    ConnectionString,
    DatastoreName,
    EndpointName,
    IdentityId,
    Location,
    ResourceGroupName,
    Serving,
    SubscriptionId,
    TopicName,
    WorkspaceName,
    read_settings,
)
from mlops.settings.stages import StageName

_LIMIT_SECONDS = 300
_LAST_LINES = 5


class StackOutputs(BaseModel):
    """The outputs that project.yml needs. Further outputs, for pipelines, are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    subscription_id: SubscriptionId
    resource_group: ResourceGroupName
    workspace: WorkspaceName
    location: Location
    compute: ComputeName
    endpoint: EndpointName | None = None
    registry: WorkspaceName
    serving: Serving
    kubernetes_compute: ComputeName | None = None
    instance_type: str | None = None
    images: Literal["shared"] | None = None
    endpoint_identity: IdentityId | None = None
    endpoint_client_id: ClientId | None = None
    application_insights: ConnectionString | None = None
    collected_datastore: DatastoreName | None = None
    events_topic: TopicName | None = None

    @property
    def of_stage(self) -> dict[str, str]:
        """The keys below the stage's name, for any kind of serving."""
        return self.model_dump(exclude={"registry", "instance_type"}, exclude_none=True)


def read_outputs(file: Path) -> StackOutputs:
    """The outputs that `pulumi stack output --json` wrote into a file. Raises InputError."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"{file} cannot be read: {error}", "Give the file that the outputs were written to."
        ) from error
    return parse_outputs(text, str(file))


def ask_pulumi(root: Path, stage: StageName) -> StackOutputs:
    """The outputs of a stage's stack, from the Pulumi command line. Raises MachineError or InputError."""
    program = shutil.which("pulumi")
    if program is None:
        raise MachineError(
            "the pulumi command is not installed",
            "Install it, or give its output as a file: `mlops configure --stage STAGE --outputs FILE`.",
        )
    command = [program, "stack", "output", "--stack", stage, "--json", "--non-interactive"]
    try:
        done = subprocess.run(
            command,
            cwd=root / INFRASTRUCTURE_FOLDER,
            capture_output=True,
            text=True,
            timeout=_LIMIT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise MachineError(f"pulumi failed: {error}", "Run it by hand: docs/infrastructure.md.") from error
    if done.returncode:
        raise MachineError(
            f"pulumi has no outputs of the stack '{stage}'",
            f"Log in to its state and deploy the stack first: `pulumi up --stack {stage}` (docs/infrastructure.md).",
            tuple(done.stderr.strip().splitlines()[-_LAST_LINES:]),
        )
    return parse_outputs(done.stdout, f"the stack '{stage}'")


def parse_outputs(text: str, source: str) -> StackOutputs:
    """Check outputs. Raises InputError with every missing or invalid key."""
    advice = "It must contain the output of `pulumi stack output --json` for a stage's stack."
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(f"{source} is not valid JSON: {error}", advice) from error
    try:
        return StackOutputs.model_validate(document)
    except ValidationError as error:
        problems = tuple(
            f"{'.'.join(map(str, detail['loc'])) or 'the document'}: {detail['msg'].removeprefix('Value error, ')}"
            for detail in error.errors()
        )
        raise InputError(f"{source} lacks what project.yml needs", advice, problems) from error


# For a stage that moves away from Kubernetes: the smallest machine that Azure recommends.
_MACHINE: Final = "Standard_DS3_v2"
# Where ruamel keeps the comment after a value.
_BEHIND: Final = 2
# What a stage has no use for, by how it serves.
_NEEDLESS: Final[dict[Serving, tuple[str, ...]]] = {
    MANAGED: ("kubernetes_compute", "max_instances"),
    KUBERNETES: (),
    BATCH: ("endpoint", "kubernetes_compute", "instance_type", "instance_count", "max_instances"),
}
# After the stage's name.
_FIRST: Final = 1
# The indentation of the list of stages, which is kept.
_FIRST_STAGE: Final = re.compile(r"^stages:[^\n]*\n(?: *(?:#[^\n]*)?\n)*(?P<indent> *)- ", re.MULTILINE)
_UNBROKEN = 4096  # characters: no line of the file is ever folded


@dataclass(frozen=True)
class Change:
    """A changed value; None for a key that was added or removed."""

    key: str
    before: str | None
    after: str | None


def configure(file: Path, stage: StageName, outputs: StackOutputs) -> tuple[Change, ...]:
    """Write a stage's outputs into project.yml and return what changed; empty if it is up to date.

    Raises ProjectError if the file is not a valid project.yml, before or after; it is then left unchanged.
    """
    read_settings(file).order.find(stage)
    parser = YAML()
    parser.preserve_quotes = True
    parser.width = _UNBROKEN
    text = file.read_text(encoding="utf-8")
    indented = _FIRST_STAGE.search(text)
    offset = len(indented["indent"]) if indented else 0
    parser.indent(mapping=2, sequence=offset + 2, offset=offset)
    document = parser.load(text)
    place = next(entry for entry in document["stages"] if entry["name"] == stage)
    changes = _set(document, {"registry": outputs.registry}, "")
    changes += _set(place, _wanted(place, outputs), f"stages.{stage}.")
    needless = _NEEDLESS[outputs.serving] if outputs.images else (*_NEEDLESS[outputs.serving], "images")
    changes += _remove(place, needless, f"stages.{stage}.")
    if changes:
        changed = io.StringIO()
        parser.dump(document, changed)
        with replacing(file, changed.getvalue()) as draft:
            read_settings(draft)
    return tuple(changes)


def _wanted(place: Any, outputs: StackOutputs) -> dict[str, str | int]:  # ruamel's mapping
    """A stage's values from the outputs. The instance type is the team's choice, unless it is of the other kind."""
    if outputs.serving == BATCH or place.get("serving", MANAGED) == outputs.serving:
        return {**outputs.of_stage}
    machines = {} if "instance_count" in place else {"instance_count": 1}
    return {**outputs.of_stage, "instance_type": outputs.instance_type or _MACHINE, **machines}


def _set(
    place: Any, values: Mapping[str, str | int], prefix: str
) -> list[Change]:  # ruamel's mapping with its comments
    changes = []
    last = None
    for key, value in values.items():
        before = place.get(key)
        if before != value:
            changes.append(Change(prefix + key, before, str(value)))
        if before is None:
            place.insert(list(place).index(last) + 1 if last else _FIRST, key, value)
        elif before != value:
            place[key] = value
        last = key
    return changes


def _remove(place: Any, keys: Sequence[str], prefix: str) -> list[Change]:
    changes = []
    for key in (key for key in keys if key in place):
        is_last = key == list(place)[-1]
        changes.append(Change(prefix + key, str(place.pop(key)), None))
        comment = place.ca.items.pop(key, None)
        if is_last and comment is not None and comment[_BEHIND] is not None:
            _keep_lines_below(place, comment[_BEHIND])
    return changes


def _keep_lines_below(place: Any, comment: Any) -> None:
    """Blank lines and comments below the last key belong to the next entry, though ruamel keeps them with the key."""
    below = comment.value.partition("\n")[2]
    own = place.ca.items.setdefault(list(place)[-1], [None] * (_BEHIND + 2))
    if own[_BEHIND] is None:
        comment.value = f"\n{below}"
        own[_BEHIND] = comment
    else:
        own[_BEHIND].value += below
