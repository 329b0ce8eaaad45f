"""Whether the files that exist per stage, and the CI files that list stages, follow from the list in project.yml."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mlops.checks.yaml.document import Problem
from mlops.core.layout import INFRASTRUCTURE_FOLDER, PROJECT_FILE
from mlops.settings.project import Project, load_project
from mlops.settings.releases import RELEASE_FOLDER, manifest_path
from mlops.settings.stages import RESERVED_NAMES
from mlops.stages.edits import find_blocks, written_files

_FIRST_LINE = 1


def check_stages(project: Project) -> Iterator[Problem]:
    """Every file that a stage lacks, that belongs to no stage, or that lists other stages than project.yml."""
    yield from _missing_files(project)
    yield from _left_behind(project)
    for block in find_blocks(project.root, project.order):
        if block.written is None:
            message = f"`# begin stages: {block.kind}` is an unknown block, or has no `# end stages`"
            yield Problem(str(block.file), block.line, message, "restore the lines from git")
        elif not block.is_current:
            message = f"the block `{block.kind}` lists other stages than project.yml, which has {project.order}"
            yield Problem(str(block.file), block.line, message, "run: mlops check --fix")


def fix_stages(root: Path) -> Iterator[str]:
    """Write what CI files say of stages, and say which files were written."""
    if not (root / PROJECT_FILE).is_file():
        return
    for file, (_, text) in written_files(root, load_project(root).order).items():
        (root / file).write_text(text, encoding="utf-8")
        yield f"{file}: lists the stages of project.yml"


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


def _left_behind(project: Project) -> Iterator[Problem]:
    for file in sorted((project.root / RELEASE_FOLDER).glob("*.yml")):
        if file.stem not in project.order.names and file.stem not in RESERVED_NAMES:
            yield Problem(
                (RELEASE_FOLDER / file.name).as_posix(),
                _FIRST_LINE,
                f"is the manifest of no stage: project.yml lists {project.order}",
                f"delete it, or add the stage: mlops stages add {file.stem} --after STAGE",
            )
