"""`mlops configure`: what the infrastructure made, into project.yml."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mlops.cli.command_line import command as mlops_command
from mlops.cli.command_line import json_option, stage_option
from mlops.core.results import Block, Line, Result, Table

if TYPE_CHECKING:
    from mlops.infrastructure.project_file import Change


@dataclass(frozen=True)
class ConfigureResult(Result):
    """What changed in project.yml."""

    stage: str
    changes: tuple[Change, ...]

    def document(self) -> dict[str, Any]:
        """The changes."""
        return {"stage": self.stage, "changes": [asdict(change) for change in self.changes]}

    def blocks(self) -> Sequence[Block]:
        """A row for each."""
        if not self.changes:
            return [Line(f"project.yml says already where {self.stage} lives", "good")]
        rows = tuple((change.key, change.before or "", change.after or "") for change in self.changes)
        return [
            Table("project.yml", ("key", "was", "is"), rows),
            Line("Review and commit project.yml.", "hint"),
        ]


@mlops_command(
    "configure",
    "mlops configure --stage dev",
    "mlops configure --stage prod --outputs outputs.json    # of `pulumi stack output --json`",
)
@stage_option()
@click.option(
    "--outputs",
    type=click.Path(path_type=Path),
    help="A file with the stack's outputs; without it, `pulumi` is asked.",
)
@json_option
@click.pass_obj
def command(project_path: Path | None, *, stage: str, outputs: Path | None, as_json: bool) -> int:
    """Fill in where a stage lives, from what `pulumi up` made. Comments in project.yml stay."""
    from mlops.cli.rendering import answer
    from mlops.core.layout import PROJECT_FILE
    from mlops.infrastructure.outputs import ask_pulumi, read_outputs
    from mlops.infrastructure.project_file import configure
    from mlops.settings.project import load_project

    project = load_project(project_path)
    name = project.order.find(stage)
    found = ask_pulumi(project.root, name) if outputs is None else read_outputs(outputs)
    changes = configure(project.path(Path(PROJECT_FILE)), name, found)
    return answer(ConfigureResult(name, changes), as_json=as_json)
