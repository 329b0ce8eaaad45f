"""Whether a verdict may start a training: by its content, and by recent trainings. Pure, no I/O."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from mlops.audit.announcement import asks_for_retraining
from mlops.audit.record import Event, EventKind, Record
from mlops.settings.policies import RetrainingRules

RETRAINING: Final[EventKind] = "retraining"
BEGUN: Final = "begun"
# Keys of a retraining's evidence.
CAUSE: Final = "cause"
CAUSE_RECORD: Final = "record"
JOB: Final = "job"
DATA: Final = "data"
DATA_DESCRIPTION: Final = "data_description"
_MONITOR: Final = "monitor"
_WEEK: Final = timedelta(days=7)
_TIME: Final = "%Y-%m-%d %H:%M UTC"


@dataclass(frozen=True)
class NotBegun:
    """Why no retraining was started; this is not an error."""

    reason: str


def is_begun(event: Event) -> bool:
    """Whether a record is of a retraining that was started."""
    return event.kind == RETRAINING and event.step == BEGUN


def begun_for(records: Sequence[Record], cause: Record) -> Record | None:
    """The retraining that a cause has already started."""
    wanted = cause.hash()
    return next((each for each in records if is_begun(each.event) and each.event.evidence.get(CAUSE) == wanted), None)


def rejection_reason(cause: Record, rules: RetrainingRules, now: datetime) -> str | None:
    """Why a record of a stage's log can never start a training; None if it may."""
    event = cause.event
    if event.kind != _MONITOR or event.evidence.get("state") != "drift":
        return f"record {cause.number} of {event.stage} is not a drift verdict: {event.reason}"
    if not asks_for_retraining(event):
        return f"a newer model would not fix what was found in {event.stage}: {event.reason}"
    if event.stage not in rules.stages:
        return f"drift in {event.stage} starts no training: releases/retraining.yml lists {', '.join(rules.stages)}"
    if now - cause.time > timedelta(days=rules.max_cause_age_days):
        days = rules.max_cause_age_days
        return f"the drift was found at {cause.time.strftime(_TIME)}, more than {days} days ago (max_cause_age_days)"
    return None


def rate_limit_reason(records: Sequence[Record], rules: RetrainingRules, now: datetime) -> str | None:
    """Why the rate limit forbids another training now, by those in the log; None if it does not."""
    times = sorted(each.time for each in records if is_begun(each.event))
    rested = times[-1] + timedelta(hours=rules.cool_down_hours) if times else now
    if rested > now:
        began = times[-1].strftime(_TIME)
        return f"the last retraining began at {began}; the next may begin at {rested.strftime(_TIME)} (cool_down_hours)"
    lately = [time for time in times if now - time < _WEEK]
    if len(lately) < rules.max_runs_per_week:
        return None
    if not lately:
        return "releases/retraining.yml allows none (max_runs_per_week)"
    free = lately[-rules.max_runs_per_week] + _WEEK if rules.max_runs_per_week else now + _WEEK
    return f"{len(lately)} began within seven days; the next may begin at {free.strftime(_TIME)} (max_runs_per_week)"


_ASKED = "retrain"


def retraining_reason(records: Sequence[Record], job: str) -> tuple[str, ...]:
    """The reason of the retraining whose job this is, from the training stage's log; empty for any other job."""
    begun = next((each for each in records if is_begun(each.event) and each.event.evidence.get(JOB) == job), None)
    if begun is None:
        return ()
    event, facts = begun.event, begun.event.evidence
    asked = [name.strip() for name in facts.get(_ASKED, "").split(",") if name.strip()]
    values = ", ".join(f"{name} {_short(facts[name])}" for name in asked if name in facts)
    return (
        event.reason,
        f"Window {facts.get('since', '?')} to {facts.get('until', '?')}, {facts.get('rows', '?')} rows; broken rules "
        f"that newer data can fix: {values or 'none'}; features that drifted: {facts.get('drifted', 'none')}.",
        *([f"Trained on {facts[DATA_DESCRIPTION]}."] if DATA_DESCRIPTION in facts else []),
        f"Found in record {facts[CAUSE_RECORD]} of the audit log; training began with record "
        f"{event.stage}/{begun.number}, job {job}.",
    )


def _short(value: str) -> str:
    try:
        return f"{float(value):.4g}"
    except ValueError:
        return value
