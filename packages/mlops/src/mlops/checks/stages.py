"""Whether the files per stage, releases/ among them, and the CI files that list stages match project.yml, and the
sample request schema.yml.

The files of releases/ are read by the code that uses them: what is wrong shows here, not in a promotion.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from mlops.checks.protection import read_expectations
from mlops.checks.yaml.document import Problem
from mlops.core.errors import ProjectError
from mlops.core.layout import INFRASTRUCTURE_FOLDER, PROJECT_FILE, SAMPLE_REQUEST, SCHEMA_FILE, TUNING_PIPELINE_FILE
from mlops.settings.gates import GATES_FILE, read_gates
from mlops.settings.monitoring import MONITOR_FILE, read_monitor_rules
from mlops.settings.policies import (
    RETRAINING_FILE,
    read_deadlines,
    read_policy,
    read_retraining_rules,
    read_search_space,
)
from mlops.settings.project import Project, load_project, read_project_schema
from mlops.settings.releases import RELEASE_FOLDER, manifest_path
from mlops.settings.stages import RESERVED_NAMES
from mlops.stages.edits import find_blocks, written_files
from mlops.stages.release_history import read_judged_manifest
from model_package.errors import InvalidRows

_FIRST_LINE = 1


def check_stages(project: Project) -> Iterator[Problem]:
    """Every file that a stage lacks, that belongs to no stage, or whose stages differ from project.yml."""
    yield from _missing_files(project)
    yield from _orphaned_manifests(project)
    for block in find_blocks(project.root, project.order):
        if block.written is None:
            message = f"`# begin stages: {block.kind}` is an unknown block, or has no `# end stages`"
            yield Problem(str(block.file), block.line, message, "restore the lines from git")
        elif not block.is_current:
            message = f"the block `{block.kind}` does not match the stages in project.yml: {project.order}"
            yield Problem(str(block.file), block.line, message, "run: mlops check --fix")


def check_apart(project: Project, other: Project, name: str) -> Iterator[str]:
    """What a model has in common with another one of the repository and must not have."""
    mine, theirs = project.settings, other.settings
    for key in ("name", "model", "data"):
        if getattr(mine, key) == getattr(theirs, key):
            yield f"`{key}` is {getattr(mine, key)!r}, as in {name}"
    if mine.order.names != theirs.order.names:
        yield f"the stages are {mine.order}, and in {name} they are {theirs.order}"
    taken = {each for stage in theirs.stages for each in (stage.endpoint, stage.batch_endpoint) if each}
    for stage in mine.stages:
        for endpoint in (each for each in (stage.endpoint, stage.batch_endpoint) if each in taken):
            yield f"the endpoint {endpoint} of {stage.name} is that of {name}"


def check_sample_request(project: Project) -> Iterator[Problem]:
    """What the endpoint would refuse of the sample request; nothing where there is none."""
    file = project.root / SAMPLE_REQUEST
    if not file.is_file():
        return
    # Imported here: numpy would slow down every command.
    from model_package.rows.requests import read_request
    from model_package.rows.rules import RowRules

    try:
        read_request(file.read_bytes(), RowRules(read_project_schema(project.root)))
    except InvalidRows as error:
        advice = "correct the row, or schema.yml where callers do send such rows"
        for found in error.findings:
            where = f"row {found.row}, " if found.row is not None else ""
            message = f"the endpoint would refuse it: {where}{found.field or 'the request'} {found.reason}"
            yield Problem(SAMPLE_REQUEST.as_posix(), _FIRST_LINE, message, advice)
        if not error.findings:
            yield Problem(SAMPLE_REQUEST.as_posix(), _FIRST_LINE, str(error), advice)
    except ProjectError as error:
        yield Problem(SCHEMA_FILE, _FIRST_LINE, error.message, error.advice)


def fix_stages(root: Path) -> Iterator[str]:
    """Write the stage blocks of CI files, and return which files were written."""
    if not (root / PROJECT_FILE).is_file():
        return
    for file, (_, text) in written_files(root, load_project(root).order).items():
        (root / file).write_text(text, encoding="utf-8")
        yield f"{file}: stages taken from project.yml"


def _missing_files(project: Project) -> Iterator[Problem]:
    wanted = []
    if (project.root / RELEASE_FOLDER).is_dir():
        wanted += [(stage, Path(manifest_path(stage))) for stage in project.order]
    if (project.root / INFRASTRUCTURE_FOLDER).is_dir():
        wanted += [(stage, INFRASTRUCTURE_FOLDER / f"Pulumi.{stage}.yaml") for stage in project.order]
    for stage, file in wanted:
        if not (project.root / file).is_file():
            yield Problem(
                file.as_posix(),
                _FIRST_LINE,
                f"is missing, and project.yml lists the stage {stage}",
                f"restore it from git; for a new stage run: mlops stages add {stage} --after "
                f"{project.order.source_of(stage)}",
            )


def _orphaned_manifests(project: Project) -> Iterator[Problem]:
    for file in sorted((project.root / RELEASE_FOLDER).glob("*.yml")):
        if file.stem not in project.order.names and file.stem not in RESERVED_NAMES:
            yield Problem(
                (RELEASE_FOLDER / file.name).as_posix(),
                _FIRST_LINE,
                f"is the manifest of an unknown stage: project.yml lists {project.order}",
                f"delete it, or add the stage: mlops stages add {file.stem} --after STAGE",
            )


_READERS: Final[tuple[Callable[[Project], Any], ...]] = (
    lambda project: read_gates(project.path(GATES_FILE), project.order, read_project_schema(project.root)),
    read_deadlines,
    lambda project: read_policy(project.root, project.order),
    lambda project: read_expectations(project.root, project.order),
    lambda project: read_search_space(project.root) if project.path(TUNING_PIPELINE_FILE).is_file() else None,
)
_OF_MONITORING: Final[tuple[Callable[[Project], Any], ...]] = (
    lambda project: read_monitor_rules(project.path(MONITOR_FILE), project.order, read_project_schema(project.root)),
    lambda project: read_retraining_rules(project.path(RETRAINING_FILE), project.order),
)


def check_releases(project: Project) -> Iterator[Problem]:
    """Every problem in a manifest or a rules file; nothing for a project without the folder."""
    root = project.root
    if not (root / RELEASE_FOLDER).is_dir():
        return
    for stage in project.order:
        if (root / manifest_path(stage)).is_file():
            yield from _problems(root, lambda stage=stage: read_judged_manifest(project, stage))
    is_monitored = any(stage.endpoint for stage in project.settings.stages)
    for reader in (*_READERS, *(_OF_MONITORING if is_monitored else ())):
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
