"""Who trained a model: a CI job or a workstation, and the tags of a model version that remember it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

WORKSTATION: Final = "urn:mlops:builder:workstation"
UNKNOWN: Final = "urn:mlops:builder:unknown"
# The tags of a registered model version.
BUILDER_TAG: Final = "builder"
RUN_TAG: Final = "builder_run"
SOURCE_TAG: Final = "source"


@dataclass(frozen=True)
class Builder:
    """A builder by the address of its definition and branch, the address of the run, and that of the source."""

    id: str
    run: str = ""
    source: str = ""

    def tags(self) -> dict[str, str]:
        """The builder as tags of a model version."""
        return {BUILDER_TAG: self.id, RUN_TAG: self.run, SOURCE_TAG: self.source}


def builder_of(tags: Mapping[str, str] | None) -> Builder:
    """The builder that a model version's tags name; UNKNOWN for a version without them."""
    found = tags or {}
    return Builder(found.get(BUILDER_TAG) or UNKNOWN, found.get(RUN_TAG, ""), found.get(SOURCE_TAG, ""))
