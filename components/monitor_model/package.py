"""What monitoring needs of a model package: its columns, its training distribution, and what its evaluation found."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared.documents import read_json

SCHEMA_FILE = "schema.json"


@dataclass(frozen=True)
class Feature:
    """A column as schema.json describes it; None is no limit."""

    name: str
    minimum: float | None
    maximum: float | None
    categories: tuple[int, ...] | None


@dataclass(frozen=True)
class Package:
    """The released model on paper: `baseline` and `evaluation` are the package's own documents."""

    target: str
    features: tuple[Feature, ...]
    threshold: float
    baseline: dict[str, Any]
    evaluation: dict[str, Any]

    @property
    def names(self) -> list[str]:
        """The features' names."""
        return [feature.name for feature in self.features]

    def importance(self) -> dict[str, float]:
        """How much each feature matters to the model, adding up to 1; alike for all where nothing says it."""
        stated = self.evaluation.get("importance") or {}
        useful = {name: max(0.0, float(stated.get(name, 0.0))) for name in self.names}
        total = sum(useful.values())
        return {name: value / total if total else 1 / len(useful) for name, value in useful.items()}


def read_package(folder: Path) -> Package:
    """Read the package at or below a folder. Raises FileNotFoundError without one, KeyError for a broken one."""
    found = sorted(folder.rglob(SCHEMA_FILE))
    if not found:
        raise FileNotFoundError(f"there is no {SCHEMA_FILE} below {folder}: is it a model package?")
    place = found[0].parent
    schema = read_json(found[0])
    features = tuple(_feature(each) for each in schema["features"])
    threshold = float(schema["decision"]["threshold"])
    documents = (read_json(place / name) for name in ("baseline.json", "evaluation.json"))
    return Package(schema["target"], features, threshold, *documents)


def _feature(document: dict[str, Any]) -> Feature:
    codes = document.get("categories")
    return Feature(
        document["name"], document.get("minimum"), document.get("maximum"), None if codes is None else tuple(codes)
    )
