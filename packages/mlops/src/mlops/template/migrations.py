"""Migrations: what a version of the template changes in a fork's own files, which no merge can change.

`mlops upgrade` runs them by the new version, in an environment of its own, after its files are merged. A migration is
added with the version that needs it, and stays: a fork may skip versions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from packaging.version import Version


@dataclass(frozen=True)
class Migration:
    """One change that `version` needs.

    `apply` edits the files below the project's root and returns what it changed, a sentence per file. An interrupted
    upgrade runs it again: it must find its own work done. project.yml may still be that of the former version.
    """

    version: str
    apply: Callable[[Path], Sequence[str]]


# 1.0.0 is the first version: there is none to migrate from.
MIGRATIONS: Final[tuple[Migration, ...]] = ()


def migrate(root: Path, before: str, migrations: Sequence[Migration] = MIGRATIONS) -> list[str]:
    """Apply the migrations of every version after `before`, oldest first; return what they changed."""
    later = [each for each in migrations if Version(each.version) > Version(before)]
    return [
        f"{each.version}: {sentence}"
        for each in sorted(later, key=lambda each: Version(each.version))
        for sentence in each.apply(root)
    ]
