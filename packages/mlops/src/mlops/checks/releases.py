"""The files of releases/, read as whoever uses them reads them: what is wrong there shows here, not in a promotion."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from mlops.checks.problem import Problem
from mlops.errors import ProjectError
from mlops.gates.rules import GATES_FILE, read_gates
from mlops.monitoring.rules import MONITOR_FILE, read_monitor_rules
from mlops.project import STAGE_NAMES
from mlops.project_schema import read_project_schema
from mlops.protection.expectations import read_expectations
from mlops.provenance.policy import read_policy
from mlops.releases.manifest import RELEASE_FOLDER, manifest_path, read_manifest
from mlops.retire.rules import RETIREMENT_FILE, deadlines_in
from mlops.retraining.rules import RETRAINING_FILE, read_retraining_rules

_READERS: Final[tuple[Callable[[Path], Any], ...]] = (
    lambda root: read_gates(root / GATES_FILE, read_project_schema(root)),
    lambda root: read_monitor_rules(root / MONITOR_FILE, read_project_schema(root)),
    lambda root: read_retraining_rules(root / RETRAINING_FILE),
    lambda root: [deadlines_in(root / RETIREMENT_FILE, stage) for stage in STAGE_NAMES],
    read_policy,
    read_expectations,
)


def check_releases(root: Path) -> Iterator[Problem]:
    """Every problem of a manifest, or of a file of rules; a project without the folder releases nothing."""
    if not (root / RELEASE_FOLDER).is_dir():
        return
    for stage in STAGE_NAMES:
        yield from _problems(root, lambda root, stage=stage: read_manifest(root / manifest_path(stage), stage))
    for reader in _READERS:
        yield from _problems(root, reader)


def _problems(root: Path, reader: Callable[[Path], Any]) -> Iterator[Problem]:
    try:
        reader(root)
    except ProjectError as error:
        if not error.places:
            yield Problem(RELEASE_FOLDER.as_posix(), 1, error.message, error.advice)
        for place in error.places:
            file = place.file.relative_to(root) if place.file.is_absolute() else place.file
            yield Problem(file.as_posix(), place.line, place.message, error.advice)
