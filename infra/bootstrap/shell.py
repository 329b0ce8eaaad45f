"""Runs `az` and `pulumi`: what reads silently, what changes something shown and confirmed first."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bootstrap.advice import advice_for

Command = tuple[str, ...]
NOT_FOUND = 3  # what `az … show` exits with
# A new role assignment takes effect within minutes.
ATTEMPTS, PAUSE_SECONDS = 30, 10
NOT_YET = ("AuthorizationPermissionMismatch", "ForbiddenByRbac", "required permissions to perform this operation")


class BootstrapError(Exception):
    """A command failed, or an answer was no; the message says what to do."""


@dataclass(frozen=True)
class Shell:
    """The two programs. With `dry_run` nothing is changed; without `ask` nothing is asked."""

    folder: Path
    """The program's folder, where the stack files are."""
    dry_run: bool = False
    ask: bool = True
    pause: Callable[[float], None] = time.sleep

    def read(self, *command: str) -> str | None:
        """The output of a command that only reads; None where what it asks for does not exist.

        Raises BootstrapError.
        """
        done = self._run(command)
        if done.returncode == 0:
            return done.stdout.strip()
        if done.returncode == NOT_FOUND or "NotFound" in done.stderr:
            return None
        raise BootstrapError(_failure(command, done.stderr))

    def read_pulumi(self, *command: str) -> str | None:
        """The output of a command of Pulumi that only reads; None where it fails, as before a login.

        Raises BootstrapError.
        """
        done = self._run(("pulumi", *command, "--non-interactive"))
        return done.stdout.strip() if done.returncode == 0 else None

    def change(self, title: str, commands: Sequence[Command]) -> None:
        """Show commands, ask, and run them. Raises BootstrapError."""
        print(f"\n{title}")
        for command in commands:
            print(f"  $ {shlex.join(command)}")
        if self.dry_run:
            return
        if self.ask and not _confirmed():
            raise BootstrapError("stopped; run the same command again to go on from here")
        for command in commands:
            self._change(command)

    def _change(self, command: Command) -> None:
        if command[:2] == ("pulumi", "up"):
            # It shows what it does, and asks by itself.
            if subprocess.run(command, cwd=self.folder, check=False).returncode != 0:
                raise BootstrapError(f'`{shlex.join(command)}` failed: docs/infrastructure.md, "When something fails"')
            return
        for attempt in range(ATTEMPTS):
            done = self._run(command)
            if done.returncode == 0:
                return
            if attempt + 1 == ATTEMPTS or not any(each in done.stderr for each in NOT_YET):
                raise BootstrapError(_failure(command, done.stderr))
            print(f"  a new right is not in effect yet; trying again in {PAUSE_SECONDS} seconds")
            self.pause(PAUSE_SECONDS)

    def _run(self, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        if shutil.which(command[0]) is None:
            raise BootstrapError(
                f"the command `{command[0]}` is not installed: docs/infrastructure.md says where to get it"
            )
        return subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False)


def _confirmed() -> bool:
    print("Run this? [y/N] ", end="", flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _failure(command: Sequence[str], stderr: str) -> str:
    advice = advice_for(stderr)
    return f"`{shlex.join(command)}` failed:\n{stderr.strip()[-1500:]}" + (f"\n{advice}" if advice else "")
