"""releases/provenance.yml as frozen objects: what each stage asks of where its models come from."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BeforeValidator, Field

from mlops.core.documents import Part, YamlFile, parse_checked, read_checked
from mlops.settings.releases import RELEASE_FOLDER, change_values
from mlops.settings.stages import ByStage, StageOrder, stage_context

POLICY_FILE: Final = RELEASE_FOLDER / "provenance.yml"
_ORIGIN: Final = "{origin}"
_ANYTHING: Final = "*"


def _renamed(value: object) -> object:
    if value == "github":
        raise ValueError("is now `required`: the git host of the remote has to hold the attestation")
    return value


class Demands(Part):
    """What one stage asks."""

    statement: Literal["required", "optional"]
    builders: Annotated[tuple[str, ...], Field(min_length=1, strict=False)]
    commit: Literal["merged", "known", "any"]
    attestation: Annotated[Literal["required", "none"], BeforeValidator(_renamed)]


class Policy(YamlFile):
    """What the file says."""

    stages: ByStage[Demands]


def read_policy(root: Path, order: StageOrder) -> Policy:
    """Read the policy of a project. Raises ProjectError: without a policy nothing is let through."""
    return read_checked(root / POLICY_FILE, Policy, stage_context(order)).value


def with_builder(text: str, builder: str, order: StageOrder) -> bytes:
    """A policy's text in which every stage accepts one more builder; comments and layout stay."""
    policy = parse_checked(text, POLICY_FILE, Policy, stage_context(order)).value
    stages = {stage: {"builders": [*policy.stages[stage].builders, builder]} for stage in order}
    return change_values(text, {"stages": stages}).encode()


def allows(builders: tuple[str, ...], builder: str, origin: str | None) -> bool:
    """Whether a builder is one of those named; without a git host a pattern with {origin} matches nothing."""
    for pattern in builders:
        if _ORIGIN in pattern and origin is None:
            continue
        named = pattern.replace(_ORIGIN, origin or "")
        expression = ".*".join(re.escape(part) for part in named.split(_ANYTHING))
        if re.fullmatch(expression, builder):
            return True
    return False
