"""Looks for known vulnerabilities in all that is locked: `uv run --group ci python .ci/supply/audit.py`.

The development tools are audited too: they run with CI's rights. Asks PyPI's advisories, so this is the one check here
that needs the network. Exits with 1 for a vulnerability, and for a package that could not be audited.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from locked import LOCKED_PROJECTS, Locked, NothingLocked, environment_requirements, project_requirements

ROOT: Final = Path(__file__).parents[2]
_TIMEOUT_SECONDS: Final = 900


def main() -> int:
    """Audit everything, even after a first finding."""
    parser = argparse.ArgumentParser(description="Looks for known vulnerabilities in all that is locked.")
    parser.add_argument("--root", type=Path, default=ROOT, help="the project's folder")
    parser.add_argument(
        "--ignore", action="append", default=[], metavar="ID", help="an advisory that was judged: PYSEC-…, GHSA-…"
    )
    given = parser.parse_args()
    try:
        everything = list(_everything(given.root))
    except NothingLocked as error:
        print(error, file=sys.stderr)
        return 1
    failed = [each.name for each in everything if not _is_clean(each, given.ignore)]
    print(f"{len(everything)} lists audited" + (f", not clean: {', '.join(failed)}" if failed else ", all clean"))
    return 1 if failed else 0


def _everything(root: Path) -> Iterator[Locked]:
    yield from (project_requirements(root, name) for name in LOCKED_PROJECTS)
    yield from environment_requirements(root)


def _is_clean(locked: Locked, ignored: list[str]) -> bool:
    print(f"{locked.name}: {len(locked.packages)} packages", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "requirements.txt"
        file.write_text(locked.text, encoding="utf-8")
        # --strict: without it a package that cannot be looked up is skipped, and that looks like a pass.
        command = ["pip-audit", "--strict", "--disable-pip", "--no-deps", "--progress-spinner=off", "-r", str(file)]
        command += [word for each in ignored for word in ("--ignore-vuln", each)]
        return subprocess.run(command, timeout=_TIMEOUT_SECONDS, check=False).returncode == 0


if __name__ == "__main__":
    sys.exit(main())
