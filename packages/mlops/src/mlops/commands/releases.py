"""`mlops plan`, `deploy`, `gate`, `promote`, `provenance`, `revert` and `rollback`: move a model through the stages."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from mlops.cli.command_line import command as offline_command
from mlops.cli.command_line import json_option, stage_option
from mlops.commands import workspace_command as mlops_command


@offline_command("plan", "mlops plan --since origin/main", "mlops plan --since HEAD~1 --json | jq -r '.stages[].stage'")
@click.option("--since", required=True, help="The revision to compare HEAD with.")
@json_option
@click.pass_obj
def plan_command(project_path: Path | None, *, since: str, as_json: bool) -> int:
    """Show which stages change since a revision, and how: model, version, digest, rollout and SLO; and which rules.

    Reads releases/*.yml from git; needs no login. The stages are in deployment order.
    Exits with 3 if a manifest cannot be read.
    """
    from mlops.cli.rendering import answer
    from mlops.core.git import Repository
    from mlops.promotion.release_changes import plan
    from mlops.settings.project import load_project

    return answer(plan(Repository(load_project(project_path).root), since), as_json=as_json)


@mlops_command(
    "deploy",
    "mlops deploy --stage dev --version 3",
    "mlops deploy --stage prod",
    "mlops deploy --stage prod --unless-superseded      # for a run that waited for approval",
    "mlops deploy --stage prod --batch                  # for files: mlops score --batch",
)
@stage_option()
@click.option("--version", help="The first stage only: the model version.  [default: the newest]")
@click.option(
    "--take-over", is_flag=True, help="Break the lock of another rollout of this stage that you know has crashed."
)
@click.option(
    "--unless-superseded", is_flag=True, help="Do nothing if the remote's default branch has a newer release."
)
@click.option(
    "--batch", is_flag=True, help="Deploy to the stage's batch endpoint, which scores files; no traffic is shifted."
)
@json_option
@click.pass_obj
def deploy_command(
    project_path: Path | None,
    *,
    stage: str,
    version: str | None,
    take_over: bool,
    unless_superseded: bool,
    batch: bool,
    as_json: bool,
) -> int:
    """Deploy a stage's release next to the model that it runs.

    The first stage runs any registered version, and has no gate; the others run the release in releases/<stage>.yml,
    which the gates judged when it was promoted. The new deployment
    must answer the golden requests of its model package and pass a load test; then live traffic shifts to it in steps,
    as the stage's rollout says, and each step must keep the stage's SLO. If anything goes wrong, all traffic
    returns to where it was. An interrupted rollout continues where it stopped when the command is run again. The
    old deployment is kept without traffic: `mlops rollback` returns to it at once.

    With --batch the same model goes to the stage's batch endpoint instead, and serves every call from then on.
    """
    from mlops.cli.rendering import answer
    from mlops.settings.project import load_project

    project = load_project(project_path)
    stage_name = project.order.find(stage)

    from mlops.promotion.readiness import superseded

    newer = superseded(project, stage_name) if unless_superseded else None
    if newer is not None:
        return answer(newer, as_json=as_json)

    from mlops.azure.workspace import connect

    client = connect(project.settings.stage(stage_name))
    from mlops.batch.deploy import deploy_batch, deploy_stage

    # A CI system passes an empty text for an input that was left out.
    wanted = version or None
    if batch:
        return answer(deploy_batch(client, project, stage_name, wanted), as_json=as_json)
    return answer(deploy_stage(client, project, stage_name, wanted, take_over=take_over), as_json=as_json)


@mlops_command(
    "gate",
    "mlops gate --stage staging",
    "mlops gate --stage prod --base origin/main --json",
    "mlops gate --stage prod --markdown gate.md --html gate.html",
    "mlops gate --since origin/main --no-record       # every stage that a pull request changes",
)
@stage_option(required=False)
@click.option("--since", help="Instead of --stage: every stage whose release differs from this revision's.")
@click.option("--base", help="The revision that holds the champion.  [default: where the change branched off]")
@click.option("--markdown", type=click.Path(dir_okay=False, path_type=Path), help="Where to write the report.")
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), help="Where to write the report with plots.")
@click.option("--record/--no-record", default=True, help="Record the verdict in the audit log, or only read.")
@json_option
@click.pass_obj
def gate_command(
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
    """Run the gates of releases/gates.yml on the release in releases/<stage>.yml. Exits with 1 if it is blocked.

    Everything is measured again: both model packages are downloaded and score the same held-out rows; nothing
    that a manifest or a pull request claims is trusted. The champion is what the manifest named where the
    change branched off, else what the stage runs. With --since the gates run for every stage whose model changes,
    unless the stage runs it already, as after a rollback. With --no-record a read-only login is enough.
    """
    if (stage is None) == (since is None):
        raise click.UsageError("say which release to judge: either --stage or --since")
    if since is not None and (base or markdown or html):
        raise click.UsageError("--base, --markdown and --html need --stage; they cannot be combined with --since")
    from mlops.cli.rendering import answer
    from mlops.settings.project import load_project

    project = load_project(project_path)
    stage_name = project.order.find(stage) if stage else None
    from mlops.azure.workspace import WorkspaceClients
    from mlops.promotion.gate_run import gate, write_reports
    from mlops.promotion.range_gate import gate_range

    clients = WorkspaceClients(project)
    if stage_name is None:
        return answer(gate_range(clients, since or "", record=record), as_json=as_json)
    report = gate(clients, stage_name, base, record=record)
    return answer(write_reports(project, report, markdown, html), as_json=as_json)


@mlops_command(
    "promote",
    "mlops promote --to staging",
    "mlops promote --to prod --version 3",
    "mlops promote --to prod --no-pull-request --json",
    "mlops promote --to prod --when-ready              # for a schedule: does nothing while it is too early",
)
@stage_option("--to", "target", text="The stage to propose a release for.")
@click.option("--version", help="The version that the previous stage must run.  [default: whatever it runs]")
@click.option("--pull-request/--no-pull-request", default=True, help="Open a pull request, or only push the branch.")
@click.option("--when-ready", is_flag=True, help="Propose nothing, and exit with 0, if it is too early.")
@json_option
@click.pass_obj
def promote_command(
    project_path: Path | None,
    *,
    target: str,
    version: str | None,
    pull_request: bool,
    when_ready: bool,
    as_json: bool,
) -> int:
    """Propose the model that runs healthy in the previous stage, as a branch and a pull request.

    The gates run first: a model that they block is not proposed, and the command exits with 1. The model goes to the
    registry, so that every stage deploys the same bytes. Neither your checkout nor your index is touched. Run
    twice, it updates the same branch and pull request. With --when-ready it proposes once the previous stage has run
    the model for `wait_hours` of releases/<stage>.yml within its SLO; a model already proposed is left alone.
    """
    from mlops.cli.rendering import answer
    from mlops.settings.project import load_project

    project = load_project(project_path)
    stage_name = project.order.find(target)

    from mlops.azure.workspace import WorkspaceClients
    from mlops.promotion.promote import promote_from
    from mlops.promotion.readiness import not_yet, require_source
    from mlops.promotion.stage_state import read_promotion

    if when_ready:
        require_source(project.order, stage_name)
    clients = WorkspaceClients(project)
    state = read_promotion(clients, stage_name)
    too_early = not_yet(clients, state, datetime.now(UTC)) if when_ready else None
    return answer(too_early or promote_from(clients, state, version, pull_request=pull_request), as_json=as_json)


@mlops_command(
    "provenance",
    "mlops provenance --stage prod",
    "mlops provenance --version 3 --out provenance    # files for `gh` or `cosign` to sign",
)
@stage_option(required=False, text="The stage.  [default: the first in project.yml]")
@click.option("--version", help="The first stage only: the model version.  [default: the newest]")
@click.option(
    "--out",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write statement.json, predicate.json and SHA256SUMS, whose sha256 is the package's digest, to this folder.",
)
@json_option
@click.pass_obj
def provenance_command(
    project_path: Path | None, *, stage: str | None, version: str | None, folder: Path | None, as_json: bool
) -> int:
    """Show where a model comes from: digest, commit, data, environment, and who trained it in which run.

    For the first stage it comes from the registered version; for the others it is read from releases/provenance/,
    where promotions commit it. Either way it is checked against the bytes, git and releases/provenance.yml, as
    `mlops deploy` does. Exits with 1 if the stage would refuse it.
    """
    from mlops.cli.rendering import answer
    from mlops.core.errors import InputError
    from mlops.settings.project import load_project

    project = load_project(project_path)
    stage_name = project.order.find(stage) if stage else project.order.training
    if version is not None and stage_name != project.order.training:
        raise InputError(f"releases/{stage_name}.yml determines which version {stage_name} runs", "Omit --version.")

    from mlops.azure.workspace import WorkspaceClients
    from mlops.provenance.inspection import inspect

    return answer(inspect(WorkspaceClients(project), stage_name, version, folder), as_json=as_json)


@mlops_command("revert", "mlops revert --stage prod", "mlops revert --stage staging --json | jq -r .pull_request")
@stage_option()
@json_option
@click.pass_obj
def revert_command(project_path: Path | None, *, stage: str, as_json: bool) -> int:
    """Reconcile git with the live deployment: after a rollback releases/<stage>.yml names a model that is not live.

    Proposes the release that the stage runs, as a branch and a pull request; its merge moves no traffic
    unless the endpoint's files have changed since. Does nothing if they agree, or during a rollout.
    Neither your checkout nor your index is touched.
    """
    from mlops.cli.rendering import answer
    from mlops.settings.project import load_project

    project = load_project(project_path)
    stage_name = project.order.find(stage)

    from mlops.azure.workspace import WorkspaceClients
    from mlops.promotion.revert import revert

    return answer(revert(WorkspaceClients(project), stage_name), as_json=as_json)


@mlops_command("rollback", "mlops rollback --stage prod", 'mlops rollback --stage prod --reason "wrong amounts"')
@stage_option()
@click.option("--reason", default="", help="Why, for the audit log.")
@json_option
@click.pass_obj
def rollback_command(project_path: Path | None, *, stage: str, reason: str, as_json: bool) -> int:
    """Return all traffic of a stage to its other deployment at once.

    That is the previous deployment, which a rollout keeps without traffic; a rollout in progress is ended. It
    refuses if that deployment does not answer. Git then still names the other model: run `mlops revert` as well.
    """
    from mlops.cli.rendering import answer
    from mlops.settings.project import load_project

    project = load_project(project_path)
    stage_name = project.order.find(stage)

    from mlops.azure.workspace import connect
    from mlops.rollout.rollback import rollback

    return answer(rollback(connect(project.settings.stage(stage_name)), project, stage_name, reason), as_json=as_json)
