"""Reads releases/protection.yml: one section per git host, and in it one entry per stage."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from pydantic import create_model

from mlops.core.documents import YamlFile, read_checked
from mlops.githost.hosts import HOSTS
from mlops.githost.protection import EXPECTATIONS_FILE, EnvironmentProtection, Expectations
from mlops.settings.stages import StageOrder

# A stage's infrastructure is deployed with its own login, named after the stage with this prefix.
INFRASTRUCTURE_PREFIX: Final = "infra-"


class _ProtectionFile(YamlFile):
    branch: str


def stage_lists() -> tuple[tuple[str, str], ...]:
    """Section and key of every list in the file that has entries per stage."""
    return tuple(
        (host.key, name)
        for host in HOSTS
        for name, field in host.expectations().model_fields.items()
        if field.annotation == dict[str, EnvironmentProtection]
    )


def read_expectations(root: Path, order: StageOrder) -> Expectations:
    """Read the expectations of a project. Raises ProjectError, also for a list that lacks a stage."""
    # A project needs only the section of its own git host.
    sections: dict[str, Any] = {host.key: (host.expectations() | None, None) for host in HOSTS}
    kind = create_model("ProtectionFile", __base__=_ProtectionFile, **sections)
    checked = read_checked(root / EXPECTATIONS_FILE, kind)
    found = {host.key: section for host in HOSTS if (section := getattr(checked.value, host.key)) is not None}
    names = [name for stage in order for name in (stage, f"{INFRASTRUCTURE_PREFIX}{stage}")]
    checked.refuse(
        [
            ((key, name), f"lacks {each}, of a stage in project.yml; add `{each}:` (`mlops stages add` does)")
            for key, name in stage_lists()
            if key in found
            for each in names
            if each not in getattr(found[key], name)
        ]
    )
    return Expectations(checked.value.branch, found)
