"""`mlops demo`, `up`, `down`, `env`, `install` and `replay`: what runs on this machine, without Azure."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from mlops.cli.command_line import command as mlops_command
from mlops.cli.command_line import json_option, stage_option


@mlops_command(
    "demo",
    "mlops demo",
    "mlops demo --data my.csv",
    "mlops demo --json | jq .metrics.roc_auc",
    "mlops demo --to dev",
    "mlops demo --bad-model",
    "mlops demo --drift",
    "mlops demo --drift --json | jq .drift.retraining.promotion.branch",
    "mlops demo --fresh --stop",
)
@click.option(
    "--data",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The file to train on.  [default: the project's own rows, or a sample]",
)
@stage_option("--to", "until", required=False, text="The last stage to release to.  [default: production]")
@click.option("--bad-model", is_flag=True, help="Then show how a bad model is blocked, and how one is rolled back.")
@click.option("--drift", is_flag=True, help="Then shift the inputs: drift, an event, and a newer model.")
@click.option(
    "--fresh", is_flag=True, help="Start over: delete what earlier runs left in the workspace on this machine."
)
@click.option("--stop", "stop_after", is_flag=True, help="Stop the workspace at the end.")
@json_option
@click.pass_obj
def demo_command(
    project_path: Path | None,
    *,
    data: Path | None,
    until: str | None,
    bad_model: bool,
    drift: bool,
    fresh: bool,
    stop_after: bool,
    as_json: bool,
) -> int:
    """Run the full lifecycle on this machine: train, register, deploy, promote through the stages.

    Needs no Azure account, no Docker and no network. It starts a workspace on this machine and does in it
    what `train`, `deploy`, `promote` and `gate` do on Azure, in a scratch repository below .mlops/demo: your
    checkout stays as it is. A second run reuses what has not changed.

    With --drift the inputs of production shift, as in a recession: the monitor detects it, publishes an event,
    and the event starts a training on recent requests. The new model waits as a proposal for staging, with the drift
    as its reason. A second run starts no training: retraining.yml sets a cooldown.
    """
    from mlops.cli.rendering import answer
    from mlops.core.errors import InputError
    from mlops.demo.lifecycle import DemoOptions, demo
    from mlops.init.conversion import converted_file
    from mlops.local.emulator import stop
    from mlops.settings.project import load_project

    stories = [name for name, is_wished in (("--bad-model", bad_model), ("--drift", drift)) if is_wished]
    if len(stories) > 1:
        raise InputError("--bad-model and --drift cannot be combined", "Run them one after the other.")
    project = load_project(project_path)
    last = project.order.find(until) if until else project.order.production
    if stories and last != project.order.production:
        raise InputError(f"{stories[0]} needs every stage", "Omit --to.")
    if drift:
        # Before anything is trained: its requests need an online endpoint.
        _ = project.settings.stage(last).online_endpoint
    try:
        result = demo(project, converted_file(project, data), DemoOptions(last, bad_model, drift), fresh=fresh)
    finally:
        if stop_after:
            stop(project)
    return answer(replace(result, goes_on=not stop_after), as_json=as_json)


@mlops_command("up", "mlops up", 'mlops up && eval "$(mlops env)" && mlops train')
@json_option
@click.pass_obj
def up_command(project_path: Path | None, *, as_json: bool) -> int:
    """Start a workspace on this machine: Azure Machine Learning's REST API with jobs that run.

    Safe to run twice. Then `eval "$(mlops env)"` points this shell, and any program in it, at the workspace.
    """
    from mlops.cli.progress import say
    from mlops.cli.rendering import answer
    from mlops.core.environments import environments_of
    from mlops.local.emulator import EmulatorResult, pages_link, start, state_folder
    from mlops.settings.project import load_project

    project = load_project(project_path)
    missing = [f"`mlops install {each.key}`" for each in environments_of(project.root) if each.is_missing]
    before = f"Some steps cannot run here before: {', '.join(missing)}; then `mlops down` and `mlops up`. "
    hint = f'{before if missing else ""}Next: eval "$(mlops env)"'
    say("starting the workspace on this machine …")
    begun = start(project)
    return answer(EmulatorResult(begun, state_folder(project), hint, pages_link(project)), as_json=as_json)


@mlops_command("down", "mlops down")
@json_option
@click.pass_obj
def down_command(project_path: Path | None, *, as_json: bool) -> int:
    """Stop the workspace on this machine. Its contents are kept for the next `mlops up`."""
    from mlops.cli.progress import say
    from mlops.cli.rendering import answer
    from mlops.local.emulator import EmulatorResult, state_folder, stop
    from mlops.settings.project import load_project

    project = load_project(project_path)
    say("stopping the workspace on this machine …")
    return answer(EmulatorResult(stop(project), state_folder(project)), as_json=as_json)


@mlops_command("env", 'eval "$(mlops env)"', "mlops env --json")
@json_option
@click.pass_obj
def env_command(project_path: Path | None, *, as_json: bool) -> int:
    """Print the variables that point any program using azure-ai-ml at the workspace on this machine."""
    from mlops.cli.rendering import answer
    from mlops.local.emulator import variables
    from mlops.settings.project import load_project

    return answer(variables(load_project(project_path)), as_json=as_json)


@mlops_command(
    "install",
    "mlops install train",
    "mlops install train --torch-backend cpu    # uv's option: PyTorch without CUDA",
    "mlops install train --with-pip",
)
@click.argument("environment")
@click.option("--torch-backend", metavar="BACKEND", help="The PyTorch build that uv installs: cpu, auto, cu126, …")
@click.option("--with-pip", is_flag=True, help="Use pip even if uv is installed.")
@json_option
@click.pass_obj
def install_command(
    project_path: Path | None, *, environment: str, torch_backend: str | None, with_pip: bool, as_json: bool
) -> int:
    """Install the packages of environments/ENVIRONMENT.yml on this machine, beside those of the project.

    The workspace on this machine then runs the steps of this environment with its Python, as Azure does; all other
    steps stay in the project's own environment. Needed where an environment has packages that are not in uv.lock, such
    as PyTorch. The packages are those of the conda file, the place is .mlops/environments.
    """
    from mlops.cli.rendering import answer
    from mlops.core.environments import install
    from mlops.local.emulator import EmulatorResult
    from mlops.settings.project import load_project

    if with_pip and torch_backend:
        raise click.UsageError("--torch-backend is an option of uv: leave out --with-pip")
    project = load_project(project_path)
    done = install(project.root, environment, torch_backend=torch_backend, with_pip=with_pip)
    sentence = f"installed {environment}: its steps now run with {done.python.relative_to(project.root.absolute())}"
    hint = "If the workspace runs already: `mlops down`, so that the next command starts it with this Python."
    return answer(EmulatorResult(sentence, done.folder, hint), as_json=as_json)


_EVENTS = (
    "push", "pull_request", "workflow_dispatch", "schedule", "repository_dispatch", "workflow_run", "merge_group",
)  # fmt: skip


@mlops_command(
    "replay",
    "mlops replay .github/workflows/ci.yml --event pull_request --ref my-change",
    "mlops replay .github/workflows/train.yml --ref main --since HEAD~3",
    "mlops replay .github/workflows/deploy.yml --input since=HEAD~1 --reject prod",
    "mlops replay azure-pipelines.yml --var-of settings:REGION=westeurope",
    "mlops replay azure-pipelines.yml --does-nothing Kubernetes",
    "mlops replay azure-pipelines.yml --ref main --json | jq -r '.commands[]'",
)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--event",
    "event_name",
    type=click.Choice(_EVENTS),
    metavar="EVENT",
    default="push",
    show_default=True,
    help=f"One of {', '.join(_EVENTS)}.",
)
@click.option("--ref", help="The branch that gets your files in the replay.  [default: the current one]")
@click.option("--since", help="The previous commit of that branch.  [default: the remote's]")
@click.option("--committed", is_flag=True, help="Replay HEAD instead of the working files.")
@click.option("--base", help="The base of a pull request.  [default: the default branch]")
@click.option("--action", default="opened", show_default=True, help="The activity type of a pull request.")
@click.option("--title", default="A change", help="The title of a pull request.")
@click.option("--type", "type_", help="The type of a repository_dispatch, or the workflow of a workflow_run.")
@click.option("--payload", help="The payload of a repository_dispatch, a JSON object.")
@click.option("--cron", help="The schedule.  [default: the first]")
@click.option("--input", "inputs", multiple=True, metavar="NAME=VALUE", help="An input of a workflow_dispatch.")
@click.option("--var", "variables", multiple=True, metavar="NAME=VALUE", help="A variable of the repository.")
@click.option(
    "--secret",
    "secrets",
    multiple=True,
    metavar="NAME",
    help="A secret, from the environment variable NAME.",
)
@click.option(
    "--var-of",
    "group_variables",
    multiple=True,
    metavar="GROUP:NAME=VALUE",
    help="A variable of a variable group, or of a GitHub environment; `GROUP:` is a group without variables.",
)
@click.option(
    "--secret-of",
    "group_secrets",
    multiple=True,
    metavar="GROUP:NAME",
    help="A secret of it, from the environment variable NAME.",
)
@click.option(
    "--does-nothing",
    "without_effect",
    multiple=True,
    metavar="ACTION",
    help="An action or task, without its version, that does nothing in the replay.",
)
@click.option("--approve", "approved", multiple=True, metavar="ENVIRONMENT", help="Approve only these environments.")
@click.option("--reject", "rejected", multiple=True, metavar="ENVIRONMENT", help="Reject these environments.")
@click.option("--against-azure", is_flag=True, help="Let steps use your own login: they change real resources.")
@click.option("--verbose", is_flag=True, help="Show the output of all steps.")
@json_option
@click.pass_obj
def replay_command(
    project_path: Path | None,
    *,
    file: Path,
    event_name: str,
    ref: str | None,
    since: str | None,
    committed: bool,
    base: str | None,
    action: str,
    title: str,
    type_: str | None,
    payload: str | None,
    cron: str | None,
    inputs: tuple[str, ...],
    variables: tuple[str, ...],
    secrets: tuple[str, ...],
    group_variables: tuple[str, ...],
    group_secrets: tuple[str, ...],
    without_effect: tuple[str, ...],
    approved: tuple[str, ...],
    rejected: tuple[str, ...],
    against_azure: bool,
    verbose: bool,
    as_json: bool,
) -> int:
    """Run a workflow of GitHub Actions or Azure Pipelines on this machine before you push it.

    Your working files are pushed to a scratch copy of this repository, and the event happens there. Triggers,
    expressions, conditions, matrices and templates follow the service's rules, scripts run in real shells, and
    third-party actions and tasks have their declared effects. Steps that log in reach the workspace that this shell
    points to (`mlops up`, then `mlops env`); without --against-azure they cannot use a login stored on this machine.
    A step or job that cannot be replayed fails, and the report says what to do; the others run.
    Exits with 1 if the run fails or was not replayed as a whole, with 2 for a file that the service would reject,
    otherwise with 0, even if the event does not trigger the workflow.
    """
    from mlops.cli.rendering import answer
    from mlops.replaying.replay import ReplayOptions, replay_file
    from mlops.replaying.source import EventOptions, by_group, from_shell, pairs, secrets_by_group
    from mlops.settings.project import load_project

    wanted = EventOptions(event_name, base, action, type_, cron, payload, title, pairs(inputs, "--input"))
    options = ReplayOptions(
        ref=ref,
        since=since,
        committed_only=committed,
        approved=approved,
        rejected=rejected,
        variables=pairs(variables, "--var"),
        secrets=from_shell(secrets),
        group_variables=by_group(group_variables, "--var-of"),
        group_secrets=secrets_by_group(group_secrets, "--secret-of"),
        without_effect=without_effect,
        against_azure=against_azure,
        every_line=verbose,
    )
    return answer(replay_file(load_project(project_path).root, file, wanted, options), as_json=as_json)
