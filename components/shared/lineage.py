"""Which component in which version made what lies in a folder: a small file that every step hands on."""

import json
from pathlib import Path

_FILE = "lineage.json"
_VERSION_KEY = "version:"


def component_version(component_file: Path) -> str:
    """Read the version from a component.yml.

    By its line and not by a YAML parser: a step ships no parser for the sake of one word.
    Raises ValueError when the file states no version.
    """
    for line in component_file.read_text(encoding="utf-8").splitlines():
        if line.startswith(_VERSION_KEY):
            return line.removeprefix(_VERSION_KEY).strip()
    raise ValueError(f"{component_file} states no version; add a line like `version: 1.0.0`")


def read_lineage(folder: Path) -> dict[str, str]:
    """Give name → version of the components that led to a folder."""
    file = folder / _FILE
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}


def extended_lineage(source: Path | None, step_file: str) -> dict[str, str]:
    """Give the lineage of `source`, with the step whose Python file is `step_file` added."""
    step = Path(step_file).resolve()
    earlier = {} if source is None else read_lineage(source)
    return earlier | {step.stem: component_version(step.parent / "component.yml")}


def write_lineage(folder: Path, source: Path | None, step_file: str) -> None:
    """Hand the lineage of `source` on to `folder`, with the running step added."""
    document = json.dumps(extended_lineage(source, step_file), indent=2)
    (folder / _FILE).write_text(document + "\n", encoding="utf-8")
