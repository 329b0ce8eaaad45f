"""Reads Pulumi.<stack>.yaml into the flat text that the engine would pass to the program."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).resolve().parent.parent


def stack_names(folder: Path = FOLDER) -> tuple[str, ...]:
    """Every stack that has a file."""
    return tuple(sorted(file.name.split(".")[1] for file in folder.glob("Pulumi.*.yaml")))


def read_config(stack: str, folder: Path = FOLDER) -> dict[str, str]:
    """The configuration of a stack: `namespace:key` → text, objects as JSON. Raises FileNotFoundError."""
    file = folder / f"Pulumi.{stack}.yaml"
    if not file.is_file():
        known = ", ".join(stack_names(folder))
        raise FileNotFoundError(f"{file} does not exist; the stacks are {known}")
    return flatten(yaml.safe_load(file.read_text(encoding="utf-8"))["config"])


def flatten(config: dict[str, Any]) -> dict[str, str]:
    """What the engine makes of a file's values: text stays as it is, everything else becomes JSON."""
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in config.items()}
