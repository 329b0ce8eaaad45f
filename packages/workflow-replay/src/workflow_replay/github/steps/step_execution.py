"""What running a step left behind, whatever its kind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from workflow_replay.common.shell import Termination


@dataclass(frozen=True)
class StepExecution:
    """Results of a step; `script` and `exit_code` are those of a script, `uses` names a simulated action."""

    failed: bool = False
    termination: Termination = "exited"
    script: str | None = None
    uses: str | None = None
    exit_code: int | None = None
    outputs: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    paths: tuple[str, ...] = ()
    summary: str = ""
