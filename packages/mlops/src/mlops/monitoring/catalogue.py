"""The catalogue of what monitoring can measure, and of what kind a broken rule on it is.

The step monitor_model takes all but the service's, which service.py takes from Azure Monitor.
"""

from __future__ import annotations

from typing import Final, Literal

from mlops.judging.measures import GROUP_SEPARATOR, Catalogue, MeasureKind

Section = Literal["quality", "drift", "performance", "fairness", "service"]

_SECTIONS: Final[dict[Section, dict[str, MeasureKind]]] = {
    "quality": {
        "rows": MeasureKind("Rows in the window", "higher"),
        "broken_share": MeasureKind("Rows that cannot be read", "lower"),
        "unanswered_share": MeasureKind("Rows without an answer", "lower"),
        "skewed_share": MeasureKind("Rows filed at a wrong time", "lower"),
        "bad_label_share": MeasureKind("Outcomes that cannot be used", "lower"),
        "missing_features": MeasureKind("Features that are gone", "lower"),
        "unknown_columns": MeasureKind("Columns that nobody knows", "lower"),
        "constant_features": MeasureKind("Features of one value", "lower"),
        "largest_missing_rise": MeasureKind("Missing values, largest rise", "lower"),
        "largest_out_of_range_share": MeasureKind("Out of range, largest share", "lower"),
        "largest_unknown_category_share": MeasureKind("Unknown codes, largest share", "lower"),
        "largest_unseen_category_share": MeasureKind("Codes unseen in training, largest share", "lower"),
    },
    "drift": {
        "largest_feature_drift": MeasureKind("Largest feature drift (PSI)", "lower"),
        "drifted_share": MeasureKind("Drifted features", "lower"),
        "weighted_drift": MeasureKind("Drift by importance (PSI)", "lower"),
        "score_drift": MeasureKind("Score drift (PSI)", "lower"),
        "selection_rate_change": MeasureKind("Change of the selection rate", "lower"),
    },
    "performance": {
        "roc_auc": MeasureKind("ROC AUC", "higher", compared=True),
        "average_precision": MeasureKind("Average precision", "higher", compared=True),
        "f1": MeasureKind("F1 at the threshold", "higher", compared=True),
        "brier": MeasureKind("Brier score", "lower", compared=True),
    },
    "fairness": {
        "selection_rate_difference": MeasureKind("Selection rate difference", "lower", compared=True, per_group=True),
        "true_positive_rate_difference": MeasureKind(
            "True positive rate difference", "lower", compared=True, per_group=True
        ),
    },
    "service": {
        "failure_share": MeasureKind("Requests that failed", "lower"),
        "latency_p99_milliseconds": MeasureKind("Latency, p99 (ms)", "lower"),
    },
}
CATALOGUE: Final = Catalogue({name: kind for kinds in _SECTIONS.values() for name, kind in kinds.items()})


def section_of(measure: str) -> Section:
    """Of what kind a broken rule on a measure is. Raises KeyError for an unknown one."""
    name = measure.split(GROUP_SEPARATOR, 1)[0]
    for section, kinds in _SECTIONS.items():
        if name in kinds:
            return section
    raise KeyError(measure)
