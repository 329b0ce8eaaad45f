"""The files of releases/, read by the code that uses them: what is wrong there shows here, not in a promotion."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from mlops.checks.yaml.document import Problem
from mlops.core.errors import ProjectError
from mlops.githost.protection_file import read_expectations
from mlops.settings.gates import GATES_FILE, read_gates
from mlops.settings.monitoring import MONITOR_FILE, read_monitor_rules
from mlops.settings.project import Project, read_project_schema
from mlops.settings.provenance import read_policy
from mlops.settings.releases import RELEASE_FOLDER, manifest_path
from mlops.settings.retirement import read_deadlines
from mlops.settings.retraining import RETRAINING_FILE, read_retraining_rules
from mlops.stages.release_history import read_judged_manifest

_READERS: Final[tuple[Callable[[Project], Any], ...]] = (
    lambda project: read_gates(project.path(GATES_FILE), project.order, read_project_schema(project.root)),
    lambda project: read_monitor_rules(project.path(MONITOR_FILE), project.order, read_project_schema(project.root)),
    lambda project: read_retraining_rules(project.path(RETRAINING_FILE), project.order),
    read_deadlines,
    lambda project: read_policy(project.root, project.order),
    lambda project: read_expectations(project.root, project.order),
)


def check_releases(project: Project) -> Iterator[Problem]:
    """Every problem of a manifest, or of a file of rules; a project without the folder releases nothing."""
    root = project.root
    if not (root / RELEASE_FOLDER).is_dir():
        return
    for stage in project.order:
        if (root / manifest_path(stage)).is_file():
            yield from _problems(root, lambda stage=stage: read_judged_manifest(project, stage))
    for reader in _READERS:
        yield from _problems(root, lambda reader=reader: reader(project))


def _problems(root: Path, reader: Callable[[], Any]) -> Iterator[Problem]:
    try:
        reader()
    except ProjectError as error:
        if not error.locations:
            yield Problem(RELEASE_FOLDER.as_posix(), 1, error.message, error.advice)
        for location in error.locations:
            file = location.file.relative_to(root) if location.file.is_absolute() else location.file
            yield Problem(file.as_posix(), location.line, location.message, error.advice)
