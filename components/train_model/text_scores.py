"""A linear model of each text column: its words, weighted by how rare they are, and raw scores from them."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge

from model_package.rows.encoding import Texts
from model_package.steps.table_model import WORDS, Doubles, TextScores, lowered

Rows = npt.NDArray[np.int64]

_MOST_WORDS = 20_000
_ROWS_PER_WORD = 2
_REGULARIZATION = 3.0


def fit_text(texts: Texts, target: Doubles, classes: int, rows: Rows) -> TextScores | None:
    """Fit to some rows of a text column [rows, 1]; None where they share no word.

    `target` is 0 to classes - 1, or the number of a regression, which has no classes.
    """
    words = TfidfVectorizer(
        lowercase=False, token_pattern=WORDS, min_df=_ROWS_PER_WORD, max_features=_MOST_WORDS, sublinear_tf=False
    )
    chosen = lowered(texts[rows, 0])
    try:
        matrix = words.fit_transform(chosen)
    except ValueError:
        # What scikit-learn says of texts without words.
        return None
    if classes:
        linear = LogisticRegression(C=_REGULARIZATION, max_iter=300).fit(matrix, target[rows])
        coefficients = linear.coef_.T
    else:
        scale = float(np.std(target[rows])) or 1.0
        linear = Ridge(alpha=1 / _REGULARIZATION, solver="lsqr").fit(matrix, target[rows] / scale)
        coefficients = np.asarray(linear.coef_).reshape(-1, 1) * scale
    return TextScores(words, np.ascontiguousarray(coefficients))


def held_out_scores(
    texts: Texts, target: Doubles, classes: int, folds: Sequence[tuple[Rows, Rows]], width: int
) -> Doubles:
    """Return the raw scores [rows, width] of models that did not see the row; NaN where all saw it."""
    found = np.full((len(target), width), np.nan)
    for rows, held_out in folds:
        fitted = fit_text(texts, target, classes, rows)
        found[held_out] = 0.0 if fitted is None else fitted.scores(texts[held_out])
    return found
