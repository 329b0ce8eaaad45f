"""`mlops gate`: whether a stage may run the release that its manifest proposes."""

from __future__ import annotations

from pathlib import Path

import click

from mlops.cli.command_line import command as mlops_command
from mlops.cli.command_line import json_option, stage_option


@mlops_command(
    "gate",
    "mlops gate --stage staging",
    "mlops gate --stage prod --base origin/main --json",
    "mlops gate --stage prod --markdown gate.md --html gate.html",
    "mlops gate --since origin/main --no-record       # every stage that a pull request changes",
)
@stage_option(required=False)
@click.option("--since", help="Instead of --stage: every stage whose release differs from this revision's.")
@click.option("--base", help="The revision that holds the champion; without it, where the change began.")
@click.option("--markdown", type=click.Path(dir_okay=False, path_type=Path), help="Where to write the report.")
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), help="Where to write it with plots.")
@click.option("--record/--no-record", default=True, help="Note the verdict in the audit log, or only read.")
@json_option
@click.pass_obj
def command(
    project_path: Path | None,
    *,
    stage: str | None,
    since: str | None,
    base: str | None,
    markdown: Path | None,
    html: Path | None,
    record: bool,
    as_json: bool,
) -> int:
    """Judge the release in releases/<stage>.yml by releases/gates.yml. Exits with 1 when it is blocked.

    Everything is measured again: both model packages are downloaded and score the same held-out rows; nothing
    that a manifest or a pull request says is believed. The champion is what the manifest named where the
    change began, else what the stage runs. With --since every stage is judged that shall run another model,
    unless it runs it already, as after a rollback. With --no-record a login that may only read is enough.
    """
    if (stage is None) == (since is None):
        raise click.UsageError("say what to judge: either --stage or --since")
    if since is not None and (base or markdown or html):
        raise click.UsageError("--base, --markdown and --html belong to one --stage, not to --since")
    from mlops.cli.rendering import answer
    from mlops.settings.project import load_project

    project = load_project(project_path)
    stage_name = project.order.find(stage) if stage else None

    from mlops.azure.clients import WorkspaceClients
    from mlops.promotion.gate_result import write_reports
    from mlops.promotion.gate_run import gate
    from mlops.promotion.range_gate import gate_range

    clients = WorkspaceClients(project)
    if stage_name is None:
        return answer(gate_range(clients, since or "", record=record), as_json=as_json)
    report = gate(clients, stage_name, base, record=record)
    return answer(write_reports(project, report, markdown, html), as_json=as_json)
