"""Whether a rollout that waited, for an approval or for another rollout, is still the default branch's release.

A run that began with an older commit would otherwise undo a newer release.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from mlops.core.git import Repository
from mlops.core.results import Block, Line, Result
from mlops.promotion.branch import find_base
from mlops.settings.project import Project
from mlops.settings.releases import manifest_path
from mlops.settings.stages import StageName

_HERE: Final = "HEAD"


@dataclass(frozen=True)
class Superseded(Result):
    """Nothing was rolled out: the default branch has a newer release."""

    stage: StageName
    here: str
    newest: str

    def document(self) -> dict[str, Any]:
        """Both commits."""
        return {"stage": self.stage, "superseded": True, "commit": self.here, "newest": self.newest}

    def blocks(self) -> Sequence[Block]:
        """One sentence."""
        path = manifest_path(self.stage)
        return [
            Line(f"nothing is rolled out: {path} of {self.here} was superseded by {self.newest}, which has its run")
        ]


def superseded(project: Project, stage: StageName) -> Superseded | None:
    """What superseded this checkout's manifest of the stage; None if nothing did.

    Raises InputError outside of a git repository, MachineError if the remote does not answer.
    """
    repository = Repository(project.root)
    newest = find_base(repository).commit
    here = repository.head()
    if newest == here or repository.merge_base(here, newest) != here:
        return None
    path = manifest_path(stage)
    if repository.read(_HERE, path) == repository.read(newest, path):
        return None
    return Superseded(stage, here, newest)
