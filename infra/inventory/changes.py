"""`uv run --directory infra python -m inventory.changes --since REV`: what the stacks would make that they did not.

Both revisions' programs are rehearsed, each from its own files: no engine, no Azure, no login. What Azure has by now,
only `pulumi preview` knows.
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

HERE = Path(__file__).resolve().parent
FOLDER = HERE.parent
SECONDS = 120


class ChangesError(Exception):
    """One of the two programs could not be rehearsed."""


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
        """Whether anything would be made, changed or deleted, or nobody knows."""
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


def snapshot(program: Path | None) -> dict[str, Any]:
    """What the program in a folder would make, told by this revision's questions; nothing where there is none."""
    if program is None:
        return {}
    done = subprocess.run(
        [sys.executable, str(HERE / "snapshot.py")],
        cwd=program,
        env=os.environ | {"PYTHONPATH": str(program), "PYTHONSAFEPATH": "1"},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    if done.returncode != 0:
        raise ChangesError(f"the program in {program} cannot be rehearsed:\n{done.stderr.strip()[-2000:]}")
    return json.loads(done.stdout)


def main() -> int:
    """Print the changes as one JSON object; 2 when one of the programs cannot be rehearsed."""
    parser = argparse.ArgumentParser(prog="inventory.changes", description="What the stacks would make anew.")
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


def _program_at(revision: str, folder: Path) -> Path | None:
    """The program's files at a revision, in a folder; None when it was not there yet."""
    prefix = _git("rev-parse", "--show-prefix").decode().strip()
    commit = _git("rev-parse", "--verify", "--end-of-options", f"{revision}^{{commit}}").decode().strip()
    if not _git("ls-tree", "--name-only", "--full-tree", commit, prefix):
        return None
    # From the top: inside of a folder, git looks for that folder within what is archived.
    top = Path(_git("rev-parse", "--show-toplevel").decode().strip())
    archive = _git("archive", "--format=tar", f"{commit}:{prefix}", folder=top)
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        files.extractall(folder, filter="data")
    return folder


def _git(*words: str, folder: Path = FOLDER) -> bytes:
    done = subprocess.run(["git", "-C", str(folder), *words], capture_output=True, timeout=SECONDS, check=False)
    if done.returncode != 0:
        raise ChangesError(f"git {words[0]}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
