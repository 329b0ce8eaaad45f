"""`mlops history`: the audit log."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlops.cli.command_line import command as mlops_command
from mlops.cli.command_line import json_option, stage_option

if TYPE_CHECKING:
    from mlops.audit.history import StageHistory
    from mlops.settings.project import Project
    from mlops.settings.stages import StageName


@mlops_command("history", "mlops history", "mlops history --stage prod --json")
@stage_option(required=False)
@json_option
@click.pass_obj
def command(project_path: Path | None, *, stage: str | None, as_json: bool) -> int:
    """Show every gate, promotion, rollout step and rollback: who, what, when, and why.

    Each record holds the hash of the one before. Exits with 1 when a log was tampered with.
    """
    from mlops.cli.rendering import answer
    from mlops.settings.project import load_project

    project = load_project(project_path)
    names = project.order.names if stage is None else (project.order.find(stage),)

    from mlops.audit.history import HistoryResult

    return answer(HistoryResult(tuple(_ask(project, name) for name in names)), as_json=as_json)


def _ask(project: Project, name: StageName) -> StageHistory:
    """One stage; what cannot be asked is shown, and does not hide the others."""
    from azure.core.exceptions import AzureError

    from mlops.audit.history import StageHistory
    from mlops.audit.log import AuditLog
    from mlops.azure.errors import explain
    from mlops.azure.workspace import connect

    try:
        records, breaks = AuditLog(connect(project.settings.stage(name))).read()
    except AzureError as error:
        explained = explain(error)
        return StageHistory(name, problem=explained.message if explained else str(error))
    return StageHistory(name, records, breaks)
