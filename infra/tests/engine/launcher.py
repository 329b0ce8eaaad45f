"""Starts a program folder as Pulumi's language host does: settings from the command line, then its __main__."""

from __future__ import annotations

import argparse
import asyncio
import runpy
import sys

import pulumi
from pulumi.runtime import configure, run_in_stack
from pulumi.runtime.settings import Settings


def main() -> int:
    """Run the program; 0 when it declared everything, 1 when it failed."""
    parser = argparse.ArgumentParser()
    for name in ("--engine", "--project", "--stack", "--folder"):
        parser.add_argument(name, required=True)
    parser.add_argument("--preview", action="store_true")
    given = parser.parse_args()
    sys.path.insert(0, given.folder)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    configure(
        Settings(
            given.project, given.stack, given.engine, given.engine, dry_run=given.preview, organization="organization"
        )
    )

    def program() -> None:
        from dry_run.run import without_aliases  # from the program's folder

        pulumi.runtime.register_stack_transformation(without_aliases)
        runpy.run_path(given.folder, run_name="__main__")

    try:
        loop.run_until_complete(run_in_stack(program))
    except pulumi.RunError as error:
        pulumi.log.error(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
