"""measures.json, which the step monitor_model writes, as frozen objects."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from mlops.core.errors import JobFailed
from mlops.settings.measures import Measured, NothingToMeasure, Span, not_measured
from model_package.collected.window import Window

MEASURES_FILE: Final = "measures.json"
FORMAT: Final = 1
Finite = Annotated[float, Field(allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0)]
# What nothing was collected of has only a number of rows.
_ALWAYS: Final = "rows"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class MeasureEntry(_Part):
    """One measure: a value with what it is compared with, or the reason why there is none."""

    state: Literal["measured", "nothing"]
    value: Finite | None = None
    reference: Finite | None = None
    low: Finite | None = None
    high: Finite | None = None
    details: tuple[str, ...] = ()
    reason: str = ""

    def measured(self) -> Measured:
        """As rules judge it."""
        if self.value is None:
            return not_measured(NothingToMeasure(self.reason))
        span = None if self.low is None or self.high is None else Span(self.low, self.high)
        difference = None if self.reference is None else self.value - self.reference
        return Measured(
            value=self.value,
            champion=self.reference,
            difference=difference,
            difference_span=span,
            details=self.details,
        )


class ShareHistograms(_Part):
    """A column in training and in the window: shares of the rows, bin by bin. A label is a code, or a bin's begin."""

    labels: tuple[str, ...]
    training: tuple[Finite, ...]
    window: tuple[Finite, ...]

    @model_validator(mode="after")
    def _are_as_many(self) -> Self:
        if not len(self.labels) == len(self.training) == len(self.window):
            raise ValueError("as many shares as labels are needed")
        return self


class ColumnDrift(_Part):
    """One feature, or the score, against training: PSI, chi-square test, and what it contributes to weighted drift."""

    name: str
    psi: Finite
    chi_square: Finite
    degrees_of_freedom: Count
    p_value: Finite
    missing: Count
    histogram: ShareHistograms | None = None
    drifted: bool
    weight: Finite
    contribution: Finite


class MeasuredWindow(_Part):
    """The window as the step measured it, UTC."""

    since: datetime
    until: datetime


class Measurements(_Part):
    """What a window came to; `features` with what contributes most first."""

    format: Literal[1]
    window: MeasuredWindow
    rows: Count
    answered: Count
    labelled: Count
    files: Count
    versions: dict[str, Count]
    notes: tuple[str, ...]
    measures: dict[str, MeasureEntry]
    features: tuple[ColumnDrift, ...]
    score: ColumnDrift | None
    performance: dict[str, Any] | None

    def measured(self) -> dict[str, Measured]:
        """Every measure as rules judge it."""
        return {name: each.measured() for name, each in self.measures.items()}


def nothing_collected(window: Window) -> Measurements:
    """What stands for a window in which no file lies."""
    return Measurements(
        format=FORMAT,
        window=MeasuredWindow(since=window.since, until=window.until),
        rows=0,
        answered=0,
        labelled=0,
        files=0,
        versions={},
        notes=("nothing was collected in the window",),
        measures={_ALWAYS: MeasureEntry(state="measured", value=0.0)},
        features=(),
        score=None,
        performance=None,
    )


def read_measures(folder: Path) -> Measurements:
    """Read the one measures.json at or below a folder. Raises JobFailed when it is not there, or of another shape."""
    found = sorted(folder.rglob(MEASURES_FILE))
    if len(found) != 1:
        raise JobFailed(f"expected one {MEASURES_FILE} below {folder}, found {len(found)}")
    try:
        return Measurements.model_validate_json(found[0].read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ValidationError) as error:
        raise JobFailed(
            f"{MEASURES_FILE} of the job is not of the shape that this version of `mlops` reads: {error}",
            "Run `mlops monitor` again from the commit that the job ran on, or run the job again.",
        ) from error
