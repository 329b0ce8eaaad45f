"""The plan of a parallel run: a JSON file that the emulator writes and the driver reads. Standard library only."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from azureml_emulator.jobs.definitions.steps import ParallelSettings

# The variable with the path of the plan. Not an argument, because users see the command line.
PLAN_VARIABLE = "AZUREML_PARALLEL_PLAN"
_FILE_MODE = 0o600


@dataclass(frozen=True)
class RunPlan:
    """What the driver runs: the settings of the step, the absolute path of its input, and the file for results.

    `interpreter` is the absolute path of the Python that runs `entry_script`, a path in the working folder or absolute.
    """

    settings: ParallelSettings
    entry_script: str
    input_path: str
    append_path: str | None
    interpreter: str

    def write(self, file: Path) -> None:
        """Write the plan, readable by its owner only."""
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(asdict(self)), encoding="utf-8")
        file.chmod(_FILE_MODE)


def read_plan(file: Path) -> RunPlan:
    """Read a plan."""
    document = json.loads(file.read_text(encoding="utf-8"))
    given = document["settings"]
    given["partition_keys"] = tuple(given["partition_keys"])
    settings = ParallelSettings(**given)
    paths = (document["entry_script"], document["input_path"], document["append_path"], document["interpreter"])
    return RunPlan(settings, *paths)
