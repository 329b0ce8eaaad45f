"""One parallel run as its processes read it: a JSON file with places, made by the emulator. Standard library only."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

# Names the plan's file to the driver, which the command line shows people.
PLAN_VARIABLE = "AZUREML_PARALLEL_PLAN"
_FILE_MODE = 0o600


@dataclass(frozen=True)
class Plan:
    """What the driver does. Paths are absolute; `append` is the file for what the script returns, if any."""

    entry_script: str
    input: str
    table: bool
    mini_batch_size: int
    workers: int
    retries: int
    timeout: float
    failed_batches: int
    failed_items: int
    failed_percent: int
    append: str | None
    logging_level: str

    def write(self, file: Path) -> None:
        """Write it for the driver, for its owner only."""
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(asdict(self)), encoding="utf-8")
        file.chmod(_FILE_MODE)


def read_plan(file: Path) -> Plan:
    """Read what `Plan.write` wrote."""
    return Plan(**json.loads(file.read_text(encoding="utf-8")))
