"""evaluation.json: what the training run found on its held-out rows, as frozen objects. Pure: no I/O.

Metrics have confidence intervals; what a metric needs and the rows do not hold (one class only) is None.
"""

from dataclasses import asdict, dataclass, field, replace
from typing import Any, Self

from model_package.documents import Fields

FORMAT = 1
# What runs the model of a package, as rules name it; and the key of its agreement with the trained model.
ONNX = "onnx"
PYFUNC = "pyfunc"
_PARITY_KEYS = {ONNX: "onnx_parity", PYFUNC: "pyfunc_parity"}
# Whatever else stands beside these is a fact that the task states.
_KEYS = ("format", "rows", "confidence", "metrics", "calibration", "importance", "slices", *_PARITY_KEYS.values())
_SUBGROUP_KEYS = ("rows", "metrics")


@dataclass(frozen=True, slots=True)
class Estimate:
    """A metric's value and the bounds of its confidence interval; None where the rows do not define it."""

    value: float | None = None
    low: float | None = None
    high: float | None = None

    @classmethod
    def parse(cls, document: Fields) -> Self:
        """Read {value, low, high}. Raises PackageError."""
        return cls(*(document.optional_number(name) for name in ("value", "low", "high")))

    def as_document(self) -> dict[str, float | None]:
        """Return {value, low, high}."""
        return {"value": self.value, "low": self.low, "high": self.high}


@dataclass(frozen=True, slots=True)
class SubgroupEvaluation:
    """What was found on the rows of one subgroup of a slice.

    `facts` are what the task states beside the metrics, None without rows.
    """

    rows: int
    facts: dict[str, float | None]
    metrics: dict[str, Estimate]

    @classmethod
    def parse(cls, document: Fields) -> Self:
        """Read an entry of `slices`. Raises PackageError."""
        return cls(
            rows=document.count("rows"),
            facts={name: document.optional_number(name) for name in document.values if name not in _SUBGROUP_KEYS},
            metrics=_metrics(document),
        )

    def as_document(self) -> dict[str, Any]:
        """Return an entry of `slices`."""
        return {
            "rows": self.rows,
            **self.facts,
            "metrics": {name: each.as_document() for name, each in self.metrics.items()},
        }


@dataclass(frozen=True, slots=True)
class CalibrationBin:
    """Rows of similar predictions: the mean prediction, and the rate that was observed."""

    rows: int
    predicted: float
    observed: float


@dataclass(frozen=True, slots=True)
class Parity:
    """How far a package's model, run by `runtime`, and the one that it was made from differ on held-out rows."""

    rows: int
    maximum_difference: float
    tolerance: float
    runtime: str = ONNX

    def as_document(self) -> dict[str, Any]:
        """Return the entry of evaluation.json, whose key says the runtime."""
        return {"rows": self.rows, "maximum_difference": self.maximum_difference, "tolerance": self.tolerance}


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The results on the held-out rows.

    `facts` are what the task states beside the metrics: of the target, and of the decision rule. `importance` says what
    each feature adds to the main metric; `slices` maps slice → subgroup → what was found.
    """

    rows: int
    facts: dict[str, float]
    metrics: dict[str, Estimate]
    confidence: float = 0.95
    calibration: tuple[CalibrationBin, ...] = ()
    importance: dict[str, float] = field(default_factory=dict)
    slices: dict[str, dict[str, SubgroupEvaluation]] = field(default_factory=dict)
    parity: Parity | None = None

    def estimate(self, metric: str) -> Estimate:
        """Return a metric; one that was not taken has no value."""
        return self.metrics.get(metric, Estimate())

    def importance_weights(self, names: tuple[str, ...]) -> dict[str, float]:
        """Return how much each feature matters to the model, adding up to 1; all alike where nothing says it."""
        useful = {name: max(0.0, self.importance.get(name, 0.0)) for name in names}
        total = sum(useful.values())
        return {name: value / total if total else 1 / len(useful) for name, value in useful.items()}

    def with_parity(self, parity: Parity) -> Self:
        """Return the evaluation of a model that was compared with the one in its package."""
        return replace(self, parity=parity)

    @classmethod
    def parse(cls, document: Fields) -> Self:
        """Read the content of evaluation.json. Raises PackageError."""
        importance = document.object("importance") if "importance" in document else None
        return cls(
            rows=document.count("rows"),
            facts={name: document.number(name) for name in document.values if name not in _KEYS},
            metrics=_metrics(document),
            confidence=document.number("confidence") if "confidence" in document else 0.95,
            calibration=tuple(_calibration_bin(each) for each in document.objects("calibration")),
            importance={name: importance.number(name) for name in importance.values} if importance else {},
            slices={name: _subgroups(each) for name, each in document.entries("slices").items()},
            parity=_parity(document),
        )

    def as_document(self) -> dict[str, Any]:
        """Return the content of evaluation.json."""
        document: dict[str, Any] = {
            "format": FORMAT,
            "rows": self.rows,
            **self.facts,
            "confidence": self.confidence,
            "metrics": {name: each.as_document() for name, each in self.metrics.items()},
            "calibration": [asdict(each) for each in self.calibration],
            "importance": self.importance,
            "slices": {
                name: {label: each.as_document() for label, each in subgroups.items()}
                for name, subgroups in self.slices.items()
            },
        }
        if self.parity is not None:
            document[_PARITY_KEYS[self.parity.runtime]] = self.parity.as_document()
        return document


def _metrics(document: Fields) -> dict[str, Estimate]:
    return {name: Estimate.parse(each) for name, each in document.entries("metrics").items()}


def _subgroups(document: Fields) -> dict[str, SubgroupEvaluation]:
    return {label: SubgroupEvaluation.parse(document.object(label)) for label in document.values}


def _calibration_bin(document: Fields) -> CalibrationBin:
    return CalibrationBin(document.count("rows"), document.number("predicted"), document.number("observed"))


def _parity(document: Fields) -> Parity | None:
    for runtime, key in _PARITY_KEYS.items():
        if key in document:
            found = document.object(key)
            difference, tolerance = found.number("maximum_difference"), found.number("tolerance")
            return Parity(found.count("rows"), difference, tolerance, runtime)
    return None
