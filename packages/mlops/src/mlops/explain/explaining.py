"""From a model package and a request to contributions; reads nothing but the package."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from mlops.core.errors import JobFailed
from mlops.explain.inputs import draw_background, read_request
from mlops.explain.result import ExplainedRow, ExplainResult, FeatureContribution
from mlops.models.package import package_digest
from mlops.models.package_documents import BASELINE_FILE, Baseline, read_document
from mlops.models.scoring import Scorer, open_scorer
from mlops.settings.measures import Unmeasurable

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


Floats = npt.NDArray[np.float64]
Score = Callable[[npt.NDArray[np.float32]], Floats]


@dataclass(frozen=True)
class Contributions:
    """What each feature [features] added to `base`, the background's mean score, and the standard error of that."""

    base: float
    score: float
    values: Floats
    errors: Floats


def contributions(score: Score, row: Floats, background: Floats, random: np.random.Generator) -> Contributions:
    """Explain one row [features] against a background [rows, features]; `score` takes [rows, features] to [rows].

    Calls `score` with 2 x rows x (features + 1) rows at once.
    """
    count, width = background.shape
    ranks = random.permuted(np.tile(np.arange(width), (count, 1)), axis=1)
    both = np.concatenate([ranks, width - 1 - ranks])
    starts = np.concatenate([background, background])
    taken = both[:, None, :] < np.arange(width + 1)[None, :, None]
    points = np.where(taken, row, starts[:, None, :]).astype(np.float32)
    scores = score(points.reshape(-1, width)).reshape(2 * count, width + 1)
    steps = np.take_along_axis(np.diff(scores, axis=1), both, axis=1)
    pairs = (steps[:count] + steps[count:]) / 2
    errors = pairs.std(axis=0, ddof=1) / math.sqrt(count) if count > 1 else np.full(width, math.nan)
    return Contributions(float(scores[:, 0].mean()), float(scores[:, -1].mean()), pairs.mean(axis=0), errors)
