"""The inventory as Markdown: resources, diagram, rights."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dry_run.result import DryRun
from inventory.diagram import diagram_of
from inventory.rights import rights_of

PARTS = ("resources", "diagram", "rights")


def report_of(run: DryRun, parts: Sequence[str] = PARTS) -> str:
    """The chosen parts, in order."""
    makers = {"resources": _resources, "diagram": _diagram, "rights": _rights}
    return "\n".join([f"# {run.stack}\n", *(makers[part](run) for part in parts)])


def _resources(run: DryRun) -> str:
    rows = [
        (
            record.azure_type,
            record.id.rsplit("/", maxsplit=1)[-1],
            record.parent.rsplit("::", maxsplit=1)[-1],
            "protected" if record.protect else "",
        )
        for record in run.resources
    ]
    return f"## Resources ({len(rows)})\n\n" + _table(("type", "name", "part of", ""), rows)


def _diagram(run: DryRun) -> str:
    return f"## Diagram\n\n```mermaid\n{diagram_of(run)}```\n"


def _rights(run: DryRun) -> str:
    rows = [
        (f"people: {right.principal}" if right.person else right.principal, right.role, right.scope, right.reason)
        for right in rights_of(run)
    ]
    return "## Who may do what\n\n" + _table(("who", "role", "scope", "reason"), rows)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(cells) + " |\n" for cells in lines)
