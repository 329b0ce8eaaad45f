"""Why a model was trained, for those who review its promotion: the drift report of its retraining. Pure, no I/O."""

from __future__ import annotations

from collections.abc import Sequence

from mlops.audit.record import Record
from mlops.retraining.permission import CAUSE_RECORD, JOB, MADE_OF, is_begun

_ASKED = "retrain"


def occasion_of(records: Sequence[Record], job: str) -> tuple[str, ...]:
    """What began the retraining whose job this is, by the training stage's log; empty for any other job."""
    begun = next((each for each in records if is_begun(each.event) and each.event.evidence.get(JOB) == job), None)
    if begun is None:
        return ()
    event, facts = begun.event, begun.event.evidence
    asked = [name.strip() for name in facts.get(_ASKED, "").split(",") if name.strip()]
    values = ", ".join(f"{name} {_short(facts[name])}" for name in asked if name in facts)
    return (
        event.reason,
        f"Window {facts.get('since', '?')} to {facts.get('until', '?')}, {facts.get('rows', '?')} rows; broken rules "
        f"that newer data can mend: {values or 'none'}; features that moved: {facts.get('moved', 'none')}.",
        *([f"Trained on {facts[MADE_OF]}."] if MADE_OF in facts else []),
        f"Found in record {facts[CAUSE_RECORD]} of the audit log; training began with record "
        f"{event.stage}/{begun.number}, job {job}.",
    )


def _short(value: str) -> str:
    try:
        return f"{float(value):.4g}"
    except ValueError:
        return value
