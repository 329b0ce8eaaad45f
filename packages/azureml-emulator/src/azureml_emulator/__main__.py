"""The command line: start, stop, status, env, reset. Parses, calls `daemon.py`, prints."""

from __future__ import annotations

import json
import shlex
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from pydantic import ValidationError

from azureml_emulator.control import daemon
from azureml_emulator.control.client_variables import assignments, variables
from azureml_emulator.control.ready_file import ReadyFile, ReadyRecord
from azureml_emulator.kernel.settings import ENVIRONMENT_PREFIX, Settings, default_state

_EPILOG = """\b
Examples:
  azureml-emulator start
  eval "$(azureml-emulator env)"     # any program with azure-ai-ml now talks to it
  azureml-emulator status --json
  azureml-emulator stop
"""


class _Group(click.Group):
    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except daemon.DaemonError as error:
            raise click.ClickException(str(error)) from error
        except PermissionError as error:
            raise click.ClickException(
                f"{error.filename}: {error.strerror}. Choose another folder with --state."
            ) from error


@click.group(cls=_Group, epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Azure Machine Learning on your machine."""


def _state_option(command: Callable[..., None]) -> Callable[..., None]:
    return click.option(
        "--state",
        type=click.Path(file_okay=False, path_type=Path),
        help=f"The state folder. [default: ${ENVIRONMENT_PREFIX}STATE, else {default_state()}]",
    )(command)


@main.command(epilog="\b\nExamples:\n  azureml-emulator start\n  azureml-emulator start --port 8443 --strict")
@_state_option
@click.option("--port", type=int, help="The port. [default: the one used last, else any free port]")
@click.option("--strict", is_flag=True, help="Require workspaces and registries to be created, as on Azure.")
@click.option(
    "--plain-steps", is_flag=True, help="Start every step and deployment as a fresh process instead of forking it."
)
@click.option("--parallel-steps", type=int, help="How many steps may run at the same time.")
@click.option(
    "--environment",
    "environments",
    multiple=True,
    metavar="NAME=PYTHON",
    callback=lambda _, __, given: _paths(given, "NAME=PYTHON, such as train=.venv-train/bin/python"),
    help="Run the steps of an environment, by its name or that in its conda file, with another Python; repeatable.",
)
@click.option(
    "--compute", "computes", multiple=True, metavar="NAME", help="A cluster that workspaces have; repeatable."
)
@click.option(
    "--image",
    "images",
    multiple=True,
    metavar="NAME=DOCKERFILE",
    callback=lambda _, __, given: _paths(given, "NAME=DOCKERFILE, such as registry.example/app:1=app/Dockerfile"),
    help="Run deployments of a container image by the Dockerfile that it was built from; repeatable.",
)
@click.option(
    "--open-container-ports",
    is_flag=True,
    help="Let custom containers listen on ports of this machine, which any local user reaches, where Linux's private "
    "networks are not available.",
)
@click.option(
    "--open-spark-ports",
    is_flag=True,
    help="Let the engine of Spark steps, which runs Python for every local user who connects to it, listen on ports of "
    "this machine, where Linux's private networks are not available.",
)
@click.option(
    "--spark-engine",
    type=click.Choice(["sail", "java"]),
    help="What Spark steps run on: Sail, or Spark itself, which needs Java. By default Sail where it is installed.",
)
@click.option(
    "--open-rank-ports",
    is_flag=True,
    help="Leave the processes of distributed steps in the network of this machine, where any local user reaches the "
    "ports that they open for each other.",
)
@click.option("--subscription", help="The subscription that `env` names.")
@click.option("--resource-group", help="The resource group that `env` names.")
@click.option("--workspace", help="The workspace that `env` names.")
@click.option("--registry", help="The registry that `env` names.")
@click.option("--location", help="The Azure region that resources report.")
@click.option(
    "--model-errors",
    type=click.Choice(["passed", "as-azure"]),
    help="What callers get for an error of the model: its own status, or 424 as on Azure's managed endpoints.",
)
@click.option(
    "--endpoint-operations",
    type=click.Choice(["by-resource", "one-at-a-time"]),
    help="Refuse an operation while another one runs on the same resource, or anywhere in the endpoint.",
)
@click.option(
    "--record",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Append every exchange with the control plane to this file, as JSON lines.",
)
@click.option("--foreground", is_flag=True, help="Stay in this terminal; Ctrl-C stops the emulator.")
def start(state: Path | None, *, plain_steps: bool, foreground: bool, **given: Any) -> None:
    """Start the emulator in the background and wait until it serves."""
    chosen = {key: value for key, value in given.items() if value not in (None, {}, ())}
    if plain_steps:
        chosen["step_launcher"] = "plain"
    for name in chosen.keys() & {"model_errors", "endpoint_operations"}:
        chosen[name] = chosen[name].replace("-", "_")
    settings = _settings(state, chosen)
    if foreground:
        daemon.refuse_running(settings.state)
        # The server's imports are slow, and no other command needs them.
        from azureml_emulator.server import main as serve

        click.echo(f"State: {settings.state}. Ctrl-C stops the emulator.", err=True)
        sys.exit(serve(settings.model_dump_json()))
    began = time.monotonic()
    click.echo("Starting the emulator …", err=True)
    record, started = daemon.start(settings)
    how = f"ready in {time.monotonic() - began:.1f} s" if started else "was already running"
    click.echo(f"Azure ML emulator {how}: {record.base_url} (process {record.pid}, state {settings.state})")
    named = f" --state {shlex.quote(str(state))}" if state is not None else ""
    click.echo(f'Next: eval "$(azureml-emulator env{named})"')


@main.command()
@_state_option
def stop(state: Path | None) -> None:
    """Stop the emulator; its state is kept."""
    if ReadyFile(_folder(state)).read() is not None:
        # Deployments may answer the requests that they have.
        click.echo("Stopping the emulator …", err=True)
    pid = daemon.stop(_folder(state))
    click.echo("No emulator is running." if pid is None else f"Stopped the emulator (process {pid}).")


@main.command()
@_state_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def status(state: Path | None, *, as_json: bool) -> None:
    """Show whether the emulator runs, its address and what it has. Exits with 0 when it runs, 3 otherwise."""
    folder = _folder(state)
    record = ReadyFile(folder).read()
    shown: dict[str, Any] = {"running": record is not None, "state": str(folder)}
    if record is not None:
        shown |= {"pid": record.pid, "address": record.base_url, **daemon.summary(record)}
        shown["pages"] = daemon.mlflow_link(record)
    if as_json:
        click.echo(json.dumps(shown, indent=2))
    else:
        is_lazy = record is not None and record.settings.background_start == "lazy"
        click.echo(_status_text(shown, "starts on first use" if is_lazy else "starting"))
    sys.exit(0 if record is not None else 3)


@main.command(epilog='\b\nExample:\n  eval "$(azureml-emulator env)"')
@_state_option
@click.option("--shell", type=click.Choice(["posix", "fish", "powershell"]), default="posix", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option(
    "--public-roots/--no-public-roots",
    default=True,
    help="Without them, programs trust the emulator only: they connect faster, but to no other server.",
)
def env(state: Path | None, *, shell: Any, as_json: bool, public_roots: bool) -> None:
    """Print the environment variables that point programs with azure-ai-ml at the running emulator."""
    record = _running(_folder(state))
    values = variables(record, public_roots=public_roots)
    click.echo(json.dumps(values, indent=2) if as_json else assignments(values, shell), nl=as_json)


@main.command()
@_state_option
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def reset(state: Path | None, *, yes: bool) -> None:
    """Delete the state of a stopped emulator."""
    folder = _folder(state)
    if not yes:
        click.confirm(f"Delete {folder} with all its jobs, models and data?", abort=True)
    click.echo(f"Deleted {folder}." if daemon.reset(folder) else f"{folder} does not exist.")


def _paths(given: tuple[str, ...], form: str) -> dict[str, Path]:
    """Paths by name; `form` is for the error."""
    found = {}
    for text in given:
        name, _, path = text.partition("=")
        if not name or not path:
            raise click.BadParameter(f"{text!r} is not {form}")
        # Not resolved: the interpreter of a virtual environment is a link to that which made it.
        found[name] = Path(path).expanduser().absolute()
    return found


def _running(folder: Path) -> ReadyRecord:
    record = ReadyFile(folder).read()
    if record is None:
        raise daemon.DaemonError(f"No emulator is running on {folder}. Start one: azureml-emulator start")
    return record


def _folder(state: Path | None) -> Path:
    return (state or default_state()).expanduser().resolve()


def _settings(state: Path | None, given: dict[str, Any]) -> Settings:
    try:
        return Settings(state=_folder(state), **given)
    except ValidationError as error:
        lines = [f"--{'-'.join(map(str, part['loc'])).replace('_', '-')}: {part['msg']}" for part in error.errors()]
        raise click.UsageError("; ".join(lines)) from error


def _status_text(shown: dict[str, Any], absent: str) -> str:
    """The status as text; `absent` stands for an address that does not exist yet."""
    if not shown["running"]:
        return f"No emulator is running on {shown['state']}."
    lines = {name: absent if value is None else _plain(value) for name, value in shown.items() if name != "running"}
    return "\n".join(f"{name:<12} {line}" for name, line in lines.items())


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {count}" for name, count in value.items()) or "none"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return str(value)


if __name__ == "__main__":
    main()
