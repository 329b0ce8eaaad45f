"""What to do in git when what runs is not what git says: reads the history of a release, changes nothing."""

from __future__ import annotations

from mlops.git import Repository
from mlops.project import Project, StageName
from mlops.releases.manifest import manifest_file, read_manifest

_SHORT: int = 12


def revert_advice(project: Project, stage: StageName, version: str) -> str:
    """How to make git agree again, for a stage that does not run `version`; "" where git never said it should."""
    file = manifest_file(project.root, stage)
    release = read_manifest(file, stage).release
    if release is None or release.model.version != version:
        return ""
    path = file.relative_to(project.root).as_posix()
    commit = Repository(project.root).last_change(path)
    revert = f"`git revert {commit[:_SHORT]}` (a pull request)" if commit else f"an earlier {path}"
    return f"git and live disagree: {path} still says version {version}. Make them agree: {revert}."
