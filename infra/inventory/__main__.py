"""`uv run mlops infra inventory --stage prod`: what a stack declares, and who may do what in it."""

from __future__ import annotations

import argparse
import sys

from dry_run.run import run_stack
from dry_run.stack_files import stack_names
from inventory.report import PARTS, report_of
from settings.reading import SettingsError


def main() -> int:
    """Print the inventory; 2 when the settings are wrong."""
    parser = argparse.ArgumentParser(
        prog="mlops infra inventory", description="Show what a stack declares and who may do what in it."
    )
    parser.add_argument("--stage", choices=stack_names(), required=True, help="a stage, or another stack")
    parser.add_argument("--part", choices=PARTS, action="append", help="only this part; may be repeated")
    given = parser.parse_args()
    try:
        print(report_of(run_stack(given.stage), given.part or PARTS))
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
