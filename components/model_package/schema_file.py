"""schema.yml, where a fork states its columns: checked with pydantic, unknown keys refused, given as a Schema.

Needs the extra `schema`. What runs after validation reads schema.json (schema.py) and never this file.
"""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from model_package.errors import SchemaError
from model_package.schema import Feature, Schema, Slice, Subgroup, problems_of

SCHEMA_YML = "schema.yml"

Number = Annotated[int | float, Field(allow_inf_nan=False)]
Name = Annotated[str, Field(min_length=1)]
Label = Annotated[str, Field(min_length=1, max_length=80)]
SliceName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=80)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class FeatureEntry(_Part):
    """One column that the model reads."""

    name: Name
    type: Literal["integer", "number"]
    minimum: Number | None = None
    maximum: Number | None = None
    categories: Annotated[list[int], Field(min_length=1)] | None = None
    description: str = ""

    def feature(self) -> Feature:
        """Return the feature."""
        categories = None if self.categories is None else tuple(self.categories)
        return Feature(self.name, self.type, self.minimum, self.maximum, categories, self.description)


class SliceEntry(_Part):
    """Rows divided by one column: by lists of its categories, or by ranges of its values."""

    name: SliceName
    column: Name
    categories: dict[Label, Annotated[list[int], Field(min_length=1)]] | None = None
    ranges: dict[Label, Annotated[tuple[Number, Number], Field(strict=False)]] | None = None

    @model_validator(mode="after")
    def _divides_in_one_way(self) -> Self:
        if (self.categories is None) == (self.ranges is None):
            raise ValueError("needs either `categories` or `ranges`")
        return self

    def slice(self) -> Slice:
        """Return the slice."""
        if self.categories is not None:
            subgroups = [Subgroup(label, categories=tuple(codes)) for label, codes in self.categories.items()]
        else:
            subgroups = [Subgroup(label, limits=limits) for label, limits in (self.ranges or {}).items()]
        return Slice(self.name, self.column, tuple(subgroups))


class SchemaFile(_Part):
    """What schema.yml says."""

    format: Literal[1]
    id: Name
    target: Name
    features: Annotated[list[FeatureEntry], Field(min_length=1)]
    slices: list[SliceEntry] = []

    @model_validator(mode="after")
    def _does_not_contradict_itself(self) -> Self:
        try:
            problems = problems_of(self.schema_of_columns())
        except SchemaError as error:
            raise ValueError(str(error)) from error
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def schema_of_columns(self) -> Schema:
        """Return the schema, without a decision: no model is trained yet."""
        features = tuple(entry.feature() for entry in self.features)
        return Schema(self.id, self.target, features, tuple(entry.slice() for entry in self.slices))


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


def _path(keys: tuple[int | str, ...]) -> str:
    return ".".join(str(key) for key in keys) or "the file"
