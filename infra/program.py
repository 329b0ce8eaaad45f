"""From settings to resources: which kind of stack declares what. Imports only what the stack needs."""

from __future__ import annotations

import pulumi

from settings.ci import CiSettings
from settings.reading import Settings
from settings.shared import SharedSettings
from settings.stage import StageSettings


def build(settings: Settings) -> dict[str, pulumi.Input[object]]:
    """Declare every resource of a stack; returns its outputs."""
    if isinstance(settings, StageSettings):
        from stage import build_stage

        return build_stage(settings)
    if isinstance(settings, SharedSettings):
        from shared import build_shared

        return build_shared(settings)
    if isinstance(settings, CiSettings):
        from ci import build_ci

        return build_ci(settings)
    from protection.repository import build_repository

    return build_repository(settings)
