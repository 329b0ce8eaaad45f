"""`mlops plan`: which stages a range of commits changes; git is asked, no workspace."""

from __future__ import annotations

from pathlib import Path

import click

from mlops.cli.command_line import command as mlops_command
from mlops.cli.command_line import json_option


@mlops_command("plan", "mlops plan --since origin/main", "mlops plan --since HEAD~1 --json | jq -r '.stages[].stage'")
@click.option("--since", required=True, help="The revision to compare HEAD with.")
@json_option
@click.pass_obj
def command(project_path: Path | None, *, since: str, as_json: bool) -> int:
    """Show which stages change since a revision, and how: model, version, digest, rollout and SLO.

    Reads releases/*.yml out of git; needs no login. The stages come in the order in which they are deployed.
    Exits with 3 when a manifest cannot be read.
    """
    from mlops.cli.rendering import answer
    from mlops.core.git import Repository
    from mlops.promotion.release_changes import plan
    from mlops.settings.project import load_project

    return answer(plan(Repository(load_project(project_path).root), since), as_json=as_json)
