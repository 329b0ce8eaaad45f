"""Files for editors, hooks and containers: what they start exists, and their schemas are those of the models."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import editor_schemas
import jsonschema
import pytest
import yaml

from mlops.cli.command_line import COMMANDS

ROOT = Path(__file__).parents[3]
VSCODE = ROOT / ".vscode"
EXTENSION = re.compile(r"[a-z0-9-]+\.[a-z0-9-]+")


def read(file: Path) -> Any:
    return json.loads(file.read_text(encoding="utf-8"))


def commands() -> list[str]:
    """What tasks, hooks and the container run."""
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"][0]["hooks"]
    created = read(ROOT / ".devcontainer/devcontainer.json")["postCreateCommand"].split(" && ")
    return [
        *(task["command"] for task in read(VSCODE / "tasks.json")["tasks"]),
        *(hook["entry"] for hook in hooks),
        *created,
    ]


def test_schemas_of_the_editor_are_those_of_the_models() -> None:
    committed = {file.name: file.read_text(encoding="utf-8") for file in (VSCODE / "schemas").iterdir()}

    assert committed == editor_schemas.schemas(), "run `uv run python .ci/editor_schemas.py`, and commit"


def matched_files() -> list[tuple[str, Path]]:
    wanted = read(VSCODE / "settings.json")["yaml.schemas"]
    return [(schema, file) for schema, patterns in wanted.items() for each in patterns for file in ROOT.glob(each)]


@pytest.mark.parametrize(("schema", "file"), matched_files(), ids=lambda each: Path(each).name)
def test_files_of_the_project_fit_their_schema(schema: str, file: Path) -> None:
    document = yaml.safe_load(file.read_text(encoding="utf-8"))

    jsonschema.Draft202012Validator(read(ROOT / schema)).validate(document)

    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(read(ROOT / schema)).validate({**document, "unknown_key": 1})


def test_each_schema_has_files() -> None:
    assert {Path(schema).name for schema, _ in matched_files()} == {f"{name}.json" for name in editor_schemas.MODELS}


@pytest.mark.parametrize("command", commands())
def test_programs_that_are_started_exist(command: str) -> None:
    words = shlex.split(command)
    if words[0] == "pipx":
        return
    assert words[0] == "uv"
    rest = words[words.index("run") + 1 :] if "run" in words else []
    rest = rest[2:] if rest[:1] == ["--group"] else rest
    match rest:
        case ["mlops", name, *_]:
            assert name in COMMANDS
        case ["python", script, *_]:
            assert (ROOT / script).is_file()
        case [] | ["ruff", "format" | "check", *_] | ["pytest"]:
            pass
        case _:
            pytest.fail(f"unexpected program: {rest}")


def test_recommended_extensions_are_names_and_the_container_has_no_others() -> None:
    recommended = read(VSCODE / "extensions.json")["recommendations"]
    container = read(ROOT / ".devcontainer/devcontainer.json")["customizations"]["vscode"]["extensions"]

    assert all(EXTENSION.fullmatch(name) for name in recommended)
    assert {*container} <= {*recommended}
