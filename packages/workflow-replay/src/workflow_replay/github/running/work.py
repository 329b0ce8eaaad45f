"""What the work of one step left behind, whoever did it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from workflow_replay.shell import Ending


@dataclass(frozen=True)
class Work:
    """What a step left behind: for scripts also the text that ran and its exit code, for others their name."""

    failed: bool = False
    ending: Ending = "ended"
    script: str | None = None
    uses: str | None = None
    exit_code: int | None = None
    outputs: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    paths: tuple[str, ...] = ()
    summary: str = ""
