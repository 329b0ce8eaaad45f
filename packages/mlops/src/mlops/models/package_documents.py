"""The JSON files of a model package as the gates need them. Keys that gates do not need are left unread."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mlops.settings.measures import Unmeasurable

SCHEMA_FILE: Final = "schema.json"
EVALUATION_FILE: Final = "evaluation.json"
GOLDEN_FILE: Final = "golden.json"
BASELINE_FILE: Final = "baseline.json"
PROVENANCE_FILE: Final = "provenance.json"

Finite = Annotated[float, Field(allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0)]
Document = TypeVar("Document", bound=BaseModel)


class _Part(BaseModel):
    # A package may know more than these gates do: a later format adds keys, and old gates go on reading it.
    model_config = ConfigDict(frozen=True, extra="ignore")


class Feature(_Part):
    """One input column; limits include their ends, None is no limit."""

    name: str
    type: Literal["integer", "number"]
    minimum: Finite | None = None
    maximum: Finite | None = None
    categories: tuple[int, ...] | None = None


class Decision(_Part):
    """From which probability on a row is decided as 1."""

    threshold: Annotated[float, Field(ge=0, le=1)]


class Schema(_Part):
    """schema.json: the columns of the model's input, in the order of its tensor; `id` names the rows' own number."""

    id: str = ""
    target: str
    features: Annotated[tuple[Feature, ...], Field(min_length=1)]
    decision: Decision

    @property
    def names(self) -> list[str]:
        """The features' names in order."""
        return [feature.name for feature in self.features]


class Recorded(_Part):
    """A metric as evaluation.json states it; None where it is not defined."""

    value: Finite | None


class Evaluation(_Part):
    """evaluation.json: what the training run claims."""

    rows: Count
    positive_rate: Finite
    threshold: Finite
    metrics: dict[str, Recorded]


class GoldenCase(_Part):
    """A request, and what the model answered when it was packaged, row by row."""

    request: dict[str, Any]
    probability: Annotated[tuple[Finite, ...], Field(min_length=1)]
    decision: tuple[int, ...]


class Golden(_Part):
    """golden.json; its own tolerance is not read: how exact is exact enough, gates.yml says."""

    cases: Annotated[tuple[GoldenCase, ...], Field(min_length=1)]


class Histogram(_Part):
    """Counts between edges; the last bin includes its right edge."""

    edges: Annotated[tuple[Finite, ...], Field(min_length=2)]
    counts: tuple[Count, ...]


class FeatureBaseline(_Part):
    """A feature's training distribution: counts between `edges`, or of `categories`."""

    missing: Count = 0
    edges: tuple[Finite, ...] | None = None
    categories: tuple[int, ...] | None = None
    counts: tuple[Count, ...]


class Baseline(_Part):
    """baseline.json: the training distribution of every feature and of the probability."""

    rows: Count
    features: dict[str, FeatureBaseline]
    probability: Histogram


class DataProvenance(_Part):
    """The data asset of the training run."""

    name: str = ""
    version: str = ""
    sha256: str = ""


class EnvironmentProvenance(_Part):
    """The software of the training run."""

    lock_sha256: str = ""


class Provenance(_Part):
    """provenance.json; whatever it lacks is empty here, and a gate says so."""

    git_commit: str = ""
    job: str = ""
    created: str = ""
    data: DataProvenance = DataProvenance()
    components: dict[str, str] = {}
    environment: EnvironmentProvenance = EnvironmentProvenance()


def read_document(package: Path, name: str, model: type[Document]) -> Document:
    """Read one JSON file of a package. Raises Unmeasurable when it is missing or not of that shape."""
    try:
        text = (package / name).read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise Unmeasurable(f"the package has no {name}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise Unmeasurable(f"{name} of the package cannot be read: {error}") from error
    try:
        return model.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise Unmeasurable(f"{name} of the package is broken: {where}: {first['msg']}") from error
