"""schema.yml, where a fork states its columns: checked with pydantic, unknown keys refused, given as a Schema.

Needs the extra `schema`. What runs after validation reads schema.json (schema.py) and never this file.
"""

from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from model_package.documents import Scalar
from model_package.errors import SchemaError, did_you_mean
from model_package.schema import (
    BINARY_CLASSIFICATION,
    CATEGORY,
    INTEGER,
    MULTICLASS_CLASSIFICATION,
    REFUSE,
    TEXT,
    TYPES,
    Feature,
    Schema,
    Slice,
    Subgroup,
    written,
)
from model_package.tasks import task_class

SCHEMA_YML = "schema.yml"
# Larger whole numbers are not all exact in the float32 that the model reads.
_LARGEST_CODE = 2**24
_FEWEST_CLASSES = 3

Number = Annotated[int | float, Field(allow_inf_nan=False)]
Value = bool | int | float | str
Values = Annotated[list[Value], Field(min_length=1)]
Name = Annotated[str, Field(min_length=1)]
Label = Annotated[str, Field(min_length=1, max_length=80)]
SliceName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=80)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class FeatureEntry(_Part):
    """One column that the model reads."""

    name: Name
    type: Annotated[str, Field(json_schema_extra={"enum": list(TYPES)})]
    minimum: Number | None = None
    maximum: Number | None = None
    categories: Values | None = None
    unknown: Literal["refuse", "other"] | None = None
    nullable: bool = False
    description: str = ""

    @model_validator(mode="after")
    def _does_not_contradict_itself(self) -> Self:
        problems = list(self._problems())
        if problems:
            raise ValueError("; ".join(f"feature {self.name}: {problem}" for problem in problems))
        return self

    def _problems(self) -> Iterator[str]:
        if self.type not in TYPES:
            yield f"unknown type {self.type!r}{did_you_mean(self.type, TYPES)}; write one of {', '.join(TYPES)}"
            return
        if self.type == CATEGORY and self.categories is None:
            yield "a category needs the list of its values; write `categories: [...]`, or `type: text` for free text"
        if self.type not in (CATEGORY, INTEGER) and self.categories is not None:
            yield f"`categories` do not fit the type {self.type}; write `type: category`, or remove `categories`"
        if self.type != CATEGORY and self.unknown is not None:
            yield f"`unknown` does not fit the type {self.type}; write `type: category`, or remove `unknown`"
        if not self.feature().is_number and (self.minimum is not None or self.maximum is not None):
            yield f"`minimum` and `maximum` do not fit the type {self.type}; remove them"
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            yield f"minimum {self.minimum:g} lies above maximum {self.maximum:g}"
        yield from self._category_problems()

    def _category_problems(self) -> Iterator[str]:
        values = self.categories or []
        yield from _problems_of_values(values, "category", "type: boolean")
        if "" in values:
            yield "an empty text is a missing value, not a category; write `nullable: true` and remove it"
        if self.type != INTEGER:
            return
        if any(isinstance(value, str) for value in values):
            yield "the categories of an integer are whole numbers; write `type: category` for texts"
        elif any(abs(value) > _LARGEST_CODE for value in values if not isinstance(value, str)):
            yield f"the model cannot tell codes above {_LARGEST_CODE} apart; write `type: category`"

    def feature(self) -> Feature:
        """Return the feature."""
        return Feature(
            name=self.name,
            type=self.type,
            minimum=self.minimum,
            maximum=self.maximum,
            categories=None if self.categories is None else tuple(self.categories),
            description=self.description,
            nullable=self.nullable,
            unknown=self.unknown or REFUSE,
        )


class SliceEntry(_Part):
    """Rows divided by one column: by lists of its categories, or by ranges of its values."""

    name: SliceName
    column: Name
    categories: dict[Label, Values] | None = None
    ranges: dict[Label, Annotated[tuple[Number, Number], Field(strict=False)]] | None = None

    @model_validator(mode="after")
    def _divides_in_one_way(self) -> Self:
        if (self.categories is None) == (self.ranges is None):
            raise ValueError("needs either `categories` or `ranges`")
        return self

    def slice(self) -> Slice:
        """Return the slice."""
        if self.categories is not None:
            subgroups = [Subgroup(label, categories=tuple(values)) for label, values in self.categories.items()]
        else:
            subgroups = [Subgroup(label, limits=limits) for label, limits in (self.ranges or {}).items()]
        return Slice(self.name, self.column, tuple(subgroups))


class SchemaFile(_Part):
    """What schema.yml says."""

    format: Literal[1]
    task: str = BINARY_CLASSIFICATION
    id: Name | None = None
    time: Name | None = None
    gap: Annotated[int | float, Field(gt=0, allow_inf_nan=False)] | None = None
    group: Name | None = None
    target: Name
    positive: Value | None = None
    classes: Values | None = None
    ignore: list[Name] = []
    features: Annotated[list[FeatureEntry], Field(min_length=1)]
    slices: list[SliceEntry] = []

    @model_validator(mode="after")
    def _does_not_contradict_itself(self) -> Self:
        try:
            schema = self.schema_of_columns()
        except SchemaError as error:
            raise ValueError(str(error)) from error
        problems = [*_problems_of_names(schema), *self._target_problems(), *self._time_problems()]
        problems += _problems_of_slices(schema)
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def _target_problems(self) -> Iterator[str]:
        try:
            base = task_class(self.task).base
        except SchemaError as error:
            yield str(error)
            return
        if self.positive is not None and base not in (BINARY_CLASSIFICATION, ""):
            yield f"`positive` does not fit the task {self.task}; remove it, or write `task: {BINARY_CLASSIFICATION}`"
        if self.classes is not None and base not in (MULTICLASS_CLASSIFICATION, ""):
            instead = "write `positive: VALUE`" if base == BINARY_CLASSIFICATION else "remove them"
            yield f"`classes` do not fit the task {self.task}; {instead}, or write `task: {MULTICLASS_CLASSIFICATION}`"
        if base != MULTICLASS_CLASSIFICATION:
            return
        if self.classes is None:
            yield f"the task {self.task} needs the target's values in order; write `classes: [...]`"
            return
        yield from _problems_of_values(self.classes, "class", f"task: {BINARY_CLASSIFICATION}")
        if len(self.classes) < _FEWEST_CLASSES:
            yield f"fewer than {_FEWEST_CLASSES} classes; write `task: {BINARY_CLASSIFICATION}` and `positive: VALUE`"

    def _time_problems(self) -> Iterator[str]:
        for feature in self.features:
            if feature.name == self.time and feature.type in (CATEGORY, TEXT):
                yield f"`time`: {self.time} of type {feature.type} has no order; write `type: timestamp`"

        if self.gap is not None and self.time is None:
            yield "`gap` needs `time: COLUMN`, which says by what the rows are split"
        if self.group is not None and self.time is not None:
            yield "`group` and `time` are two ways to split; remove one of them"
        if self.group is not None and self.group == self.id:
            yield "`group` is the id, which differs in every row; remove it, or name the column that rows share"

    def schema_of_columns(self) -> Schema:
        """Return the schema, without a decision: no model is trained yet."""
        return Schema(
            identifier=self.id or "",
            target=self.target,
            features=tuple(entry.feature() for entry in self.features),
            slices=tuple(entry.slice() for entry in self.slices),
            task=self.task,
            positive=self.positive,
            classes=tuple(self.classes or ()),
            time=self.time or "",
            ignored=tuple(self.ignore),
            group=self.group or "",
            gap=float(self.gap or 0),
        )


def read_schema_file(file: Path) -> Schema:
    """Read schema.yml. Raises SchemaError, with the path of every key that is wrong."""
    try:
        document = YAML(typ="safe", pure=True).load(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise SchemaError(f"{file} does not exist; give the file that states the columns") from error
    except (OSError, UnicodeDecodeError, YAMLError) as error:
        raise SchemaError(f"{file} cannot be read as YAML: {error}") from error
    try:
        return SchemaFile.model_validate(document).schema_of_columns()
    except ValidationError as error:
        problems = [f"{_path(each['loc'])}: {each['msg'].removeprefix('Value error, ')}" for each in error.errors()]
        raise SchemaError(f"{file} is not valid; correct it:\n" + "\n".join(problems)) from error


def _problems_of_values(values: list[Value], noun: str, of_truths: str) -> Iterator[str]:
    """Say why a list of values cannot be one of categories or classes; `of_truths` is for true and false."""
    if any(isinstance(value, bool) for value in values):
        yield f"true and false are no {noun}: write `{of_truths}`, or put them in quotes"
    elif any(isinstance(value, float) for value in values):
        yield f"a {noun} is a text or a whole number; put fractions in quotes"
    elif len({type(value) for value in values}) > 1:
        yield f"texts and numbers are mixed; put every {noun} in quotes"
    elif len(set(values)) != len(values):
        yield f"a {noun} is listed twice; keep one of them"


def is_pattern(name: str) -> bool:
    """Whether tables would read a column's name as a pattern: `*`, or from ^ to $."""
    return name == "*" or (name.startswith("^") and name.endswith("$"))


def _problems_of_names(schema: Schema) -> Iterator[str]:
    for name in filter(is_pattern, schema.columns):
        yield f"a column cannot have the name {name!r}, which stands for many columns; rename it"
    for feature in schema.features:
        for name in set(feature.matrix_columns) & set(schema.names) - {feature.name}:
            yield f"the model makes the column {name} of {feature.name} itself; remove the feature {name}, or rename it"


def _problems_of_slices(schema: Schema) -> Iterator[str]:
    features = {feature.name: feature for feature in schema.features}
    for each in schema.slices:
        feature = features.get(each.column)
        if feature is None:
            yield f"slice {each.name}: {each.column} is not a feature"
        else:
            yield from (f"slice {each.name}: {problem}" for problem in _slice_problems(each, feature))
    names = [each.name for each in schema.slices]
    yield from (f"slice {name} is there twice" for name in sorted({name for name in names if names.count(name) > 1}))


def _slice_problems(found: Slice, feature: Feature) -> Iterator[str]:
    if len(found.subgroups) < 2:
        yield "fewer than two subgroups leave nothing to compare"
    listed = set(feature.labels or _all_written(feature.categories or ()))
    named = _all_written(value for subgroup in found.subgroups for value in subgroup.categories)
    for value in sorted(set(named)):
        if value not in listed:
            yield f"{value} is not a category of {feature.name}"
        if named.count(value) > 1:
            yield f"category {value} belongs to two subgroups"
    ranges = sorted((each.limits, each.label) for each in found.subgroups if each.limits is not None)
    if ranges and not feature.is_number:
        yield f"`ranges` do not fit {feature.name} of type {feature.type}; write `categories`, or choose another column"
    for (low, high), label in ranges:
        if low > high:
            yield f"'{label}' ends before it begins"
    for ((_, end), left), ((begin, _), right) in pairwise(ranges):
        if begin <= end:
            yield f"'{left}' and '{right}' overlap; a row belongs to one subgroup"


def _all_written(values: Iterable[Scalar]) -> list[str]:
    return [written(value) for value in values]


def _path(keys: tuple[int | str, ...]) -> str:
    return ".".join(str(key) for key in keys) or "the file"
