"""From evidence and rules to a verdict. Pure: no I/O. Only a pass promotes, and every rule is judged.

What a single rule is worth, mlops.judging says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from mlops.gates.evidence import Evidence
from mlops.gates.measures import CATALOGUE
from mlops.judging.measures import Unmeasurable, not_measured
from mlops.judging.rules import Rule
from mlops.judging.verdict import Comparison, Outcome
from mlops.judging.verdict import check as check_rule

_NO_CHAMPION: Final = "the stage runs no model yet"


@dataclass(frozen=True)
class Verdict:
    """Every rule's outcome; the release is promoted only when all of them pass."""

    outcomes: tuple[Outcome, ...]

    @property
    def promotes(self) -> bool:
        """Whether all pass; no rule at all does not."""
        return bool(self.outcomes) and all(outcome.passed for outcome in self.outcomes)

    @property
    def blocking(self) -> tuple[Outcome, ...]:
        """The outcomes that block."""
        return tuple(outcome for outcome in self.outcomes if not outcome.passed)


def judge(rules: Sequence[Rule], evidence: Evidence) -> Verdict:
    """Judge every rule; none ends the others."""
    return Verdict(tuple(check(rule, evidence) for rule in rules))


def check(rule: Rule, evidence: Evidence) -> Outcome:
    """Judge one rule."""
    absent = not_measured(Unmeasurable("it was not measured"))
    champion = Comparison("the champion", "the held-out rows", "kept", "" if evidence.has_champion else _NO_CHAMPION)
    return check_rule(rule, evidence.measures.get(rule.measure, absent), CATALOGUE.kind(rule.measure), champion)
