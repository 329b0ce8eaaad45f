"""Writes the JSON schemas by which editors complete the project's YAML files: `uv run python .ci/editor_schemas.py`.

They are made from the models that read the files, so that an editor accepts what `mlops check` accepts. A few rules
that concern several keys at once are known to the command alone.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel

from mlops.settings.gates import GatesFile
from mlops.settings.monitoring import MonitorFile
from mlops.settings.policies import Policy, RetrainingRules
from mlops.settings.project import Settings
from mlops.settings.releases import Manifest
from model_package.schema_file import SchemaFile

FOLDER: Final = Path(__file__).parents[1] / ".vscode" / "schemas"
MODELS: Final[dict[str, type[BaseModel]]] = {
    "project": Settings,
    "schema": SchemaFile,
    "manifest": Manifest,
    "gates": GatesFile,
    "monitor": MonitorFile,
    "retraining": RetrainingRules,
    "provenance": Policy,
}


def main() -> int:
    """Write one file per model."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, text in schemas().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
    return 0


def schemas() -> dict[str, str]:
    """The text of each file, by its name."""
    return {f"{name}.json": _text(model.model_json_schema(mode="validation")) for name, model in MODELS.items()}


def _text(schema: dict[str, Any]) -> str:
    document = {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.exit(main())
