"""How a repository must be protected, as releases/protection.yml says for each git host, and findings about it.

The host's own folder defines its section of the file, and how its settings are compared with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Annotated, Final, Literal, TypeVar

from pydantic import Field

from mlops.core.documents import Part
from mlops.core.errors import ProjectError
from mlops.settings.releases import RELEASE_FOLDER

EXPECTATIONS_FILE: Final = RELEASE_FOLDER / "protection.yml"

Names = Annotated[tuple[str, ...], Field(min_length=1, strict=False)]
Approvals = Annotated[int, Field(ge=1, le=10)]


class Section(Part):
    """The expectations of a repository on one host, or a part of them."""

    def reviewed(self) -> tuple[str, ...]:
        """The paths whose changes people must review, if this section lists them; else another file does."""
        return ()


class EnvironmentProtection(Section):
    """An environment or a service connection: whether people must approve, and whether any branch may use it."""

    reviewers: bool = False
    any_branch: bool = False


SectionOf = TypeVar("SectionOf", bound=Section)


@dataclass(frozen=True)
class Expectations:
    """The file: the branch that is deployed from, and the sections by the key of their host."""

    branch: str
    sections: Mapping[str, Section]

    def section(self, key: str, kind: type[SectionOf]) -> SectionOf:
        """The section of a host. Raises ProjectError if the file has none."""
        found = self.sections.get(key)
        if not isinstance(found, kind):
            raise ProjectError(
                f"{EXPECTATIONS_FILE.as_posix()} has no section `{key}`",
                "Restore it from git, or from the template's file.",
            )
        return found


Outcome = Literal["kept", "missing", "unreadable", "unavailable"]


@dataclass(frozen=True)
class Finding:
    """One setting: what it is, what is required, and how to set it if it differs.

    `unavailable` settings are not included in the host's plan: reported, but not a failure.
    """

    setting: str
    found: str
    needed: str
    outcome: Outcome
    how: str = ""

    @property
    def fails(self) -> bool:
        """Whether something has to be set: an unreadable setting counts as not met."""
        return self.outcome in {"missing", "unreadable"}


def unowned(patterns: Sequence[tuple[str, bool]], places: Sequence[PurePosixPath]) -> tuple[PurePosixPath, ...]:
    """Those of the files and folders that somebody may change without a review; pure.

    `patterns` are those of CODEOWNERS or of path filters, with whether the line names anybody: the last one that fits
    counts, and one that takes a part of a folder away leaves the folder unowned.
    """
    return tuple(place for place in places if not _is_owned(patterns, place))


def _is_owned(patterns: Sequence[tuple[str, bool]], place: PurePosixPath) -> bool:
    owned = False
    for pattern, has_owners in patterns:
        path = PurePosixPath(pattern.strip("/").removesuffix("*").rstrip("/*"))
        if place.is_relative_to(path):
            owned = has_owners
        elif path.is_relative_to(place) and not has_owners:
            owned = False
    return owned


def judge(setting: str, *, kept: bool, found: str, needed: str, how: str) -> Finding:
    """A setting that is as required, or is missing."""
    return Finding(setting, found, needed, "kept", "") if kept else Finding(setting, found, needed, "missing", how)


def unreadable(setting: str, reason: str, needed: str, how: str) -> Finding:
    """A setting that this login may not read."""
    return Finding(setting, reason, needed, "unreadable", how)
