"""One parallel run as its processes read it: a JSON file with places, made by the emulator. Standard library only."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from azureml_emulator.jobs.definitions.steps import ParallelSettings

# Names the plan's file to the driver, which the command line shows people.
PLAN_VARIABLE = "AZUREML_PARALLEL_PLAN"
_FILE_MODE = 0o600


@dataclass(frozen=True)
class RunPlan:
    """What the driver does: the step's settings, the absolute path of its input, and the file for its results."""

    settings: ParallelSettings
    input_path: str
    append_path: str | None

    def write(self, file: Path) -> None:
        """Write it for the driver, for its owner only."""
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(asdict(self)), encoding="utf-8")
        file.chmod(_FILE_MODE)


def read_plan(file: Path) -> RunPlan:
    """Read what `RunPlan.write` wrote."""
    document = json.loads(file.read_text(encoding="utf-8"))
    settings = ParallelSettings(**document["settings"])
    return RunPlan(settings, document["input_path"], document["append_path"])
