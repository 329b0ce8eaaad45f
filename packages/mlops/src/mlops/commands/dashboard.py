"""`mlops dashboard`: all stages on one page."""

from __future__ import annotations

from pathlib import Path

import click

from mlops.cli.command_line import command as mlops_command
from mlops.cli.command_line import json_option

_PORT = 8765
_LARGEST_PORT = 65_535


@mlops_command("dashboard", "mlops dashboard", "mlops dashboard --port 0 --json", "mlops dashboard --write reports/")
@click.option(
    "--write",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write the page into this folder as dashboard.html, for a CI artefact, and end.",
)
@click.option(
    "--port",
    type=click.IntRange(0, _LARGEST_PORT),
    default=_PORT,
    show_default=True,
    help="Serve it on this port of this machine; 0 takes one that is free.",
)
@json_option
@click.pass_obj
def command(project_path: Path | None, *, folder: Path | None, port: int, as_json: bool) -> int:
    """Show all stages on one page: what runs, rollouts, gates, drift, latency and errors, history.

    Served to browsers on this machine until Ctrl-C, and renewed by itself. The page holds everything it needs and
    asks nobody else; nothing can be changed through it.
    """
    from mlops.cli.rendering import answer
    from mlops.settings.project import load_project

    project = load_project(project_path)

    from mlops.azure.clients import WorkspaceClients
    from mlops.dashboard.serving import ServedResult, serve_page, write_page

    clients = WorkspaceClients(project)
    if folder is not None:
        return answer(write_page(clients, folder), as_json=as_json)

    def begun(result: ServedResult) -> int:
        return answer(result, as_json=as_json)

    return serve_page(clients, port, begun)
