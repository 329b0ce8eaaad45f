"""Writes what the software consists of (SBOM, CycloneDX): `uv run --group ci python .ci/supply/sbom.py --out sbom`.

One file each for the project, the infrastructure, and every Azure ML environment. Asks no network. Exits with 1 when
something has nothing in it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Final

from locked import LOCKED_PROJECTS, Locked, NothingLocked, environment_requirements, project_bill

ROOT: Final = Path(__file__).parents[2]
_TIMEOUT_SECONDS: Final = 120


def main() -> int:
    """Write every bill of materials."""
    parser = argparse.ArgumentParser(description="Writes what the software consists of, as CycloneDX.")
    parser.add_argument("--out", type=Path, required=True, help="the folder to write to")
    parser.add_argument("--root", type=Path, default=ROOT, help="the project's folder")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    try:
        bills = {name: bill for name in LOCKED_PROJECTS if (bill := project_bill(given.root, name))}
        bills |= {each.name: _environment_bill(each) for each in environment_requirements(given.root)}
    except NothingLocked as error:
        print(error, file=sys.stderr)
        return 1
    for name, text in bills.items():
        count = len(json.loads(text).get("components", []))
        if not count:
            print(f"the bill of {name} is empty", file=sys.stderr)
            return 1
        file = given.out / f"{name}.cdx.json"
        file.write_text(text, encoding="utf-8")
        print(f"{file}: {count} components")
    return 0


def _environment_bill(locked: Locked) -> str:
    """Validated by the tool that writes it."""
    command = [sys.executable, "-m", "cyclonedx_py", "requirements", "--output-reproducible", "--validate", "-"]
    done = subprocess.run(
        command, input=locked.text, capture_output=True, text=True, timeout=_TIMEOUT_SECONDS, check=False
    )
    if done.returncode != 0:
        raise NothingLocked(f"cyclonedx-py cannot read what {locked.name} installs: {done.stderr.strip()}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
