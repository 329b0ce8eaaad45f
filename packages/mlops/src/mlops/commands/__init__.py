"""The commands, a module per section of the help; a module is imported when one of its commands runs."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import click

from mlops.cli.command_line import command


class _WorkspaceCommand(click.Command):
    """In a new shell it finds the workspace that runs on this machine by itself."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command, once it is known where the workspaces are."""
        from mlops.local.emulator import use_running_workspace

        use_running_workspace(ctx.obj)
        return super().invoke(ctx)


workspace_command: Callable[..., Callable[[Callable[..., Any]], click.Command]] = partial(
    command, cls=_WorkspaceCommand
)
