"""`uv run mlops infra inventory --stage prod`: what a stack declares, and who may do what in it."""

from __future__ import annotations

import argparse
import shutil
import sys

from dry_run.run import run_stack
from dry_run.stack_files import stack_names
from inventory.report import PARTS, report_of, resources_as_text
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
        run, parts = run_stack(given.stage), given.part or PARTS
        if sys.stdout.isatty() and "resources" in parts:
            print(resources_as_text(run, shutil.get_terminal_size().columns))
            parts = [part for part in parts if part != "resources"]
        if parts:
            print(report_of(run, parts))
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
