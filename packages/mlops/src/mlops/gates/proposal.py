"""What is proposed for a stage: a challenger, the champion it would replace, and rows to judge them on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mlops.gates.rows import Rows
from mlops.settings.releases import Release
from mlops.settings.stages import StageName


@dataclass(frozen=True)
class Candidate:
    """A model package on this machine, the release that promises it, and what is wrong with its provenance."""

    folder: Path
    release: Release
    provenance_warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Proposal:
    """What is proposed: a challenger for a stage, in place of the champion that it runs (None: nothing yet).

    `held_out` rows have features and target and trained neither model; `recent` are the stage's last inputs, with
    notes on what is wrong with some of them; `recent_problem` says why they could not be read, "" when they could.
    `retraining_reason` says why the challenger was trained, where it was drift.
    """

    stage: StageName
    challenger: Candidate
    champion: Candidate | None
    held_out: Rows
    recent: Rows | None = None
    recent_notes: tuple[str, ...] = ()
    recent_problem: str = ""
    retraining_reason: tuple[str, ...] = ()
