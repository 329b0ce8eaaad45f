"""The names that the fork's endpoint code and the command share."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

from mlops.endpoint import client

ONLINE = Path(__file__).parents[4] / "endpoints" / "online"


def constants(file: Path) -> dict[str, Any]:
    """The module-level literals of a file, by name; the file is not imported."""
    found = {}
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        if isinstance(target, ast.Name) and isinstance(getattr(node, "value", None), ast.Constant | ast.Tuple):
            found[target.id] = ast.literal_eval(node.value)  # ty: ignore[missing-attribute]
    return found


def test_the_endpoint_and_the_command_use_the_same_names() -> None:
    record = constants(ONLINE / "observability" / "request_record.py")

    assert record["SYNTHETIC_HEADER"] == client.SYNTHETIC_HEADER
