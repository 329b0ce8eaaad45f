"""`uv run --directory infra python -m inventory.changes --since REV`: what the stacks would declare differently.

The programs of both revisions are run, each with its own files: no engine, no Azure, no login. `pulumi preview`
compares with what is deployed.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from dry_run.stack_files import FOLDER
from settings.project import PROJECT_FILE, PROTECTION_FILE

SNAPSHOT = Path("inventory") / "snapshot.py"
SECONDS = 120


class ChangesError(Exception):
    """One of the two programs could not be run."""


@dataclass(frozen=True)
class StackChange:
    """How a stack differs: resources and rights by name, and the changed keys of each changed resource."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: dict[str, list[str]] = field(default_factory=dict)
    rights_added: tuple[str, ...] = ()
    rights_removed: tuple[str, ...] = ()
    problem: str = ""

    @property
    def differs(self) -> bool:
        """Whether anything would be created, changed or deleted, or that cannot be known."""
        return bool(self.added or self.removed or self.changed or self.problem)


def compare(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> StackChange:
    """How one stack's snapshot differs from another; None where there is no such stack."""
    old, new = before or {}, after or {}
    if "problem" in new:
        return StackChange(problem=new["problem"])
    was, is_ = old.get("resources", {}), new.get("resources", {})
    rights_before, rights_after = set(old.get("rights", ())), set(new.get("rights", ()))
    return StackChange(
        added=tuple(sorted(is_.keys() - was.keys())),
        removed=tuple(sorted(was.keys() - is_.keys())),
        changed={name: keys for name in sorted(is_.keys() & was.keys()) if (keys := _keys(was[name], is_[name]))},
        rights_added=tuple(sorted(rights_after - rights_before)),
        rights_removed=tuple(sorted(rights_before - rights_after)),
    )


def changes_since(revision: str) -> dict[str, StackChange]:
    """Every stack of either revision. Raises ChangesError."""
    with tempfile.TemporaryDirectory() as folder:
        before = snapshot(_program_at(revision, Path(folder)))
    after = snapshot(FOLDER)
    return {stack: compare(before.get(stack), after.get(stack)) for stack in sorted(before.keys() | after.keys())}


def snapshot(program: Path) -> dict[str, Any]:
    """What the program in a folder declares, by its own account; nothing where there is no program."""
    if not (program / SNAPSHOT).is_file():
        return {}
    done = subprocess.run(
        [sys.executable, str(program / SNAPSHOT)],
        cwd=program,
        env=os.environ | {"PYTHONPATH": str(program), "PYTHONSAFEPATH": "1"},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    if done.returncode != 0:
        raise ChangesError(f"the program in {program} cannot be run:\n{done.stderr.strip()[-2000:]}")
    return json.loads(done.stdout)


def main() -> int:
    """Print the changes as one JSON object; 2 when one of the programs cannot be run."""
    parser = argparse.ArgumentParser(
        prog="inventory.changes", description="Show what the stacks would declare differently."
    )
    parser.add_argument("--since", required=True, help="the revision to compare the working folder with")
    given = parser.parse_args()
    try:
        found = changes_since(given.since)
    except ChangesError as error:
        print(error, file=sys.stderr)
        return 2
    print(json.dumps({stack: asdict(change) | {"differs": change.differs} for stack, change in found.items()}))
    return 0


def _keys(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    return sorted(key for key in before.keys() | after.keys() if before.get(key) != after.get(key))


def _program_at(revision: str, folder: Path) -> Path:
    """The program at a revision, with the files around it that it reads, in a folder; returns the program's own."""
    commit = _git("rev-parse", "--verify", "--end-of-options", f"{revision}^{{commit}}").decode().strip()
    # From the top: inside a folder, git archives relative to that folder.
    top = Path(_git("rev-parse", "--show-toplevel").decode().strip())
    ours = FOLDER.relative_to(top)
    wanted = [str(path) for path in (ours, *(ours.parent / name for name in (PROJECT_FILE, PROTECTION_FILE)))]
    there = _git("ls-tree", "-z", "--name-only", commit, *wanted, folder=top).decode().split("\0")
    archive = _git("archive", "--format=tar", commit, *(path for path in there if path), folder=top)
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        files.extractall(folder, filter="data")
    return folder / ours


def _git(*words: str, folder: Path = FOLDER) -> bytes:
    done = subprocess.run(["git", "-C", str(folder), *words], capture_output=True, timeout=SECONDS, check=False)
    if done.returncode != 0:
        raise ChangesError(f"git {words[0]}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
