"""What the commands share on the command line: lazy loading, options, and exit codes.

A command is imported when it runs, so that `mlops --help` is fast; the one-line descriptions are here.
"""

from __future__ import annotations

import errno
import importlib
import os
import sys
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import click
from click.shell_completion import CompletionItem

from mlops.azure.sdk_output import silence_loggers
from mlops.cli.ci_output import escaped_output
from mlops.cli.progress import sign_of_life
from mlops.core.errors import InputError, InternalError, Interrupted, MachineError, MlopsError, ProjectError


@dataclass(frozen=True)
class Section:
    """A group of related commands: its title in the help, and the line of each command.

    A section is also a module of mlops.commands.
    """

    title: str
    commands: Mapping[str, str]


SECTIONS: Final[Mapping[str, Section]] = {
    "local": Section(
        "On this machine",
        {
            "demo": "Run the full lifecycle: train, deploy, promote, roll out.",
            "up": "Start a workspace on this machine.",
            "down": "Stop the workspace on this machine.",
            "env": "Print the variables that point any program at the workspace on this machine.",
            "install": "Install an environment of some steps on this machine, such as PyTorch's.",
            "replay": "Run a CI workflow on this machine before you push it.",
        },
    ),
    "data": Section("Your data", {"init": "Look at a table, and write the schema.yml that fits it."}),
    "project": Section(
        "The project",
        {
            "check": "Check components, pipelines and environments without a workspace.",
            "configure": "Fill in project.yml from the infrastructure's outputs.",
            "stages": "List, add or remove the stages that models move through.",
            "preview": "Show what a range of commits changes in the infrastructure.",
            "infra": "Set up Azure, compare quotas, list resources, print a teardown.",
            "upgrade": "Take a newer version of the template into a fork.",
            "detach": "Remove the template's packages from a fork, and install pinned releases instead.",
        },
    ),
    "models": Section(
        "Models",
        {
            "train": "Train, evaluate and register a model.",
            "tune": "Tune the train step, and compare its trials with train.yml.",
            "retrain": "Retrain after drift, and propose the new model.",
            "score": "Send a request to a stage's endpoint, or score files.",
            "explain": "Explain predictions with Shapley values.",
            "retire": "Retire unreferenced models and deployments.",
        },
    ),
    "releases": Section(
        "Releases",
        {
            "plan": "Show which stages a range of commits changes.",
            "deploy": "Deploy a stage's release.",
            "gate": "Run the gates on the release that a stage's manifest proposes.",
            "promote": "Open a pull request that promotes the previous stage's model.",
            "provenance": "Show where a stage's model comes from, and whether the stage accepts it.",
            "revert": "Open a pull request that reconciles git with what a stage runs.",
            "rollback": "Return a stage's traffic to its previous deployment.",
        },
    ),
    "operations": Section(
        "Operations",
        {
            "status": "Show what each stage runs.",
            "monitor": "Check a stage's recent requests: data quality, drift, performance, service.",
            "history": "Show each stage's audit log, and whether it was tampered with.",
            "dashboard": "Show all stages on one page, served locally or written as HTML.",
        },
    ),
}
COMMANDS: Final[Mapping[str, str]] = {
    name: text for section in SECTIONS.values() for name, text in section.commands.items()
}
_JSON_FLAG: Final = "--json"
_PROJECT_OPTION: Final = "--project"
# Draw on the terminal themselves.
_OWN_PROGRESS: Final = frozenset({"replay", "install", "infra"})
_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
# Two spaces of the epilog and two of the example make 80.
_LONGEST_EXAMPLE: Final = 76
# Deep recursion would print thousands.
_TRACEBACK_FRAMES: Final = 40
_LONGEST_MESSAGE: Final = 500
_CONTEXT: Final = {"help_option_names": ["-h", "--help"], "max_content_width": 100}

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


class LazyGroup(click.Group):
    """A group that imports a command's module when the command is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """The commands in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import one command."""
        module = next((name for name, section in SECTIONS.items() if cmd_name in section.commands), None)
        if module is None:
            return None
        found: click.Command = getattr(importlib.import_module(f"mlops.commands.{module}"), f"{cmd_name}_command")
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; for an unknown one name those that are spelt alike."""
        if args[0] not in COMMANDS and not args[0].startswith("-"):
            from difflib import get_close_matches

            near = get_close_matches(args[0], COMMANDS, n=2, cutoff=0.65)
            advice = f"Did you mean {' or '.join(near)}?" if near else "`mlops --help` lists the commands."
            ctx.fail(f"No such command {args[0]!r}. {advice}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """List the commands by section, without importing them."""
        for section in SECTIONS.values():
            with formatter.section(section.title):
                formatter.write_dl(list(section.commands.items()))


@click.group(cls=LazyGroup, context_settings=_CONTEXT)
@click.option(
    _PROJECT_OPTION,
    type=click.Path(path_type=Path),
    envvar="MLOPS_PROJECT",
    show_envvar=True,
    help="The project's folder or its project.yml.  [default: the project that contains the working folder]",
)
@click.version_option(package_name="mlops-template-mlops", message="%(version)s")
@click.pass_context
def cli(context: click.Context, project: Path | None) -> None:
    """The full lifecycle of a model on Azure Machine Learning.

    Without an Azure account: `mlops demo`. With one: fill in project.yml and `az login`; the commands are
    the same.
    """
    context.obj = project


def command(
    name: str,
    *examples: str,
    cls: type[click.Command] = click.Command,
    context_settings: MutableMapping[str, Any] | None = None,
) -> Callable[[Callable[..., Any]], click.Command]:
    """Make a click command with examples below its help."""
    return click.command(
        name, cls, short_help=COMMANDS[name], epilog=examples_below(*examples), context_settings=context_settings
    )


def examples_below(*examples: str) -> str:
    """The text below a command's help. A remark that would make a line longer than 80 stands above its command."""
    lines = []
    for example in examples:
        words, mark, remark = example.partition(" # ")
        is_long = len(example) > _LONGEST_EXAMPLE and bool(mark)
        lines += [f"# {remark}", words.rstrip()] if is_long else [example]
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


def json_option(function: Decorated) -> Decorated:
    """Add `--json`."""
    return click.option("as_json", _JSON_FLAG, is_flag=True, help="Print one JSON object.")(function)


class StageType(click.ParamType):
    """The name of a stage. Commands look it up once they have read project.yml; the shell completes it from there."""

    name = "stage"

    def shell_complete(
        self,
        ctx: click.Context,
        param: click.Parameter,  # noqa: ARG002 - click's signature
        incomplete: str,
    ) -> list[CompletionItem]:
        """The stages that begin with this text; none outside a project."""
        from mlops.settings.project import load_project

        try:
            names = load_project(ctx.find_root().params.get("project")).order.names
        except MlopsError:
            names = ()
        return [CompletionItem(name) for name in names if name.startswith(incomplete)]


def stage_option(
    *words: str, required: bool = True, text: str = "The stage to act on, as listed in project.yml."
) -> Callable[[Decorated], Decorated]:
    """Add `--stage`, or an option of another name for a stage."""
    return click.option(*(words or ("--stage",)), type=StageType(), required=required, help=text)


def run(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code; every error becomes a sentence with advice here."""
    with escaped_output():
        words = sys.argv[1:] if arguments is None else arguments
        if not _OWN_PROGRESS.intersection(words):
            sign_of_life.begin(sys.stderr)
        try:
            return _run(words)
        finally:
            sign_of_life.end()


def _run(words: list[str]) -> int:
    silence_loggers()
    try:
        code = cli.main(words, prog_name="mlops", standalone_mode=False)
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.ClickException as error:
        sign_of_life.clear()
        if isinstance(error, click.NoSuchOption) and error.option_name == _PROJECT_OPTION:
            hint = f"It stands before the command: `mlops {_PROJECT_OPTION} PATH COMMAND`."
            error = click.UsageError(f"{error.message} {hint}", error.ctx)
        error.show()
        # Click's own 1 would read as the verdict of a gate.
        return max(error.exit_code, InputError.exit_code)
    except (click.Abort, KeyboardInterrupt):
        return _report(Interrupted("interrupted", "It is safe to run the command again."), words)
    except BrokenPipeError:
        # The reader closed the pipe; keep the interpreter from complaining at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except MlopsError as error:
        return _report(error, words)
    except Exception as error:  # noqa: BLE001 - Python's own exit code 1 would be a verdict
        return _report(_as_mlops_error(error) or _unforeseen(error), words)
    return code if isinstance(code, int) else 0


def _as_mlops_error(error: Exception) -> MlopsError | None:
    if isinstance(error, OSError) and error.errno in _NO_ROOM:
        return _full_disk(error)
    if isinstance(error, OSError) and error.filename:
        return _unusable_file(error)
    if "mlops.core.yaml_nodes" in sys.modules:
        from mlops.core.yaml_nodes import YamlError

        if isinstance(error, YamlError):
            return ProjectError(f"a YAML file is wrong at line {error.line}: {error}", "`mlops check` names the file.")
    if "model_package.errors" in sys.modules:
        from model_package.errors import ExtensionError

        if isinstance(error, ExtensionError):
            return ProjectError(str(error), "Then run again; docs/customise.md says what the file may hold.")
    # Azure cannot have failed in a command that never imported its SDK.
    if "azure.core" not in sys.modules:
        return None
    from mlops.azure.errors import explain

    return explain(error)


def _full_disk(error: OSError) -> MlopsError:
    # A write to an open file does not say which one.
    where = str(error.filename or Path.cwd())
    return MachineError(
        f"there is no room left on the disk of {where}: {error.strerror}",
        "Free some space there and run the command again; it is safe, and continues where it stopped.",
    )


def _unusable_file(error: OSError) -> MlopsError:
    reason = error.strerror or type(error).__name__
    return MachineError(
        f"cannot read or write {error.filename}: {reason}",
        "Correct the permissions of this file and of the folders above it, or restore it, and run again.",
    )


def _unforeseen(error: Exception) -> MlopsError:
    """The error for people, after the traceback for those who look for the bug."""
    import traceback

    traceback.print_exception(error, limit=-_TRACEBACK_FRAMES)
    return InternalError(
        f"unexpected {type(error).__name__}: {error}"[:_LONGEST_MESSAGE],
        "This is a bug, or a file that nobody foresaw; it is no verdict. Report it with the lines above.",
    )


def _report(error: MlopsError, words: list[str]) -> int:
    from mlops.cli.rendering import render_error

    render_error(error, as_json=_JSON_FLAG in words, out=sys.stdout, err=sys.stderr)
    return error.exit_code
