"""`mlops gate`: whether a stage may run the release that its manifest proposes."""

from __future__ import annotations

from pathlib import Path

import click

from mlops.command_line import command as mlops_command
from mlops.command_line import json_option, stage_option


@mlops_command(
    "gate",
    "mlops gate --stage staging",
    "mlops gate --stage prod --base origin/main --json",
    "mlops gate --stage prod --markdown $GITHUB_STEP_SUMMARY --html gate.html",
)
@stage_option()
@click.option("--base", help="The revision that holds the champion; without it, where the change began.")
@click.option("--markdown", type=click.Path(dir_okay=False, path_type=Path), help="Where to write the report.")
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), help="Where to write it with plots.")
@json_option
@click.pass_obj
def command(
    project_path: Path | None,
    *,
    stage: str,
    base: str | None,
    markdown: Path | None,
    html: Path | None,
    as_json: bool,
) -> int:
    """Judge the release in releases/<stage>.yml by releases/gates.yml. Exits with 1 when it is blocked.

    Everything is measured again: both model packages are downloaded and score the same held-out rows; nothing
    that a manifest or a pull request says is believed. The champion is what the manifest named where the
    change began, else what the stage runs.
    """
    from mlops.project import load_project, parse_stage
    from mlops.rendering import answer

    project = load_project(project_path)
    stage_name = parse_stage(stage)

    from mlops.promotion.connections import Connections
    from mlops.promotion.gate_result import write_reports
    from mlops.promotion.judgement import gate

    report = gate(Connections(project), stage_name, base)
    return answer(write_reports(project, report, markdown, html), as_json=as_json)
