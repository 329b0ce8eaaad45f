"""What `mlops explain` answers: for each row the probability, and what each feature added to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from mlops.core.results import Block, Line, Result, Table

_FEATURES_SHOWN: Final = 10
_BAR_CHARACTERS: Final = 20
_COLUMNS: Final = ("feature", "value", "adds", "±", "")


@dataclass(frozen=True)
class FeatureContribution:
    """What one feature's value added to the probability, and the standard error of that."""

    feature: str
    value: float
    contribution: float
    standard_error: float


@dataclass(frozen=True)
class ExplainedRow:
    """One row; the contributions, largest first, add up to `probability` minus the base."""

    row: int
    probability: float
    decision: int
    contributions: tuple[FeatureContribution, ...]


@dataclass(frozen=True)
class ExplainResult(Result):
    """Rows of a request, explained by the package with this digest against `background` typical rows."""

    model: str
    digest: str
    threshold: float
    base: float
    background: int
    rows: tuple[ExplainedRow, ...]

    def document(self) -> dict[str, Any]:
        """Everything."""
        return asdict(self)

    def blocks(self) -> Sequence[Block]:
        """A table for each row, what weighs most first."""
        blocks: list[Block] = [
            Line(f"{self.model} answers {self.base:.4f} on average to {self.background} rows drawn as training was")
        ]
        for row in self.rows:
            blocks += self._row(row)
        return blocks

    def _row(self, row: ExplainedRow) -> list[Block]:
        shown, rest = row.contributions[:_FEATURES_SHOWN], row.contributions[_FEATURES_SHOWN:]
        largest = max((abs(each.contribution) for each in shown), default=0.0) or 1.0
        lines = [
            (
                each.feature,
                f"{each.value:g}",
                f"{each.contribution:+.4f}",
                f"{each.standard_error:.4f}",
                "█" * round(_BAR_CHARACTERS * abs(each.contribution) / largest),
            )
            for each in shown
        ]
        if rest:
            lines.append((f"{len(rest)} more features", "", f"{sum(each.contribution for each in rest):+.4f}", "", ""))
        title = (
            f"row {row.row}: probability {row.probability:.4f}, decision {row.decision} "
            f"(threshold {self.threshold:g}): {self.base:.4f} {row.probability - self.base:+.4f}"
        )
        return [Table(title, _COLUMNS, tuple(lines))]
