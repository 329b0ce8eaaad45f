"""What `mlops explain` answers: for each row the model's answer, and what each feature contributed to it.

Contributions are Shapley values, sampled along permutations of the features against background rows that are drawn
from the package's training distribution. Each permutation is paired with its reverse (antithetic sampling), which
reduces the error at the same cost. Reads nothing but the package.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from mlops.core.errors import InputError, JobFailed
from mlops.core.results import Block, Line, Result, Table
from mlops.models.facts import Subject, facts_of, keep_report, subject_of_package
from mlops.settings.project import Project
from model_package.baseline import Baseline, Distribution
from model_package.errors import Finding, InvalidRows, ModelPackageError, PackageError
from model_package.package import BASELINE_FILE, package_digest, read_baseline
from model_package.rows.cells import shown_cell
from model_package.rows.encoding import Tensors, cells, decode, encode
from model_package.rows.requests import read_request
from model_package.rows.rules import RowRules
from model_package.runtime import Scorer
from model_package.schema import TEXT, TIMESTAMP, Feature, Schema

# Each row costs thousands of scores.
MAX_ROWS: Final = 100
BACKGROUND_ROWS: Final = 512
_MIDNIGHT: Final = "T00:00:00"
# Rows drawn for each one that is kept.
_POOL: Final = 16
SEED: Final = 7
_FEATURES_SHOWN: Final = 10
_BAR_CHARACTERS: Final = 12
_DIGEST_CHARACTERS: Final = 12
_TEMPLATE: Final = Path(__file__).with_name("explanation.html.j2")
_CLASSES_SHOWN: Final = 3
_COLUMNS: Final = ("feature", "value", "adds", "±")

Floats = npt.NDArray[np.float64]
Score = Callable[[Floats], Floats]


@dataclass(frozen=True)
class FeatureContribution:
    """What one feature's value, as a caller writes it, added to what is explained, and the standard error of that.

    `classes` is what it added to the probability of each class; empty where there are no several.
    """

    feature: str
    value: Any
    contribution: float
    standard_error: float
    classes: dict[str, float] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """Everything that there is."""
        return {name: value for name, value in asdict(self).items() if name != "classes" or value}


@dataclass(frozen=True)
class ExplainedRow:
    """One row and the reply to it; the contributions, largest first, add up to `value` minus `base`.

    `value` is the number that is explained, and `base` the same of typical rows on average; `class_bases` are those of
    each class, where there are several.
    """

    row: int
    prediction: dict[str, Any]
    described: str
    value: float
    base: float
    contributions: tuple[FeatureContribution, ...]
    class_bases: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class ExplainResult(Result):
    """Rows of a request, explained by the package with this digest against `background` typical rows.

    `explained` names the number that is explained, `facts` are what a reply states beside the predictions. `base` is
    None where the rows have different ones, because each is explained by the class that it was labelled with.
    """

    model: str
    digest: str
    explained: str
    facts: dict[str, float]
    base: float | None
    background: int
    rows: tuple[ExplainedRow, ...]
    subject: Subject | None = None
    report: Path | None = None

    def document(self) -> dict[str, Any]:
        """Everything."""
        base = {} if self.base is None else {"base": self.base}
        return {
            "model": self.model,
            "digest": self.digest,
            **self.facts,
            **base,
            "background": self.background,
            "rows": [
                {
                    "row": each.row,
                    **each.prediction,
                    **({} if base else {"base": each.base}),
                    **({"class_bases": each.class_bases} if each.class_bases else {}),
                    "contributions": tuple(one.document() for one in each.contributions),
                }
                for each in self.rows
            ],
            **({"report": str(self.report)} if self.report else {}),
        }

    def blocks(self) -> Sequence[Block]:
        """What is explained, and one table per row, the largest contributions first."""
        average = f"average {self.explained} of {self.model} on {self.background} rows with training's predictions"
        line = average if self.base is None else f"{average}: {self.base:.4f}"
        about = self.subject.rows() if self.subject else ()
        kept = (("report", str(self.report)),) if self.report else ()
        tables = [Table("", (), (*about, *kept))] if about or kept else []
        return [Line(line), *(self._table(row) for row in self.rows), *tables]

    def _table(self, row: ExplainedRow) -> Table:
        shown, rest = row.contributions[:_FEATURES_SHOWN], row.contributions[_FEATURES_SHOWN:]
        largest = max((abs(each.contribution) for each in shown), default=0.0) or 1.0
        others = self._other_classes(row)
        lines: list[tuple[str, ...]] = [
            (
                each.feature,
                f"{each.value:g}" if type(each.value) in (int, float) else shown_cell(each.value),
                f"{each.contribution:+.4f}",
                f"{each.standard_error:.4f}",
                *(f"{each.classes[name]:+.4f}" for name in others),
                "" if others else _bar(each.contribution / largest),
            )
            for each in shown
        ]
        if rest:
            added = f"{sum(each.contribution for each in rest):+.4f}"
            by_class = (f"{sum(each.classes[name] for each in rest):+.4f}" for name in others)
            lines.append((f"{len(rest)} more features", "", added, "", *by_class, ""))
        title = f"row {row.row}: {row.described}: {row.base:.4f} {row.value - row.base:+.4f}"
        return Table(title, (*_COLUMNS, *others, ""), tuple(lines))

    def _other_classes(self, row: ExplainedRow) -> list[str]:
        """The most probable classes beside the label, as many as a terminal has room for."""
        added = {name: sum(each.classes[name] for each in row.contributions) for name in row.class_bases}
        ordered = sorted(added, key=lambda name: -(row.class_bases[name] + added[name]))
        return ordered[1 : 1 + _CLASSES_SHOWN]


def with_report(project: Project, result: ExplainResult, package: Path, subject: Subject | None) -> ExplainResult:
    """Write the explanation as a page, and name it in the result; without a subject the package alone is known."""
    subject = subject or subject_of_package(Subject(result.model, "", result.digest), package)
    name = f"explain-{subject.name}-{subject.version or result.digest.rpartition(':')[2][:_DIGEST_CHARACTERS]}.html"
    facts = facts_of(project, subject, "explained")
    report = keep_report(project, name, _TEMPLATE, {"result": result}, facts)
    return replace(result, subject=subject, report=report)


def _bar(share: float) -> str:
    """A bar to the left of the middle for what lowers the number, to the right for what raises it."""
    bar = "█" * round(_BAR_CHARACTERS * abs(share))
    return f"{bar:>{_BAR_CHARACTERS}}│" if share < 0 else f"{'':{_BAR_CHARACTERS}}│{bar}"


def explain_rows(package: Path, model: str, body: bytes) -> ExplainResult:
    """Explain the rows of a request; the same request always gets the same explanation.

    Raises InputError for a request that the model's endpoint would refuse or that has more than MAX_ROWS rows,
    JobFailed for a package that cannot be used.
    """
    try:
        return _explain(package, model, body)
    except InvalidRows as error:
        details = tuple(_sentence(finding) for finding in error.findings)
        raise InputError(str(error), "Give a request that `mlops score` accepts.", details) from error
    except ModelPackageError as error:
        raise JobFailed(f"the model package cannot be used: {error}", "Train and register again.") from error


def _explain(package: Path, model: str, body: bytes) -> ExplainResult:
    scorer, baseline = Scorer.open(package), read_baseline(package)
    rows = read_request(body, RowRules(scorer.schema), MAX_ROWS)
    background = typical_rows(scorer, baseline, BACKGROUND_ROWS, np.random.default_rng(SEED))
    explained = tuple(_row(number, rows[number : number + 1], background, scorer) for number in range(len(rows)))
    return ExplainResult(
        model=model,
        digest=package_digest(package),
        explained=scorer.task.explained_as,
        facts=scorer.task.reply_facts(),
        base=explained[0].base if _shares_base(scorer) else None,
        background=len(background),
        rows=explained,
    )


def _sentence(finding: Finding) -> str:
    place = ", ".join(
        part for part in ("" if finding.row is None else f"row {finding.row}", finding.field or "") if part
    )
    return f"{place}: {finding.reason}" if place else finding.reason


def _shares_base(scorer: Scorer) -> bool:
    """Whether typical rows have one average: without texts, which are the explained row's, and without labels."""
    return not scorer.task.prediction_classes and all(each.type != TEXT for each in scorer.schema.features)


def _row(number: int, row: Tensors, background: Floats, scorer: Scorer) -> ExplainedRow:
    schema, task, answer = scorer.schema, scorer.task, scorer.score(row)
    # Seeded again for each row, so that its explanation does not depend on the others of the request.
    random = np.random.default_rng(SEED)
    found = contributions(_scores_beside(row, answer[0], scorer), decode(row, schema)[0], background, random)
    names = task.prediction_bins_names if answer.ndim > 1 else ()
    each = [
        FeatureContribution(
            name, value, float(shares[0]), float(errors[0]), dict(zip(names, shares[1:].tolist(), strict=True))
        )
        for (name, value), shares, errors in zip(written_values(row, schema), found.values, found.errors, strict=True)
    ]
    ordered = sorted(each, key=lambda one: -abs(one.contribution))
    (prediction,) = task.predictions(answer)
    bases = dict(zip(names, found.base[1:].tolist(), strict=True))
    value, base = float(found.score[0]), float(found.base[0])
    return ExplainedRow(number, prediction, task.described(prediction), value, base, tuple(ordered), bases)


def written_values(row: Tensors, schema: Schema) -> Iterator[tuple[str, Any]]:
    """Each feature's value as a caller writes it: a time at midnight is a date."""
    types = {each.name: each.type for each in schema.features}
    for name, (value,) in cells(row, schema).items():
        is_date = types[name] == TIMESTAMP and isinstance(value, str) and value.endswith(_MIDNIGHT)
        yield name, value.removesuffix(_MIDNIGHT) if is_date else value


def _scores_beside(row: Tensors, answer: Floats, scorer: Scorer) -> Score:
    """Return how values [rows, features] are scored, where a row with this answer is explained: [rows, numbers].

    The first number is the one that is explained; of several classes, each one's probability follows. A text is that of
    `row`, or empty where its length is missing.
    """
    schema = scorer.schema
    positions = [at for at, feature in enumerate(schema.features) if feature.type == TEXT]

    def score(values: Floats) -> Floats:
        there = [np.isfinite(values[:, [at]]) for at in positions]
        texts = [np.where(known, text, "").astype(object) for known, text in zip(there, row.texts, strict=True)]
        answers = scorer.score(encode(values, texts, schema))
        explained = scorer.task.explained(answers, answer)
        return np.column_stack([explained, answers]) if answers.ndim > 1 else explained[:, None]

    return score


def typical_rows(scorer: Scorer, baseline: Baseline, count: int, random: np.random.Generator) -> Floats:
    """Return values [count, features] on which the model's answers are distributed as on the training rows.

    The package knows how each feature is distributed, and not which values occur together: rows drawn by that alone are
    answered otherwise than real ones. Of many drawn rows, those are kept whose answers follow the training's.
    """
    schema = scorer.schema
    pool = draw_background(schema, baseline, _POOL * count, random)
    texts = [np.full(len(pool), "", dtype=object) for each in schema.features if each.type == TEXT]
    answers = scorer.task.represent(scorer.score(encode(pool, texts, schema)))
    training = baseline.predictions
    if training.categories:
        bins = np.searchsorted(training.categories, answers)
    else:
        bins = np.clip(np.searchsorted(training.edges, answers, side="right") - 1, 0, len(training.counts) - 1)
    found = np.bincount(bins, minlength=len(training.counts))
    reached = np.flatnonzero(found)
    expected = np.zeros(len(found))
    for at, rows in enumerate(training.counts):
        # Where no drawn row is answered like this, the nearest ones stand for it.
        expected[reached[np.abs(reached - at).argmin()]] += rows
    weights = np.divide(expected, found, out=np.zeros(len(expected)), where=found > 0)[bins]
    if not weights.sum():
        return pool[:count]
    # Evenly over the sum of the weights: as close to the distribution as so many rows can be.
    steps = (np.arange(count) + 0.5) / count
    order = np.argsort(answers, kind="stable")
    return pool[order[np.searchsorted(np.cumsum(weights[order]) / weights.sum(), steps)]]


def draw_background(schema: Schema, baseline: Baseline, count: int, random: np.random.Generator) -> Floats:
    """Return values [count, features] in the schema's order, each feature drawn evenly over its distribution.

    A text and what training never had are missing. Raises PackageError when the baseline holds no values of a feature.
    """
    columns = [_drawn(feature, baseline, _stratified(count, random)) for feature in schema.features]
    return np.column_stack(columns)


def _stratified(count: int, random: np.random.Generator) -> Floats:
    """One number from each of `count` equal parts of 0 to 1, in random order."""
    return (random.permutation(count) + random.random(count)) / count


def _drawn(feature: Feature, baseline: Baseline, shares: Floats) -> Floats:
    training = baseline.features.get(feature.name)
    if training is None or not (sum(training.counts) or training.other or training.missing):
        raise PackageError(f"{BASELINE_FILE} holds no values of '{feature.name}'")
    if feature.type == TEXT or not sum(training.counts):
        return np.full(len(shares), np.nan)
    values = _quantiles(training, shares)
    return np.rint(values) if feature.is_whole else values


def _quantiles(training: Distribution, shares: Floats) -> Floats:
    cumulative = np.cumsum(training.counts) / sum(training.counts)
    if training.categories:
        return np.array(training.categories, dtype=np.float64)[np.searchsorted(cumulative, shares, side="right")]
    return np.interp(shares, np.concatenate([[0.0], cumulative]), training.edges)


@dataclass(frozen=True)
class Contributions:
    """What each feature added to `base`, the background's mean scores [numbers], and the standard error of that.

    `score` has the row's own scores [numbers]; `values` and `errors` are [features, numbers].
    """

    base: Floats
    score: Floats
    values: Floats
    errors: Floats


def contributions(score: Score, row: Floats, background: Floats, random: np.random.Generator) -> Contributions:
    """Explain one row's values [features] against a background's [rows, features]; `score` takes both to
    [rows, numbers].

    Calls `score` with 2 x rows x (features + 1) rows at once.
    """
    count, width = background.shape
    ranks = random.permuted(np.tile(np.arange(width), (count, 1)), axis=1)
    both = np.concatenate([ranks, width - 1 - ranks])
    starts = np.concatenate([background, background])
    taken = both[:, None, :] < np.arange(width + 1)[None, :, None]
    points = np.where(taken, row, starts[:, None, :])
    scores = score(points.reshape(-1, width)).reshape(2 * count, width + 1, -1)
    steps = np.take_along_axis(np.diff(scores, axis=1), both[:, :, None], axis=1)
    pairs = (steps[:count] + steps[count:]) / 2
    errors = pairs.std(axis=0, ddof=1) / math.sqrt(count) if count > 1 else np.full(pairs.shape[1:], math.nan)
    return Contributions(scores[:, 0].mean(axis=0), scores[:, -1].mean(axis=0), pairs.mean(axis=0), errors)
