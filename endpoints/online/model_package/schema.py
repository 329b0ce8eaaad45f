"""The columns of a model: its features in the order of its input, their limits, and slices of rows. Pure: no I/O.

A fork states them in schema.yml (schema_file.py reads it and refuses what contradicts itself). From validation on they
travel as schema.json, beside the rows and in the model package, where the decision threshold joins them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self, TypeAlias

from model_package.documents import Fields, Scalar
from model_package.errors import SchemaError

# Every command reads the columns, and few compute with them: numpy would double the time to `mlops check`.
if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Mask: TypeAlias = npt.NDArray[np.bool_]

FORMAT = 1
INTEGER = "integer"
NUMBER = "number"
BOOLEAN = "boolean"
CATEGORY = "category"
TIMESTAMP = "timestamp"
TEXT = "text"
TYPES = (INTEGER, NUMBER, BOOLEAN, CATEGORY, TIMESTAMP, TEXT)
# What becomes of a category's values beyond its list: an error, or one further category for all of them.
REFUSE = "refuse"
OTHER = "other"
BINARY_CLASSIFICATION = "binary_classification"
MULTICLASS_CLASSIFICATION = "multiclass_classification"
REGRESSION = "regression"
TASKS = (BINARY_CLASSIFICATION, MULTICLASS_CLASSIFICATION, REGRESSION)
# The columns that a timestamp becomes. `days` are whole days since 2000-01-01 and carry the trend; the others carry the
# season, the time of the month, of the week and of the day. Each is exact in float32 (`second` to the millisecond),
# which seconds since 1970 are not, and together they are the timestamp again.
TIMESTAMP_PARTS = ("days", "month", "day", "weekday", "hour", "minute", "second")


@dataclass(frozen=True, slots=True)
class Feature:
    """One input column. Limits include their ends, None is no limit.

    `categories` are the allowed values, without an order: codes of an integer, texts or integers of a category.
    `unknown` says what becomes of a category's other values; a `nullable` column may lack values.
    """

    name: str
    type: str = INTEGER
    minimum: float | None = None
    maximum: float | None = None
    categories: tuple[float | str, ...] | None = None
    description: str = ""
    nullable: bool = False
    unknown: str = REFUSE

    @property
    def is_number(self) -> bool:
        """Whether its values are numbers as they are."""
        return self.type in (INTEGER, NUMBER)

    @property
    def is_whole(self) -> bool:
        """Whether only whole numbers are allowed."""
        return self.type == INTEGER

    @property
    def is_open(self) -> bool:
        """Whether it is a category with values beyond its list."""
        return self.type == CATEGORY and self.unknown == OTHER

    @property
    def codes(self) -> tuple[float, ...] | None:
        """The numbers that stand for its values; None where any number may.

        An integer's categories are codes themselves, a category's code is its place in the list, and a boolean is 0 or
        1. One code more stands for all other values of an open category.
        """
        if self.type == CATEGORY:
            return tuple(range(len(self.labels) + self.is_open))
        if self.type == BOOLEAN:
            return (0, 1)
        return None if self.categories is None else tuple(each for each in self.categories if not isinstance(each, str))

    @property
    def labels(self) -> tuple[str, ...]:
        """The listed values as a caller writes them, in the order of their codes; empty where the codes are values."""
        if self.type == BOOLEAN:
            return ("false", "true")
        return tuple(map(str, self.categories or ())) if self.type == CATEGORY else ()

    @property
    def matrix_columns(self) -> tuple[str, ...]:
        """The columns of the model's matrix that it becomes; none for a text, which is a tensor of its own."""
        if self.type == TIMESTAMP:
            return tuple(f"{self.name}.{part}" for part in TIMESTAMP_PARTS)
        return () if self.type == TEXT else (self.name,)

    @classmethod
    def parse(cls, document: Fields) -> Self:
        """Read an entry of `features`. Raises SchemaError for an unknown type, or a category without categories."""
        name, kind = document.text("name"), document.text("type")
        if kind not in TYPES:
            raise SchemaError(f"feature {name}: unknown type {kind!r}; known are {', '.join(TYPES)}")
        if kind == CATEGORY and "categories" not in document:
            raise document.wrong("categories", "is missing: a category needs the list of its values")
        return cls(
            name=name,
            type=kind,
            minimum=document.optional_number("minimum"),
            maximum=document.optional_number("maximum"),
            categories=document.scalars("categories") if "categories" in document else None,
            description=document.text("description", ""),
            nullable=document.flag("nullable") if "nullable" in document else False,
            unknown=document.text("unknown", REFUSE),
        )

    def as_document(self) -> dict[str, Any]:
        """Return the entry of schema.json; what is as in most schemas is left out, as older versions wrote it."""
        document = {
            "name": self.name,
            "type": self.type,
            "minimum": self.minimum,
            "maximum": self.maximum,
            "categories": None if self.categories is None else list(self.categories),
            "description": self.description,
        }
        if self.nullable:
            document["nullable"] = True
        if self.unknown != REFUSE:
            document["unknown"] = self.unknown
        return document


@dataclass(frozen=True, slots=True)
class Subgroup:
    """The rows of a slice whose value is one of `categories`, or lies in `limits`, ends included.

    `codes` are the numbers that stand for the categories, where these are not numbers themselves.
    """

    label: str
    categories: tuple[Scalar, ...] = ()
    limits: tuple[float, float] | None = None
    codes: tuple[float, ...] = ()

    def contains(self, values: npt.NDArray[np.floating[Any]]) -> Mask:
        """Tell which of the values [rows] belong to it, categories given as codes; NaN never does."""
        import numpy as np

        if self.limits is None:
            return np.isin(values, self.codes or self.categories)
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

    def with_codes(self, feature: Feature) -> Self:
        """Return the slice of a feature, with the codes of the categories that its subgroups name."""
        if not feature.labels:
            return self
        codes = {label: code for code, label in enumerate(feature.labels)}
        subgroups = (
            replace(each, codes=tuple(codes[text] for text in map(written, each.categories) if text in codes))
            for each in self.subgroups
        )
        return replace(self, subgroups=tuple(subgroups))

    @classmethod
    def parse(cls, document: Fields) -> Self:
        """Read an entry of `slices`. Raises SchemaError."""
        by_category = "categories" in document
        parts = document.object("categories" if by_category else "ranges")
        subgroups = []
        for label in parts.values:
            if by_category:
                subgroups.append(Subgroup(label, categories=parts.scalars(label)))
                continue
            values = parts.numbers(label)
            if len(values) != 2:
                raise parts.wrong(label, f"must be [lowest, highest], found {list(values)}")
            subgroups.append(Subgroup(label, limits=(values[0], values[1])))
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

    `identifier` names the column that numbers the rows, `time` the one that orders them, `group` the one whose rows
    of equal value are in one part of the split, "" where there is none. `gap` is how much time lies between the
    parts of a split by time, in days of a timestamp, else in the column's own unit. `ignored` columns are knowingly
    not used. Of a binary target `positive` is the value that counts as 1, None where it is 0 or 1; of a multiclass
    target `classes` are the values in order. `decision` is known once a model is trained.
    """

    identifier: str
    target: str
    features: tuple[Feature, ...]
    slices: tuple[Slice, ...] = ()
    decision: Decision | None = None
    task: str = BINARY_CLASSIFICATION
    positive: Scalar | None = None
    classes: tuple[Scalar, ...] = ()
    time: str = ""
    ignored: tuple[str, ...] = ()
    group: str = ""
    gap: float = 0.0

    def __post_init__(self) -> None:
        if not self.features:
            raise SchemaError("the schema must list at least one feature")
        names = [*self.columns, *self.ignored]
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise SchemaError(f"the schema names {', '.join(repeated)} more than once; a column may stand only once")
        features = {feature.name: feature for feature in self.features}
        coded = (each.with_codes(features[each.column]) if each.column in features else each for each in self.slices)
        object.__setattr__(self, "slices", tuple(coded))

    @property
    def names(self) -> tuple[str, ...]:
        """The features' names, in the order of the model's input."""
        return tuple(feature.name for feature in self.features)

    @property
    def matrix_columns(self) -> tuple[str, ...]:
        """The matrix's columns, in order: one per feature, none per text; a timestamp's parts under names not taken."""
        names = self.names
        columns = ((each.name, column) for each in self.features for column in each.matrix_columns)
        return tuple(column if column == name else _unlike(column, names) for name, column in columns)

    @property
    def texts(self) -> tuple[Feature, ...]:
        """The features of type text, each of which is a tensor of its own."""
        return tuple(feature for feature in self.features if feature.type == TEXT)

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column of a data file that is used: identifier, time, group, features, target."""
        beside = (self.identifier, *("" if each in self.names else each for each in (self.time, self.group)))
        return (*filter(None, beside), *self.names, self.target)

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
            task=fields.text("task", BINARY_CLASSIFICATION),
            positive=fields.scalar("positive") if "positive" in fields else None,
            classes=fields.scalars("classes") if "classes" in fields else (),
            time=fields.text("time", ""),
            ignored=fields.texts("ignore") if "ignore" in fields else (),
            group=fields.text("group", ""),
            gap=fields.number("gap") if "gap" in fields else 0.0,
        )

    def as_document(self) -> dict[str, Any]:
        """Return the content of schema.json; what is as in most schemas is left out, as older versions wrote it."""
        document: dict[str, Any] = {
            "format": FORMAT,
            "id": self.identifier,
            "target": self.target,
            "features": [feature.as_document() for feature in self.features],
            "slices": [each.as_document() for each in self.slices],
        }
        if self.task != BINARY_CLASSIFICATION:
            document["task"] = self.task
        if self.positive is not None:
            document["positive"] = self.positive
        if self.classes:
            document["classes"] = list(self.classes)
        if self.time:
            document["time"] = self.time
        if self.group:
            document["group"] = self.group
        if self.gap:
            document["gap"] = self.gap
        if self.ignored:
            document["ignore"] = list(self.ignored)
        if self.decision is not None:
            document["decision"] = {"threshold": self.decision.threshold, "chosen_by": self.decision.chosen_by}
        return document


def _unlike(name: str, others: Sequence[str]) -> str:
    return _unlike(f"{name}_", others) if name in others else name


def written(value: Scalar) -> str:
    """Write a value as a caller would: true rather than True."""
    return str(value).lower() if isinstance(value, bool) else str(value)
