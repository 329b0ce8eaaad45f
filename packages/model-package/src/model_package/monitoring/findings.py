"""What was measured of a window, as frozen objects and as measures.json holds it. Pure: no I/O.

Needs the core only: the command that judges a window reads the document without scipy and polars.
"""

from dataclasses import asdict, dataclass, field
from typing import Any, Self

from model_package.documents import Fields
from model_package.evaluation import Estimate
from model_package.measures import Measure

FORMAT = 1
MEASURES_FILE = "measures.json"


@dataclass(frozen=True, slots=True)
class HistogramPair:
    """Shares of the rows per bin, in training and in the window.

    A label is a category, or where a bin begins; the first and last bin of a number lie outside of training.
    """

    labels: tuple[str, ...]
    training: tuple[float, ...]
    window: tuple[float, ...]

    @classmethod
    def parse(cls, document: Fields) -> Self:
        """Read {labels, training, window}. Raises PackageError."""
        pair = cls(document.texts("labels"), document.numbers("training"), document.numbers("window"))
        if not len(pair.labels) == len(pair.training) == len(pair.window):
            raise document.wrong("labels", "must be as many as the shares in `training` and in `window`")
        return pair


@dataclass(frozen=True, slots=True)
class ColumnDrift:
    """One column against training.

    `p_value` is adjusted for the number of features; `weight` is how much the feature matters to the model (all add
    up to 1), `contribution` its part of all weighted drift.
    """

    name: str
    psi: float
    chi_square: float
    degrees_of_freedom: int
    p_value: float
    missing: int
    histogram: HistogramPair
    drifted: bool = False
    weight: float = 0.0
    contribution: float = 0.0

    @classmethod
    def parse(cls, document: Fields) -> Self:
        """Read an entry of `features`, or `score`. Raises PackageError."""
        return cls(
            name=document.text("name"),
            psi=document.number("psi"),
            chi_square=document.number("chi_square"),
            degrees_of_freedom=document.count("degrees_of_freedom"),
            p_value=document.number("p_value"),
            missing=document.count("missing"),
            histogram=HistogramPair.parse(document.object("histogram")),
            drifted=document.flag("drifted"),
            weight=document.number("weight"),
            contribution=document.number("contribution"),
        )


@dataclass(slots=True)
class Findings:
    """Everything that was measured of a window; `columns` are the features, compared with training."""

    rows: int
    files: int
    versions: dict[str, int]
    measures: dict[str, Measure]
    notes: list[str]
    answered: int = 0
    labelled: int = 0
    columns: list[ColumnDrift] = field(default_factory=list)
    score: ColumnDrift | None = None
    performance: dict[str, Estimate] | None = None

    @classmethod
    def parse(cls, document: Fields) -> Self:
        """Read the content of measures.json; the columns come in its order. Raises PackageError."""
        if document.values.get("format") != FORMAT:
            raise document.wrong("format", f"is {document.values.get('format')!r}, this code reads {FORMAT}")
        versions = document.object("versions")
        return cls(
            rows=document.count("rows"),
            files=document.count("files"),
            versions={name: versions.count(name) for name in versions.values},
            measures={name: Measure.parse(each) for name, each in document.entries("measures").items()},
            notes=list(document.texts("notes")),
            answered=document.count("answered"),
            labelled=document.count("labelled"),
            columns=[ColumnDrift.parse(each) for each in document.objects("features")],
            score=ColumnDrift.parse(document.object("score")) if "score" in document else None,
            performance={name: Estimate.parse(each) for name, each in document.entries("performance").items()} or None,
        )

    def as_document(self) -> dict[str, Any]:
        """Return the content of measures.json, without its window."""
        estimates = self.performance
        return {
            "format": FORMAT,
            "rows": self.rows,
            "answered": self.answered,
            "labelled": self.labelled,
            "files": self.files,
            "versions": self.versions,
            "notes": self.notes,
            "measures": {name: each.as_document() for name, each in sorted(self.measures.items())},
            "features": [asdict(each) for each in by_contribution(self.columns)],
            "score": asdict(self.score) if self.score else None,
            "performance": estimates and {name: each.as_document() for name, each in estimates.items()},
        }


def by_contribution(columns: list[ColumnDrift]) -> list[ColumnDrift]:
    """Return the columns that contribute most to weighted drift first."""
    return sorted(columns, key=lambda each: (-each.contribution, -each.psi, each.name))
