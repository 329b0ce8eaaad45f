"""What every stack would make, as JSON on standard output: resources with their inputs, and rights.

Run as a file, with another revision's program on the path, it tells what that revision would make. So it uses only
what has been there since the first one: `rehearse`, `rights_of`, `stack_names`.
"""

from __future__ import annotations

import json
from typing import Any

from inventory.access import rights_of
from rehearsal.records import Rehearsal
from rehearsal.run import rehearse
from rehearsal.stack_file import stack_names
from settings.reading import SettingsError


def main() -> None:
    """Print one object with a key for each stack."""
    print(json.dumps({stack: _snapshot(stack) for stack in stack_names()}, default=str, sort_keys=True))


def _snapshot(stack: str) -> dict[str, Any]:
    try:
        rehearsal = rehearse(stack)
    except SettingsError as error:
        return {"problem": str(error)}
    return {
        "resources": _resources(rehearsal),
        "rights": sorted(f"{right.who}: {right.role} on {right.scope}" for right in rights_of(rehearsal)),
    }


def _resources(rehearsal: Rehearsal) -> dict[str, Any]:
    return {
        f"{record.type.removeprefix('azure-native:')} {record.name}": {**record.inputs, "(protect)": record.protect}
        for record in rehearsal.resources
    }


if __name__ == "__main__":
    main()
