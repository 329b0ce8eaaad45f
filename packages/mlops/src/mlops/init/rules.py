"""releases/gates.yml and monitor.yml for a task: rules for its metrics, with bounds that a baseline gives. Pure.

Rules about anything else than the task's metrics stay as the files have them. A bound lies between what the baseline
surely reaches and what a trivial model reaches: close to the former where a model is released to callers.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from mlops.core.errors import InputError
from mlops.init.baseline import Baseline
from mlops.init.columns import Column
from mlops.init.proposal import Proposal, limits, scalar
from mlops.init.reading import ascii_name, plain_name
from mlops.init.target import find_column
from mlops.settings import gates, monitoring
from mlops.settings.stages import StageOrder
from model_package.evaluation import Estimate
from model_package.measures import SLICE_SEPARATOR, slice_metric
from model_package.schema import CATEGORY, INTEGER, Schema
from model_package.tasks import TASKS, Metric, SliceMetric

# How far from the trivial model to the baseline's lower end a bound lies: of the training stage, and of later ones.
_LOOSE, _TIGHT = 0.6, 0.9
# The smallest margin of a comparison, as a share of what the baseline has over the trivial model.
_SMALLEST_MARGIN: Final = 0.01
_RECENT_ROWS: Final = 500
_SMALLEST_RECENT_ROWS: Final = 100
_LABELS: Final = 300
_SLICE_ROWS: Final = 200
_DRIFT: Final = 0.25
_WEIGHTED_DRIFT: Final = 0.2
_CHANGE: Final = 0.2
_MOST_BINS: Final = 50
_PREDICTION_BINS: Final = 10
_UNSEEN: Final = 0.05
_RULE: Final = re.compile(r"^  - measure: (?P<measure>[\w.-]+)")
_HEADING: Final = "  #"
_OF_DATA: Final = ("weighted_drift", "score_drift")


@dataclass(frozen=True)
class Bound:
    """The bounds of one metric: at the training stage, at later ones, and how much worse than before it may get.

    `is_no_better`: the baseline does not surely beat the trivial model.
    """

    metric: Metric
    loose: float
    tight: float
    margin: float
    step: float
    why: str
    is_no_better: bool

    @property
    def sign(self) -> int:
        """1 where higher is better, else -1."""
        return 1 if self.metric.better == "higher" else -1

    def at(self, value: float) -> str:
        """The absolute bound in YAML, rounded to what passes more."""
        return f"{'min' if self.sign > 0 else 'max'}: {_number(value, self.step, -self.sign)}"

    def worse(self, times: int = 1) -> str:
        """The bound of a comparison in YAML."""
        return f"{'max_drop' if self.sign > 0 else 'max_rise'}: {_number(times * self.margin, self.step, 1)}"


def bounds_of(baseline: Baseline) -> list[Bound]:
    """The bounds of every metric of the task that the baseline's rows define."""
    found = []
    for metric in TASKS[baseline.schema.task].metrics:
        estimate = baseline.found.estimate(metric.name)
        if metric.gated and estimate.value is not None and math.isfinite(estimate.value):
            found.append(_bound(metric, estimate, baseline.trivial.get(metric.name, math.nan)))
    return found


def is_better_than_trivial(baseline: Baseline) -> bool:
    """Whether the baseline's main metric is surely better than the trivial model's."""
    task = TASKS[baseline.schema.task]
    bound = next((each for each in bounds_of(baseline) if each.metric.name == task.main_metric), None)
    return bound is not None and not bound.is_no_better


def _bound(metric: Metric, estimate: Estimate, trivial: float) -> Bound:
    value = float(estimate.value or 0.0)
    sign = 1 if metric.better == "higher" else -1
    end = estimate.low if sign > 0 else estimate.high
    gap = abs(value - trivial) if math.isfinite(trivial) else abs(value)
    surely = sign * (value if end is None else end)
    spread = max(sign * value - surely, _SMALLEST_MARGIN * (gap or abs(value) or 1.0))
    surely = min(surely, sign * value)
    is_known = math.isfinite(trivial)
    is_better = is_known and surely > sign * trivial
    if is_better:
        loose, tight = (sign * trivial + share * (surely - sign * trivial) for share in (_LOOSE, _TIGHT))
    else:
        loose, tight = surely - 2 * spread, surely - spread
    step = 10.0 ** math.floor(math.log10(spread / 2))
    ends = [each for each in (estimate.low, estimate.high) if each is not None]
    interval = f" ({' to '.join(_number(each, step) for each in ends)})" if ends else ""
    why = f"{metric.title}: a quick baseline reached {_number(value, step)}{interval}"
    if is_known:
        reaches = "a trivial model reaches" if is_better else "which is no better than a trivial model's"
        why += f", {reaches} {_number(trivial, step)}"
    return Bound(metric, sign * loose, sign * tight, spread, step, why, is_no_better=is_known and not is_better)


def _number(value: float, step: float, towards: int = 0) -> str:
    """A number as a multiple of a power of ten, rounded to the nearest, up (1) or down (-1)."""
    scaled = value / step
    whole = (
        round(scaled)
        if not towards or abs(scaled - round(scaled)) < 1e-6
        else (math.ceil(scaled) if towards > 0 else math.floor(scaled))
    )
    decimals = max(0, -round(math.log10(step)))
    text = f"{whole * step:.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def gates_text(text: str, baseline: Baseline, order: StageOrder, slices: Sequence[str]) -> str:
    """gates.yml with the rules of another task and table."""
    task, schema = TASKS[baseline.schema.task], baseline.schema
    recent = _recent_rows(baseline)
    text = _set(text, "recent_rows", str(recent))
    text = _set(text, "slices", f"[{', '.join(slices)}]")
    text = _set(text, "  rows", str(_slice_rows(baseline)))
    text = _set(text, "  positives", str(max(5, min(30, _slice_rows(baseline) // 6))))
    performance = [line for bound in bounds_of(baseline) for line in _gate(bound, order)]
    fairness = [line for name in slices for line in _slice_rules(baseline, name, "no_champion: pass", is_gate=True)]
    text = _with_rules(
        text, performance, fairness, _kept(gates.catalogue_of(task).kinds, task.slice_metrics, task.metrics)
    )
    if task.decides() and f"measure: {gates.GOLDEN_DECISION_CHANGES}\n" not in text:
        text = text.replace(
            "  - measure: recorded_difference\n",
            f"  - measure: {gates.GOLDEN_DECISION_CHANGES}\n"
            "    why: the package must decide its golden requests as it did when it was built\n"
            "    every_stage: {max: 0}\n  - measure: recorded_difference\n",
        )
    return _with_drift(text, schema, recent, baseline.train_rows)


def monitor_text(text: str, baseline: Baseline, slices: Sequence[str], constants: int) -> str:
    """monitor.yml with the rules of another task and table; `constants` features may have one value in a window."""
    task, schema = TASKS[baseline.schema.task], baseline.schema
    recent = _recent_rows(baseline)
    text = _set(text, "slices", f"[{', '.join(slices)}]")
    text = _set(text, "  min_rows", str(recent))
    text = _set(text, "  min_labels", str(min(_LABELS, recent)))
    bounds = [each for each in bounds_of(baseline) if each.metric.monitored]
    asked = [*_OF_DATA, *(each.metric.name for each in bounds)]
    text = _set(text, "retrain_on", f"[{', '.join(asked)}]")
    performance = [
        line
        for each in bounds
        for line in _rule(
            each.metric.name, each.why, "missing: pass # no outcomes yet", f"every_stage: {{{each.worse(2)}}}"
        )
    ]
    fairness = [
        line for name in slices for line in _slice_rules(baseline, name, "missing: pass # too few rows", is_gate=False)
    ]
    kept = _kept(monitoring.catalogue_of(task).kinds, task.slice_metrics, task.metrics)
    text = _with_rules(text, performance, fairness, [each for each in kept if each != task.change.name])
    change = _rule(
        task.change.name,
        f"{task.change.title}: those who use the answers have planned for a certain mix of them",
        "missing: pass # too few rows of this model",
        f"every_stage: {{max: {_CHANGE}}}",
    )
    text = _after(text, "score_drift", change)
    text = _bounded(text, "constant_features", str(constants))
    if any(each.type == CATEGORY for each in schema.features):
        text = _bounded(text, "largest_unseen_category_share", str(_UNSEEN))
    return _with_drift(text, schema, recent, baseline.train_rows)


def _recent_rows(baseline: Baseline) -> int:
    return max(_SMALLEST_RECENT_ROWS, min(_RECENT_ROWS, baseline.test_rows))


def _slice_rows(baseline: Baseline) -> int:
    return max(20, min(_SLICE_ROWS, baseline.test_rows // 20))


def _kept(known: Iterable[str], slice_metrics: Sequence[SliceMetric], metrics: Sequence[Metric]) -> list[str]:
    """The measures of a catalogue that are none of the task's metrics."""
    own = {each.name for each in (*slice_metrics, *metrics)}
    return [name for name in known if name not in own]


def _gate(bound: Bound, order: StageOrder) -> Iterator[str]:
    yield from _rule(bound.metric.name, bound.why, "no_champion: pass", "stages:")
    for place, stage in enumerate(order):
        is_training = place == 0 and len(tuple(order)) > 1
        last = bound.at(bound.loose) if is_training else f"{bound.at(bound.tight)}, {bound.worse()}"
        if not is_training and not bound.metric.needs_features:
            last = bound.at(bound.tight)
        yield f"      {stage}: {{{last}}}\n"


def _rule(measure: str, why: str, *lines: str) -> list[str]:
    return [f"  - measure: {measure}\n", f'    why: "{why}"\n', *(f"    {line}\n" for line in lines)]


def _slice_rules(baseline: Baseline, name: str, line: str, *, is_gate: bool) -> Iterator[str]:
    """The rules of one slice: the differences that the baseline has, and room for chance."""
    least = _slice_rows(baseline)
    for metric in TASKS[baseline.schema.task].slice_metrics:
        groups = baseline.found.slices.get(name, {}).values()
        found = [each.metrics.get(metric.evaluated_as, Estimate()) for each in groups if each.rows >= least]
        rates = [(each.value, each.low, each.high) for each in found if each.value is not None]
        if len(rates) < 2:
            continue
        difference = max(value for value, _, _ in rates) - min(value for value, _, _ in rates)
        widths = [(high - low) / 2 for _, low, high in rates if low is not None and high is not None]
        room = max([*widths, _SMALLEST_MARGIN * max(abs(value) for value, _, _ in rates), 1e-9])
        step = 10.0 ** math.floor(math.log10(room / 2))
        why = f"{metric.title}: subgroups of {name} must be treated alike"
        why += f"; in a quick baseline they differ by {_number(difference, step)}"
        largest, rise = _number(difference + 2 * room, step, 1), _number(2 * room, step, 1)
        bounds = f"{{max: {largest}, max_rise: {rise}}}" if is_gate else f"{{max_rise: {rise}}}"
        yield from _rule(slice_metric(metric.name, name), why, line, f"every_stage: {bounds}")


def _set(text: str, key: str, value: str) -> str:
    """The first line with a key, with another value; its comment stays."""
    return re.sub(
        rf"^({re.escape(key)}: *)(?:\[[^\]\n]*\]|[^\s#]+)",
        lambda match: match[1] + value,
        text,
        count=1,
        flags=re.MULTILINE,
    )


def _bounded(text: str, measure: str, value: str) -> str:
    """The rule of one measure with another `max` wherever it has one."""
    lines, inside = text.splitlines(keepends=True), False
    for place, line in enumerate(lines):
        if match := _RULE.match(line):
            inside = match["measure"] == measure
        if inside:
            lines[place] = re.sub(r"\bmax: [\d.]+", f"max: {value}", line)
    return "".join(lines)


def _with_drift(text: str, schema: Schema, recent: int, train_rows: int) -> str:
    """The bounds of drift: wider where there are many categories and few rows, as chance alone then makes a PSI."""
    bins = max([_PREDICTION_BINS, *(len(each.categories or ()) for each in schema.features)])
    noise = 2 * (1 / recent + 1 / max(1, train_rows))
    for measure, count, usual in (
        ("largest_feature_drift", min(bins, _MOST_BINS), _DRIFT),
        ("score_drift", _PREDICTION_BINS, _DRIFT),
        ("weighted_drift", min(bins, _MOST_BINS), _WEIGHTED_DRIFT),
    ):
        text = _bounded(text, measure, _number(max(usual, count * noise), 0.01, 1))
    return text


def _after(text: str, measure: str, lines: Sequence[str]) -> str:
    """The file with a rule behind another one."""
    head, block, rest = _around(text, measure)
    return "".join((*head, *block, *lines, *rest))


def _around(text: str, measure: str) -> tuple[list[str], list[str], list[str]]:
    lines = text.splitlines(keepends=True)
    start = next(place for place, line in enumerate(lines) if (m := _RULE.match(line)) and m["measure"] == measure)
    end = start + 1
    while end < len(lines) and lines[end].startswith("    "):
        end += 1
    return lines[:start], lines[start:end], lines[end:]


def _with_rules(text: str, performance: Sequence[str], fairness: Sequence[str], kept: Sequence[str]) -> str:
    """The file with other rules for performance and fairness; sections that are empty then lose their heading."""
    head, _, body = text.partition("\nrules:\n")
    sections = body.split("\n\n")
    written, is_placed = [], False
    for section in sections:
        lines = section.splitlines(keepends=True)
        rules = [match["measure"] for line in lines if (match := _RULE.match(line))]
        own = [name for name in rules if name.split(SLICE_SEPARATOR)[0] in kept]
        if rules and len(own) < len(rules) and not own:
            is_fairness = any(SLICE_SEPARATOR in name for name in rules)
            new = fairness if is_fairness else performance
            is_placed = is_placed or not is_fairness
            heading = [line for line in lines if line.startswith(_HEADING)]
            if new:
                written.append("".join((*heading, *new)).rstrip("\n"))
            if not is_fairness and fairness and not _has_fairness(sections):
                written.append("".join(("  # Is it fair enough?\n", *fairness)).rstrip("\n"))
            continue
        written.append("".join(_without(lines, [name for name in rules if name not in own])).rstrip("\n"))
    if not is_placed:
        written.append("".join(("  # Is it good enough?\n", *performance)).rstrip("\n"))
    return f"{head}\nrules:\n" + "\n\n".join(written) + "\n"


def _has_fairness(sections: Sequence[str]) -> bool:
    return any(
        SLICE_SEPARATOR in match["measure"]
        for each in sections
        for line in each.splitlines()
        if (match := _RULE.match(line))
    )


def _without(lines: Sequence[str], measures: Sequence[str]) -> Iterator[str]:
    is_dropped = False
    for line in lines:
        if match := _RULE.match(line):
            is_dropped = match["measure"] in measures
        if not is_dropped or line.startswith(_HEADING):
            yield line


def slices_text(proposal: Proposal, names: Sequence[str]) -> str:
    """The slices of schema.yml: each column by its categories, or by ranges with a quarter of the rows each."""
    lines = ["", "slices:"] if names else []
    for name in names:
        column = find_column(proposal.features, plain_name(name), "--slice")
        slug = ascii_name(column.name, "_") or "slice"
        lines += [f"  - name: {slug}", f"    column: {scalar(column.name)}"]
        if column.type == CATEGORY:
            groups = [(str(each), scalar(each, in_list=True)) for each in column.categories]
            lines += ["    categories:", *(f"      {scalar(label)}: [{value}]" for label, value in groups)]
        elif column.type == INTEGER and column.distinct > 1:
            lines += ["    ranges:", *(f"      {low} to {high}: [{low}, {high}]" for low, high in _quarters(column))]
        else:
            raise InputError(
                f"{column.name!r} is a {column.type}, by which rows are not divided on their own",
                "Give a category or an integer as --slice, or write the slice into schema.yml.",
            )
    return "".join(f"{line}\n" for line in lines)


def _quarters(column: Column) -> list[tuple[int, int]]:
    """Ranges that share no value."""
    low, high = (int(each) for each in limits(column))
    numbers = column.values.drop_nulls()
    cuts = sorted({math.floor(numbers.quantile(share) or 0) for share in (0.25, 0.5, 0.75)} - {high})
    return [*zip([low, *(each + 1 for each in cuts)], [*cuts, high], strict=True)]
