"""How a repository must be protected, as releases/protection.yml says for each git host, and one finding about it.

What a section of the file holds, and how the host's settings compare with it, is said in the host's own folder.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Final, Literal, TypeVar

from pydantic import Field

from mlops.core.documents import Part
from mlops.core.errors import ProjectError
from mlops.settings.releases import RELEASE_FOLDER

EXPECTATIONS_FILE: Final = RELEASE_FOLDER / "protection.yml"

Names = Annotated[tuple[str, ...], Field(min_length=1, strict=False)]
Approvals = Annotated[int, Field(ge=1, le=10)]


class Section(Part):
    """What is expected of a repository on one host, or a part of it."""


class EnvironmentProtection(Section):
    """An environment or a service connection: whether people must agree first, and whether any branch may use it."""

    reviewers: bool = False
    any_branch: bool = False


SectionOf = TypeVar("SectionOf", bound=Section)


@dataclass(frozen=True)
class Expectations:
    """What the file says: the branch that is deployed from, and the sections by the key of their host."""

    branch: str
    sections: Mapping[str, Section]

    def section(self, key: str, kind: type[SectionOf]) -> SectionOf:
        """The section of a host. Raises ProjectError when the file has none."""
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
    """One setting: what it is, what is needed, and how to set it where it is not as needed.

    `unavailable` is what the host's plan does not include: reported, and no failure.
    """

    setting: str
    found: str
    needed: str
    outcome: Outcome
    how: str = ""

    @property
    def fails(self) -> bool:
        """Whether something has to be done: what cannot be read does not count as kept."""
        return self.outcome in {"missing", "unreadable"}


def judge(setting: str, *, kept: bool, found: str, needed: str, how: str) -> Finding:
    """A setting that is as needed, or missing."""
    return Finding(setting, found, needed, "kept", "") if kept else Finding(setting, found, needed, "missing", how)


def unreadable(setting: str, reason: str, needed: str, how: str) -> Finding:
    """A setting that may not be read with this login."""
    return Finding(setting, reason, needed, "unreadable", how)
