"""Writes what the software consists of (SBOM, CycloneDX): `uv run --group ci python .ci/supply/sbom.py --out sbom`.

One file each for the project, the infrastructure, and every Azure ML environment, with the licences that licences.yml
records, and what it says of packages that are proprietary or not released yet. Asks no network. Exits with 1 when
something has nothing in it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from licences import accepted_packages, recorded_licences
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
    licences, accepted = recorded_licences(given.root), accepted_packages(given.root)
    for name, text in bills.items():
        bill = json.loads(text)
        count = len(bill.get("components", []))
        if not count:
            print(f"the bill of {name} is empty", file=sys.stderr)
            return 1
        file = given.out / f"{name}.cdx.json"
        for component in bill["components"]:
            describe(component, licences, accepted)
        file.write_text(json.dumps(bill, indent=2) + "\n", encoding="utf-8")
        print(f"{file}: {count} components")
    return 0


def describe(component: dict[str, Any], licences: Mapping[str, str], accepted: Mapping[str, Mapping[str, str]]) -> None:
    """Add the licence of a component, and why it is used if that needs a reason."""
    name = component["name"].lower().replace("_", "-")
    if name in licences:
        component["licenses"] = [_licence(licences[name])]
    if name in accepted:
        component["properties"] = [
            *component.get("properties", []),
            {"name": "mlops:why", "value": accepted[name]["why"]},
            {"name": "mlops:instead", "value": accepted[name]["instead"]},
        ]


def _licence(expression: str) -> dict[str, Any]:
    if " " in expression:
        return {"expression": expression}
    return {"license": {"name" if expression.startswith("LicenseRef-") else "id": expression}}


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
