"""The inventory as Markdown: resources, diagram, rights."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from inventory.access import rights_of
from inventory.diagram import diagram_of
from rehearsal.records import Rehearsal

PARTS = ("resources", "diagram", "rights")


def report_of(rehearsal: Rehearsal, parts: Sequence[str] = PARTS) -> str:
    """The chosen parts, in order."""
    makers = {"resources": _resources, "diagram": _diagram, "rights": _rights}
    return "\n".join([f"# {rehearsal.stack}\n", *(makers[part](rehearsal) for part in parts)])


def _resources(rehearsal: Rehearsal) -> str:
    rows = [
        (
            record.type.removeprefix("azure-native:"),
            record.id.rsplit("/", maxsplit=1)[-1],
            record.parent.rsplit("::", maxsplit=1)[-1],
            "protected" if record.protect else "",
        )
        for record in rehearsal.resources
    ]
    return f"## Resources ({len(rows)})\n\n" + _table(("type", "name", "part", ""), rows)


def _diagram(rehearsal: Rehearsal) -> str:
    return f"## Diagram\n\n```mermaid\n{diagram_of(rehearsal)}```\n"


def _rights(rehearsal: Rehearsal) -> str:
    rows = [
        (f"people: {right.who}" if right.person else right.who, right.role, right.scope, right.reason)
        for right in rights_of(rehearsal)
    ]
    return "## Who may do what\n\n" + _table(("who", "role", "on", "because"), rows)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(cells) + " |\n" for cells in lines)
