"""From a model package and a request to contributions; reads nothing but the package."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np

from mlops.errors import JobFailed
from mlops.explain.background import draw_background
from mlops.explain.request import read_request
from mlops.explain.result import ExplainedRow, ExplainResult, FeatureContribution
from mlops.explain.shapley import contributions
from mlops.gates.package_documents import BASELINE_FILE, Baseline, read_document
from mlops.gates.scoring import Scorer, open_scorer
from mlops.judging.measures import Unmeasurable
from mlops.package import package_digest

BACKGROUND_ROWS: Final = 512
SEED: Final = 7


def explain_rows(package: Path, model: str, body: bytes) -> ExplainResult:
    """Explain a request's rows; the same request is always explained alike.

    Raises InputError for a request that cannot be read, JobFailed for a package that cannot.
    """
    try:
        scorer = open_scorer(package)
        baseline = read_document(package, BASELINE_FILE, Baseline)
        return _explain(scorer, baseline, model, body)
    except Unmeasurable as error:
        raise JobFailed(f"the model package cannot be explained by: {error}", "Train and register again.") from error


def _explain(scorer: Scorer, baseline: Baseline, model: str, body: bytes) -> ExplainResult:
    rows = read_request(body, scorer.schema)
    background = draw_background(scorer.schema, baseline, BACKGROUND_ROWS, np.random.default_rng(SEED))
    base = float(scorer.score(background.astype(np.float32)).mean())
    return ExplainResult(
        model=model,
        digest=package_digest(scorer.folder),
        threshold=scorer.threshold,
        base=base,
        background=len(background),
        rows=tuple(_row(number, row, background, scorer) for number, row in enumerate(rows)),
    )


def _row(number: int, row: np.ndarray, background: np.ndarray, scorer: Scorer) -> ExplainedRow:
    # Begun anew for each row, so that a row's explanation does not depend on the others of its request.
    found = contributions(scorer.score, row, background, np.random.default_rng(SEED))
    each = [
        FeatureContribution(name, float(value), float(share), float(error))
        for name, value, share, error in zip(scorer.schema.names, row, found.values, found.errors, strict=True)
    ]
    ordered = sorted(each, key=lambda one: -abs(one.contribution))
    return ExplainedRow(number, found.score, int(found.score >= scorer.threshold), tuple(ordered))
