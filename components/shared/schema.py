"""The shape of a data set's description: features, limits, groups. The columns are in columns.py."""

from dataclasses import dataclass
from typing import Any, Literal

FORMAT = 1


@dataclass(frozen=True)
class Feature:
    """One input column of the model. Limits include their ends; None is no limit.

    `nominal` marks categories whose codes have no order, so that a model must not read them as amounts.
    """

    name: str
    description: str
    type: Literal["integer", "number"] = "integer"
    minimum: float | None = None
    maximum: float | None = None
    categories: tuple[int, ...] | None = None
    nominal: bool = False

    def as_document(self) -> dict[str, Any]:
        """Give the feature as schema.json holds it."""
        return {
            "name": self.name,
            "type": self.type,
            "minimum": self.minimum,
            "maximum": self.maximum,
            "categories": None if self.categories is None else list(self.categories),
            "description": self.description,
        }


@dataclass(frozen=True)
class Band:
    """The rows of a group whose column lies between `low` and `high`, ends included."""

    label: str
    low: float
    high: float


@dataclass(frozen=True)
class Group:
    """A division of the rows by one column, for which results are reported apart."""

    name: str
    column: str
    bands: tuple[Band, ...]


@dataclass(frozen=True)
class Schema:
    """All that the steps know about a data set."""

    identifier: str
    target: str
    features: tuple[Feature, ...]
    groups: tuple[Group, ...]

    @property
    def names(self) -> list[str]:
        """The features' names, in the order of the model's input tensor."""
        return [feature.name for feature in self.features]

    @property
    def columns(self) -> list[str]:
        """Every column of a data file: the id, the features, the target."""
        return [self.identifier, *self.names, self.target]

    def as_document(self, threshold: float, chosen_by: str) -> dict[str, Any]:
        """Give schema.json of a model package, with the decision threshold (a probability)."""
        return {
            "format": FORMAT,
            "id": self.identifier,
            "target": self.target,
            "features": [feature.as_document() for feature in self.features],
            "decision": {"threshold": threshold, "chosen_by": chosen_by},
        }
