"""JSON documents as the steps write and read them: indented, UTF-8, and never NaN, which is no JSON."""

import json
from pathlib import Path
from typing import Any


def write_json(file: Path, document: dict[str, Any]) -> None:
    """Write a document. Raises ValueError when it holds NaN or infinity."""
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
    file.write_text(text + "\n", encoding="utf-8")


def read_json(file: Path) -> dict[str, Any]:
    """Read a document. Raises FileNotFoundError or json.JSONDecodeError."""
    return json.loads(file.read_text(encoding="utf-8"))
