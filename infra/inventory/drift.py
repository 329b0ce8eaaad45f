"""`pulumi preview --refresh --json | python -m inventory.drift`: what somebody changed in Azure by hand.

Exit code 1 where something was. What Azure itself returns differently is known_differences.py, and is listed with its
reason.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from dry_run.kinds import AZURE
from known_differences import known

UNCHANGED = frozenset({"same", "refresh", "read"})


@dataclass(frozen=True)
class Change:
    """What a preview would change: the operation, the resource, and the path; `reason` where Azure always does it."""

    operation: str
    resource: str
    path: str
    reason: str = ""

    def __str__(self) -> str:
        text = " ".join(part for part in (self.operation, self.resource, self.path) if part)
        return f"{text}: {self.reason}" if self.reason else text


def changes_of(preview: Mapping[str, Any]) -> tuple[Change, ...]:
    """Every change of a preview, as the Pulumi command line prints it with --json."""
    return tuple(change for step in preview.get("steps", ()) for change in _changes(step))


def main() -> int:
    """Print the report; 1 where a change is unknown, 2 where the input is no preview."""
    try:
        changes = changes_of(json.load(sys.stdin))
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        print(f"this is not what `pulumi preview --json` prints ({error}); see its messages above", file=sys.stderr)
        return 2
    unknown = [change for change in changes if not change.reason]
    expected = [change for change in changes if change.reason]
    _print("Changed by somebody. Take it into the program, or run `pulumi up` to undo it", unknown)
    _print("Always different in Azure, and no change", expected)
    if not changes:
        print("Azure matches the stack.")
    return 1 if unknown else 0


def _print(title: str, changes: Iterable[Change]) -> None:
    lines = sorted({str(change) for change in changes})
    if lines:
        print(f"{title}:\n" + "\n".join(f"  {line}" for line in lines))


def _changes(step: Mapping[str, Any]) -> Iterable[Change]:
    operation, urn = step["op"], step["urn"]
    if operation in UNCHANGED:
        return
    type_, name = urn.split("::")[2].split("$")[-1].removeprefix(AZURE), urn.rsplit("::", maxsplit=1)[1]
    paths = step.get("detailedDiff") or {path: {} for path in step.get("diffReasons") or ()}
    if operation != "update" or not paths:
        yield Change(operation, name, "")
        return
    for path in paths:
        difference = known(type_, path)
        yield Change(operation, name, path, difference.reason if difference else "")


if __name__ == "__main__":
    sys.exit(main())
