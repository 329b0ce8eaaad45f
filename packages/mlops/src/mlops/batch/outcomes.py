"""What the scoring of files says of each file: its list of outcomes, read and checked."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from mlops.core.errors import JobFailed

OUTCOMES_FILE: Final = "outcomes.jsonl"
SCORED: Final = "scored"
SET_ASIDE: Final = "set aside"
IGNORED: Final = "ignored"


class Outcome(BaseModel):
    """How one file went; `details` are the first findings of at least `total` wrong values."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: str
    status: Literal["scored", "set aside", "ignored"]
    rows: int = 0
    output: str | None = None
    reason: str | None = None
    details: list[dict[str, Any]] = []
    total: int = 0


def read_outcomes(file: Path) -> tuple[Outcome, ...]:
    """Read a list of outcomes, a JSON object a line. Raises JobFailed when it is none."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
        return tuple(Outcome.model_validate_json(line) for line in lines if line.strip())
    except (OSError, ValidationError) as error:
        raise JobFailed(
            f"{file.name} of the job cannot be read: {str(error).splitlines()[0]}",
            "The step that scores must be the one of this commit: `mlops deploy --batch` and score again.",
        ) from error
