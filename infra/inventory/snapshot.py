"""What every stack declares, as JSON on standard output: resources with their inputs, and rights.

`inventory.changes` of a later revision runs this file of an earlier one and reads what it prints: keep its path, and
the keys `resources`, `rights` and `problem`.
"""

from __future__ import annotations

import json
from typing import Any

from dry_run.result import DryRun
from dry_run.run import run_stack
from dry_run.stack_files import stack_names
from inventory.rights import rights_of
from settings.reading import SettingsError


def main() -> None:
    """Print one object with a key per stack."""
    print(json.dumps({stack: _snapshot(stack) for stack in stack_names()}, default=str, sort_keys=True))


def _snapshot(stack: str) -> dict[str, Any]:
    try:
        run = run_stack(stack)
    except SettingsError as error:
        return {"problem": str(error)}
    return {
        "resources": _resources(run),
        "rights": sorted(f"{right.principal}: {right.role} on {right.scope}" for right in rights_of(run)),
    }


def _resources(run: DryRun) -> dict[str, Any]:
    return {
        f"{record.azure_type} {record.name}": {**record.inputs, "(protect)": record.protect} for record in run.resources
    }


if __name__ == "__main__":
    main()
