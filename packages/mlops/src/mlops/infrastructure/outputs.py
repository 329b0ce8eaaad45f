"""Reads the outputs of a stage's Pulumi stack, from a file or from `pulumi` itself, and checks them.

Where they go is decided by project_file.py.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from mlops.core.errors import InputError, MachineError
from mlops.core.layout import INFRASTRUCTURE_FOLDER
from mlops.settings.project import (
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
)
from mlops.settings.stages import StageName

_LIMIT_SECONDS = 300
_LAST_LINES = 5


class StackOutputs(BaseModel):
    """What project.yml needs of a stack. A stack gives more, for pipelines; that is passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    subscription_id: SubscriptionId
    resource_group: ResourceGroupName
    workspace: WorkspaceName
    location: Location
    compute: ComputeName
    endpoint: EndpointName
    registry: WorkspaceName
    serving: Serving
    kubernetes_compute: ComputeName | None = None
    instance_type: str | None = None
    endpoint_identity: IdentityId | None = None
    endpoint_client_id: ClientId | None = None
    application_insights: ConnectionString | None = None
    collected_datastore: DatastoreName | None = None
    events_topic: TopicName | None = None

    @property
    def of_stage(self) -> dict[str, str]:
        """What stands below the stage's name, whatever serves it."""
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
        raise MachineError(f"pulumi did not answer: {error}", "Run it by hand: docs/infrastructure.md.") from error
    if done.returncode:
        raise MachineError(
            f"pulumi has no outputs of the stack '{stage}'",
            f"Log in to its state and bring the stack up first: `pulumi up --stack {stage}` (docs/infrastructure.md).",
            tuple(done.stderr.strip().splitlines()[-_LAST_LINES:]),
        )
    return parse_outputs(done.stdout, f"the stack '{stage}'")


def parse_outputs(text: str, source: str) -> StackOutputs:
    """Check outputs. Raises InputError with every key that is missing or wrong."""
    advice = "It must hold what `pulumi stack output --json` prints for a stage's stack."
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(f"{source} is no JSON: {error}", advice) from error
    try:
        return StackOutputs.model_validate(document)
    except ValidationError as error:
        problems = tuple(
            f"{'.'.join(map(str, detail['loc'])) or 'the whole'}: {detail['msg'].removeprefix('Value error, ')}"
            for detail in error.errors()
        )
        raise InputError(f"{source} lacks what project.yml needs", advice, problems) from error
