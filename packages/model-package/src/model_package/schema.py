"""The columns of a model: its features in the order of its input, their limits, and slices of rows. Pure: no I/O.

A fork states them in schema.yml (schema_file.py reads it). From validation on they travel as schema.json, beside the
rows and in the model package, where the decision threshold joins them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Self, TypeAlias

from model_package.documents import Fields
from model_package.errors import SchemaError

# Every command reads the columns, and few compute with them: numpy would double the time to `mlops check`.
if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Mask: TypeAlias = npt.NDArray[np.bool_]

FORMAT = 1
INTEGER = "integer"
NUMBER = "number"
TYPES = (INTEGER, NUMBER)


@dataclass(frozen=True, slots=True)
class Feature:
    """One input column. Limits include their ends, None is no limit; `categories` are codes without an order."""

    name: str
    type: str = INTEGER
    minimum: float | None = None
    maximum: float | None = None
    categories: tuple[float, ...] | None = None
    description: str = ""

    @property
    def is_whole(self) -> bool:
        """Whether only whole numbers are allowed."""
        return self.type == INTEGER

    @classmethod
    def parse(cls, document: Fields) -> Self:
        """Read an entry of `features`. Raises SchemaError for an unknown type."""
        name, kind = document.text("name"), document.text("type")
        if kind not in TYPES:
            raise SchemaError(f"feature {name}: unknown type {kind!r}; known are {', '.join(TYPES)}")
        return cls(
            name=name,
            type=kind,
            minimum=document.optional_number("minimum"),
            maximum=document.optional_number("maximum"),
            categories=document.numbers("categories") if "categories" in document else None,
            description=document.text("description", ""),
        )

    def as_document(self) -> dict[str, Any]:
        """Return the entry of schema.json."""
        return {
            "name": self.name,
            "type": self.type,
            "minimum": self.minimum,
            "maximum": self.maximum,
            "categories": None if self.categories is None else list(self.categories),
            "description": self.description,
        }


@dataclass(frozen=True, slots=True)
class Subgroup:
    """The rows of a slice whose value is one of `categories`, or lies in `limits`, ends included."""

    label: str
    categories: tuple[float, ...] = ()
    limits: tuple[float, float] | None = None

    def contains(self, values: npt.NDArray[np.floating[Any]]) -> Mask:
        """Tell which of the values [rows] belong to it; NaN never does."""
        import numpy as np

        if self.limits is None:
            return np.isin(values, self.categories)
        low, high = self.limits
        return (values >= low) & (values <= high)


@dataclass(frozen=True, slots=True)
class Slice:
    """A division of the rows by one column into subgroups, whose results are compared for fairness."""

    name: str
    column: str
    subgroups: tuple[Subgroup, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        """The subgroups' labels."""
        return tuple(subgroup.label for subgroup in self.subgroups)

    def membership(self, values: npt.NDArray[np.floating[Any]]) -> Mask:
        """Tell which row belongs to which subgroup: the column's values [rows] → [rows, subgroups]."""
        import numpy as np

        return np.stack([subgroup.contains(values) for subgroup in self.subgroups], axis=1)

    @classmethod
    def parse(cls, document: Fields) -> Self:
        """Read an entry of `slices`. Raises SchemaError."""
        by_category = "categories" in document
        parts = document.object("categories" if by_category else "ranges")
        subgroups = []
        for label in parts.values:
            values = parts.numbers(label)
            if by_category:
                subgroups.append(Subgroup(label, categories=values))
            elif len(values) == 2:
                subgroups.append(Subgroup(label, limits=(values[0], values[1])))
            else:
                raise parts.wrong(label, f"must be [lowest, highest], found {list(values)}")
        return cls(document.text("name"), document.text("column"), tuple(subgroups))

    def as_document(self) -> dict[str, Any]:
        """Return the entry of schema.json."""
        if self.subgroups[0].limits is None:
            return {
                "name": self.name,
                "column": self.column,
                "categories": {each.label: list(each.categories) for each in self.subgroups},
            }
        ranges = {each.label: list(each.limits or ()) for each in self.subgroups}
        return {"name": self.name, "column": self.column, "ranges": ranges}


@dataclass(frozen=True, slots=True)
class Decision:
    """From which probability on a row is decided as positive, and how that was chosen."""

    threshold: float
    chosen_by: str = ""


@dataclass(frozen=True, slots=True)
class Schema:
    """All that steps, endpoints and the command know about a model's columns.

    `identifier` names the column that numbers the rows, "" where there is none. `decision` is known once a model is
    trained.
    """

    identifier: str
    target: str
    features: tuple[Feature, ...]
    slices: tuple[Slice, ...] = ()
    decision: Decision | None = None

    def __post_init__(self) -> None:
        names = self.columns
        if not self.features:
            raise SchemaError("the schema must list at least one feature")
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise SchemaError(f"the schema names {', '.join(repeated)} more than once; a column may stand only once")

    @property
    def names(self) -> tuple[str, ...]:
        """The features' names, in the order of the model's input."""
        return tuple(feature.name for feature in self.features)

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column of a data file: identifier, features, target."""
        return (*((self.identifier,) if self.identifier else ()), *self.names, self.target)

    @property
    def threshold(self) -> float:
        """The decision threshold. Raises SchemaError for a schema that belongs to no model yet."""
        if self.decision is None:
            raise SchemaError("the schema has no decision threshold: it belongs to rows, not to a trained model")
        return self.decision.threshold

    def slice(self, name: str) -> Slice:
        """Return a slice by its name. Raises KeyError."""
        return {each.name: each for each in self.slices}[name]

    def with_decision(self, decision: Decision | None) -> Self:
        """Return the schema of a trained model; None of its rows alone."""
        return replace(self, decision=decision)

    @classmethod
    def parse(cls, document: Mapping[str, Any], where: str) -> Self:
        """Read the content of schema.json; `where` names the file in messages. Raises SchemaError."""
        fields = Fields(document, where, SchemaError)
        if document.get("format") != FORMAT:
            raise SchemaError(
                f"{where} has format {document.get('format')!r}, this code reads format {FORMAT}: "
                "use the endpoints and steps of the commit that trained the model"
            )
        decision = fields.object("decision") if "decision" in fields else None
        return cls(
            identifier=fields.text("id", ""),
            target=fields.text("target"),
            features=tuple(Feature.parse(each) for each in fields.objects("features")),
            slices=tuple(Slice.parse(each) for each in fields.objects("slices")),
            decision=Decision(decision.number("threshold"), decision.text("chosen_by", "")) if decision else None,
        )

    def as_document(self) -> dict[str, Any]:
        """Return the content of schema.json."""
        document: dict[str, Any] = {
            "format": FORMAT,
            "id": self.identifier,
            "target": self.target,
            "features": [feature.as_document() for feature in self.features],
            "slices": [each.as_document() for each in self.slices],
        }
        if self.decision is not None:
            document["decision"] = {"threshold": self.decision.threshold, "chosen_by": self.decision.chosen_by}
        return document


def problems_of(schema: Schema) -> list[str]:
    """Return what contradicts itself in a schema, one sentence per problem; an empty list where all is well."""
    features = {feature.name: feature for feature in schema.features}
    problems = [problem for feature in schema.features for problem in _feature_problems(feature)]
    for each in schema.slices:
        feature = features.get(each.column)
        if feature is None:
            problems.append(f"slice {each.name}: {each.column} is not a feature")
        else:
            problems += [f"slice {each.name}: {problem}" for problem in _slice_problems(each, feature)]
    names = [each.name for each in schema.slices]
    return problems + [f"slice {name} is there twice" for name in sorted({n for n in names if names.count(n) > 1})]


def _feature_problems(feature: Feature) -> Iterator[str]:
    low, high = feature.minimum, feature.maximum
    if low is not None and high is not None and low > high:
        yield f"feature {feature.name}: minimum {low:g} lies above maximum {high:g}"
    if feature.categories is not None and len(set(feature.categories)) != len(feature.categories):
        yield f"feature {feature.name}: a category is listed twice"


def _slice_problems(found: Slice, feature: Feature) -> Iterator[str]:
    if len(found.subgroups) < 2:
        yield "fewer than two subgroups leave nothing to compare"
    named = [value for subgroup in found.subgroups for value in subgroup.categories]
    for value in sorted(set(named)):
        if value not in (feature.categories or ()):
            yield f"{value:g} is not a category of {feature.name}"
        if named.count(value) > 1:
            yield f"category {value:g} belongs to two subgroups"
    ranges = sorted((each.limits, each.label) for each in found.subgroups if each.limits is not None)
    for (low, high), label in ranges:
        if low > high:
            yield f"'{label}' ends before it begins"
    for ((_, end), left), ((begin, _), right) in pairwise(ranges):
        if begin <= end:
            yield f"'{left}' and '{right}' overlap; a row belongs to one subgroup"
