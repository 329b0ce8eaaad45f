"""What every task answers: one interface, and the plain data that describe its metrics. Pure: no I/O.

Loads no numpy: `mlops check` reads the catalogues. A task is bound to a schema, whose classes or threshold it needs.
Arrays have the rows first; an answer is float64 [rows], or [rows, classes] of a task with classes.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from model_package.evaluation import CalibrationBin, Evaluation, SubgroupEvaluation
    from model_package.measures import Measure
    from model_package.schema import Schema
    from model_package.statistics.weighted_sums import Scored

    Doubles: TypeAlias = npt.NDArray[np.float64]
    Floats: TypeAlias = npt.NDArray[np.floating[Any]]
    Column: TypeAlias = npt.NDArray[Any]
    Mask: TypeAlias = npt.NDArray[np.bool_]

Better = Literal["higher", "lower", "none"]
# What a collected answer's column holds.
ColumnKind = Literal["number", "outcome", "text"]


# Of a 95 % interval.
_WIDTH_IN_ERRORS = 2 * 1.96


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric, named as scikit-learn spells it. `gated` and `monitored`: the rules of that file may name it.

    `needs_features` is False where a model that ignores its features can have a perfect value. `meaning` says in plain
    words what it measures, `undefined` when it has no value.

    A metric of a fork has a `function` of encoded target [rows], answer [rows, ...] and weights [rows], how often each
    row counts; it returns NaN where the rows do not define it. It belongs to all `tasks` unless some are named.
    """

    name: str
    title: str
    better: Better
    gated: bool = True
    monitored: bool = True
    needs_features: bool = True
    meaning: str = ""
    undefined: str = ""
    function: Callable[[Doubles, Floats, Floats], float] | None = None
    tasks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SliceMetric:
    """The largest less the smallest rate among a slice's subgroups; lower is better.

    `rate` names what is compared, `evaluated_as` the metric of a subgroup in evaluation.json that it is. A `share` is
    a part of `rows`, so its error follows from them. `explained` is a sentence for reports.
    """

    name: str
    title: str
    rate: str
    evaluated_as: str
    explained: str
    short_title: str = ""
    share: bool = True
    needs_target: bool = True

    @property
    def rate_title(self) -> str:
        """The rate as a report's column calls it."""
        return self.rate.replace("_", " ")


@dataclass(frozen=True, slots=True)
class Words:
    """What others call the task: MLflow's model type, Azure's AutoML task and the primary metric that is nearest."""

    mlflow_model_type: str
    automl_task: str
    automl_primary_metric: str


@dataclass(frozen=True, slots=True)
class SubgroupRate:
    """A rate of one subgroup, over `rows`; `error` is its standard error, None for a share."""

    value: float
    rows: int
    error: float | None = None


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart of a model's answers against what came true. `limits` hold both axes; None: those of the values."""

    title: str
    across: str
    up: str
    limits: tuple[float, float] | None = (0.0, 1.0)
    dots: bool = False


class Predictions(Protocol):
    """How training's predictions were distributed, as baseline.json holds it."""

    @property
    def counts(self) -> tuple[int, ...]:
        """Rows per bin, or per class."""
        ...

    @property
    def mean(self) -> float:
        """Their mean."""
        ...

    @property
    def std(self) -> float:
        """Their standard deviation."""
        ...


class Task(ABC):
    """What a model of this kind answers, what that means, and how good it is."""

    name: ClassVar[str]
    # The task of the template that steps treat it as; subclasses inherit it, and "" is one that is like none of them.
    base: ClassVar[str] = ""
    words: ClassVar[Words]
    # The output of the graph.
    output: ClassVar[str]
    # The key of the predictions' distribution in baseline.json.
    represented_as: ClassVar[str]
    metrics: ClassVar[tuple[Metric, ...]]
    slice_metrics: ClassVar[tuple[SliceMetric, ...]]
    # What monitoring calls the change in the mix of predictions.
    change: ClassVar[Metric]
    # The metric that says what a feature adds.
    main_metric: ClassVar[str]
    # The key of a reply that says what is decided, or which label was found; "" where nothing is.
    decision_key: ClassVar[str] = ""
    # The number that explanations split into contributions, in words.
    explained_as: ClassVar[str]
    # What `positives` counts, for reports; "" where it counts all rows.
    rarest: ClassVar[str] = ""
    # What evaluation.json has of each subgroup: metrics, and facts with what reports call them.
    subgroup_metrics: ClassVar[tuple[str, ...]]
    subgroup_fact_titles: ClassVar[Mapping[str, str]] = {}
    charts: ClassVar[tuple[Chart, ...]]

    def __init__(self, schema: Schema) -> None:
        self.schema = schema

    # Outcomes.

    @abstractmethod
    def encode(self, values: Column) -> Doubles:
        """Return the target [rows] as metrics take it; NaN for a value that no outcome is."""

    @abstractmethod
    def class_counts(self, target: Column) -> dict[str, int]:
        """Return the rows of each class of an encoded target; empty for a task without classes."""

    @abstractmethod
    def positives(self, target: Column) -> int:
        """Return how many rows limit what the rates of a subgroup can say: positives, or its rarest class."""

    @property
    @abstractmethod
    def outcomes(self) -> str:
        """What an outcome may be, for messages."""

    @property
    @abstractmethod
    def numeric_outcomes(self) -> bool:
        """Whether outcomes are written as numbers; otherwise as texts."""

    # Answers.

    @abstractmethod
    def checked_answer(self, answer: Any, rows: int) -> Doubles:
        """Return the answer from what the graph said for so many rows. Raises ModelError for an invalid one."""

    @abstractmethod
    def predictions(self, answer: Doubles) -> list[dict[str, Any]]:
        """Return the reply to each row."""

    @abstractmethod
    def columns(self, answer: Doubles) -> dict[str, Column]:
        """Return the answer as the columns of collected outputs and of batch scoring, each [rows]."""

    @property
    @abstractmethod
    def column_kinds(self) -> dict[str, ColumnKind]:
        """What each of `columns` holds."""

    @property
    @abstractmethod
    def column_limits(self) -> tuple[float, float] | None:
        """Between which bounds, included, the numbers among `columns` lie; None for any finite number."""

    @abstractmethod
    def answer_of(self, columns: Mapping[str, Column]) -> Doubles:
        """Return the answer that collected columns hold."""

    @abstractmethod
    def recorded_answer(self, values: Mapping[str, Sequence[Any]]) -> Doubles:
        """Return the answer in the keys of a reply, each with a value per row. Raises KeyError, ValueError."""

    @abstractmethod
    def decisions(self, answer: Doubles) -> list[Any]:
        """Return what is decided of each row; None for each where nothing is."""

    @abstractmethod
    def represent(self, answer: Floats) -> Floats:
        """Return the one number, or class, per row whose distribution stands for the predictions."""

    @abstractmethod
    def explained(self, answer: Doubles, row: Doubles) -> Doubles:
        """Return the number [rows] that explanations split into contributions; `row` is the answer to explain."""

    @abstractmethod
    def described(self, prediction: Mapping[str, Any]) -> str:
        """Return a reply's answer to a row in words."""

    @property
    def prediction_edges(self) -> tuple[float, ...] | None:
        """The edges of the predictions' bins; None where training's quantiles make them."""
        return None

    @property
    def prediction_classes(self) -> tuple[float, ...]:
        """The classes that predictions are counted by; none where they are numbers."""
        return ()

    def distances(self, expected: Doubles, found: Doubles) -> Doubles:
        """Return how far answers lie from those expected, row by row [rows], in the unit of a tolerance."""
        import numpy as np

        apart = np.abs(found - expected)
        return apart if apart.ndim == 1 else apart.max(axis=1)

    # Metrics.

    @abstractmethod
    def prepare(
        self, target: Column, answer: Floats, bins: int = 10, slices: Mapping[str, Mask] | None = None
    ) -> Scored:
        """Prepare rows for weightings: `slices` maps a name to [rows, subgroups], `bins` are calibration's."""

    @abstractmethod
    def calibration(self, target: Column, answer: Doubles, bins: int) -> tuple[CalibrationBin, ...]:
        """Compare what was predicted with what came true, in bins of equal size."""

    @abstractmethod
    def facts(self, target: Column) -> dict[str, float]:
        """Return what an evaluation states beside the metrics: of an encoded target, and of the decision rule."""

    @abstractmethod
    def subgroup_facts(self, target: Column, answer: Doubles) -> dict[str, float | None]:
        """Return what an evaluation states of a subgroup beside its metrics; None without rows."""

    @abstractmethod
    def rate(self, metric: SliceMetric, answer: Floats, target: Column | None) -> SubgroupRate:
        """Return a subgroup's rate from its rows; over no rows where there is none."""

    @abstractmethod
    def rate_before(self, metric: SliceMetric, stated: SubgroupEvaluation) -> SubgroupRate | None:
        """Return a subgroup's rate in an evaluation; None where it states none."""

    @abstractmethod
    def prediction_change(self, answer: Floats, evaluation: Evaluation, training: Predictions) -> Measure:
        """Measure the change in the mix of predictions that `change` names."""

    @abstractmethod
    def draw(self, chart: Chart, target: Column, answer: Doubles) -> tuple[Doubles, Doubles]:
        """Return the points of one model's line in a chart: across and up."""

    def decisions_of(self, replies: Sequence[Mapping[str, Any]]) -> list[Any]:
        """Return what each reply says is decided; None for one that says nothing."""
        return [each.get(self.decision_key) for each in replies]

    def reply_facts(self) -> dict[str, float]:
        """Return what each reply states of the decision rule."""
        return {}

    @property
    def prediction_bins_names(self) -> tuple[str, ...]:
        """The names of the classes that predictions are counted by; none where they are numbers."""
        return ()

    @classmethod
    def decides(cls) -> bool:
        """Tell whether answers lead to a decision, or a label, that either changes or does not."""
        return bool(cls.decision_key)

    @classmethod
    def names(cls, metrics: Iterable[Metric]) -> tuple[str, ...]:
        """Return the names of metrics."""
        return tuple(each.name for each in metrics)

    @classmethod
    def metric(cls, name: str) -> Metric:
        """Return the metric of a name. Raises KeyError."""
        return {each.name: each for each in cls.metrics}[name]

    @classmethod
    def gated(cls) -> tuple[str, ...]:
        """Return the names of the metrics that gates measure."""
        return cls.names(each for each in cls.metrics if each.gated)

    @classmethod
    def monitored(cls) -> tuple[str, ...]:
        """Return the names of the metrics that monitoring measures on rows with outcomes."""
        return cls.names(each for each in cls.metrics if each.monitored)


def number(value: Any) -> float:
    """Return a value as a number; NaN for what is none."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan


def outcome_name(value: Any) -> str:
    """Return an outcome as the schema writes it: a whole number has no fraction, true and false are lower case."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def rate_with_error(metric: SliceMetric, stated: SubgroupEvaluation) -> SubgroupRate | None:
    """Return a subgroup's rate in an evaluation, with the standard error that its interval says."""
    found = stated.metrics.get(metric.evaluated_as)
    if found is None or found.value is None:
        return None
    spread = 0.0 if found.low is None or found.high is None else found.high - found.low
    return SubgroupRate(found.value, stated.rows, spread / _WIDTH_IN_ERRORS)
