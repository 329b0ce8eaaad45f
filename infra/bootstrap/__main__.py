"""`uv run mlops infra bootstrap`: from an empty subscription to the first deployed stacks.

Shows every command before it runs it, asks, and may be run again at any point: what exists is left alone.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from bootstrap.shell import BootstrapError, Shell
from bootstrap.steps import PLACEHOLDERS, State, Step, all_steps, default_names
from dry_run.run import run_stack
from dry_run.stack_files import read_config, stack_names
from naming import CI, SHARED
from settings.ci import CiSettings
from settings.project import PROGRAM_FOLDER, ROOT, ProjectStages, read_stages
from settings.reading import SettingsError, read_settings
from settings.shared import SharedSettings

NO_SUBSCRIPTION = "00000000-0000-0000-0000-000000000000"


def main(arguments: Sequence[str] | None = None, root: Path = ROOT, pause: Callable[[float], None] = time.sleep) -> int:
    """Do what is left of the first steps; 1 when a command fails, 2 when the settings are wrong."""
    folder, stages = root / PROGRAM_FOLDER, read_stages(root)
    given = _parser(folder, stages).parse_args(arguments)
    shell = Shell(folder, given.dry_run, not given.yes, pause)
    stacks = given.stack or [SHARED, stages.training]
    try:
        _refuse_placeholders([CI, *stacks], folder)
        runs = {stack: run_stack(stack, read_config(stack, folder), root) for stack in stacks}
        steps = all_steps(read_state(root), runs, folder / f"Pulumi.{CI}.yaml")
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    try:
        changed = _do(steps, shell)
    except BootstrapError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    print(_summary(changed, dry_run=given.dry_run, stage=stages.training))
    return 0


def read_state(root: Path) -> State:
    """Where the state is, by the settings of the stacks `ci` and `shared`. Raises SettingsError."""
    folder = root / PROGRAM_FOLDER
    ci, shared = (read_settings(stack, read_config(stack, folder), root) for stack in (CI, SHARED))
    if not isinstance(ci, CiSettings) or not isinstance(shared, SharedSettings):
        raise SettingsError(f"Pulumi.{CI}.yaml and Pulumi.{SHARED}.yaml must have infra:kind ci and shared")
    given = ci.state
    account, vault = default_names(given.subscription_id, ci.project)
    return State(
        subscription=given.subscription_id,
        group=given.resource_group,
        location=ci.azure.location,
        account=account if given.storage_account == PLACEHOLDERS[0] else given.storage_account,
        vault=vault if given.key_vault == PLACEHOLDERS[1] else given.key_vault,
        tags=shared.tags,
    )


def _parser(folder: Path, stages: ProjectStages) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="mlops infra bootstrap", description="The first steps in a subscription.")
    known = [stack for stack in stack_names(folder) if stack in (SHARED, CI, *stages.names)]
    parser.add_argument(
        "--stack", action="append", choices=known, help=f"may be repeated; by default {SHARED} and {stages.training}"
    )
    parser.add_argument("--dry-run", action="store_true", help="show what is left to do, and change nothing")
    parser.add_argument("--yes", action="store_true", help="do not ask before each step")
    return parser


def _do(steps: Iterator[Step], shell: Shell) -> int:
    changed = 0
    for step in steps:
        commands = step.left(shell)
        if not commands:
            continue
        changed += 1
        shell.change(step.title, commands)
        if step.after is not None and not shell.dry_run:
            step.after(shell)
    return changed


def _refuse_placeholders(stacks: Sequence[str], folder: Path) -> None:
    for stack in dict.fromkeys(stacks):
        config = read_config(stack, folder)
        if any(NO_SUBSCRIPTION in config.get(f"azure-native:{key}", "") for key in ("subscriptionId", "tenantId")):
            raise SettingsError(
                f"Pulumi.{stack}.yaml still has the placeholder {NO_SUBSCRIPTION}: fill in subscription and tenant "
                "(`az account show`)"
            )


def _summary(changed: int, *, dry_run: bool, stage: str) -> str:
    if not changed:
        return f"Nothing left to do. Next: `uv run mlops configure --stage {stage}`, then CI's login (docs/ci.md)."
    return f"\n{changed} steps are left." if dry_run else f"\nDone: {changed} steps. Commit the stack files."


if __name__ == "__main__":
    sys.exit(main())
