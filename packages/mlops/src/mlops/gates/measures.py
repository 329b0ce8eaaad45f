"""The catalogue of what gates can measure: name, meaning, which direction is better. How is in evidence.py.

A rule names a measure of this catalogue, or `<measure>.<group>` for those taken once a group.
"""

from __future__ import annotations

from typing import Final

from mlops.judging.measures import Catalogue, MeasureKind

CATALOGUE: Final = Catalogue(
    {
        "roc_auc": MeasureKind("ROC AUC", "higher", compared=True),
        "average_precision": MeasureKind("Average precision", "higher", compared=True),
        "ks": MeasureKind("KS distance", "higher", compared=True),
        "f1": MeasureKind("F1 at the threshold", "higher", compared=True),
        "brier": MeasureKind("Brier score", "lower", compared=True),
        "calibration_error": MeasureKind("Calibration error", "lower", compared=True),
        "selection_rate_difference": MeasureKind("Selection rate difference", "lower", compared=True, per_group=True),
        "true_positive_rate_difference": MeasureKind(
            "True positive rate difference", "lower", compared=True, per_group=True
        ),
        "recorded_difference": MeasureKind("Recorded metrics against ONNX", "lower"),
        "golden_difference": MeasureKind("Golden answers, largest difference", "lower"),
        "golden_decision_changes": MeasureKind("Golden decisions changed", "lower"),
        "largest_feature_drift": MeasureKind("Largest feature drift (PSI)", "lower"),
        "score_drift": MeasureKind("Score drift (PSI)", "lower"),
        "latency_p50_milliseconds": MeasureKind("Latency of a row, p50 (ms)", "lower", compared=True),
        "latency_p99_milliseconds": MeasureKind("Latency of a row, p99 (ms)", "lower", compared=True),
        "package_megabytes": MeasureKind("Package size (MB)", "lower", compared=True),
        "schema_breaks": MeasureKind("Changes that break callers", "lower", needs_champion=True),
        "provenance_gaps": MeasureKind("Gaps in the provenance", "lower"),
        "digest_differences": MeasureKind("Digests that differ", "lower"),
    }
)
