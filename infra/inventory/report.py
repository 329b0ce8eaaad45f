"""The inventory as Markdown: resources, diagram, rights; and the resources as text that fits a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from textwrap import fill

from dry_run.result import DryRun, ResourceRecord
from inventory.diagram import diagram_of
from inventory.machines import machines_in
from inventory.names import readable_names
from inventory.rights import rights_of
from settings.fields import virtual_cpus

PARTS = ("resources", "diagram", "rights")
ASSIGNMENT = "authorization:RoleAssignment"


def report_of(run: DryRun, parts: Sequence[str] = PARTS) -> str:
    """The chosen parts, in order."""
    makers = {"resources": _resources, "diagram": _diagram, "rights": _rights}
    return "\n".join([f"# {run.stack}\n", *(makers[part](run) for part in parts)])


def resources_as_text(run: DryRun, width: int) -> str:
    """The resources by the part that they belong to, for a terminal; rights have a part of their own."""
    parts: dict[str, list[str]] = {}
    for type_, name, *facts, part, protected in _rows(run):
        if type_ != ASSIGNMENT:
            known = " · ".join(fact for fact in (type_, *facts, protected) if fact)
            parts.setdefault(part, []).append(
                fill(f"{name}: {known}", width, initial_indent="  ", subsequent_indent="      ")
            )
    return "".join(f"{part}\n" + "\n".join(lines) + "\n" for part, lines in parts.items())


def _resources(run: DryRun) -> str:
    rows = _rows(run)
    head = ("type", "name", "region", "size", "quota", "part of", "")
    return f"## Resources ({len(rows)})\n\n" + _table(head, rows)


def _rows(run: DryRun) -> list[tuple[str, ...]]:
    names = readable_names(run)
    return [
        (
            record.azure_type,
            names[record.urn],
            str(record.inputs.get("location", "")),
            _size(record, run),
            _quota(record, run),
            record.parent.rsplit("::", maxsplit=1)[-1],
            "protected" if record.protect else "",
        )
        for record in run.resources
    ]


def _size(record: ResourceRecord, run: DryRun) -> str:
    machines = [f"{each.count} of {each.size}" for each in machines_in(record, run)]
    if machines:
        return ", ".join(machines)
    sku = record.inputs.get("sku")
    return str(sku.get("name", "")) if isinstance(sku, dict) else ""


def _quota(record: ResourceRecord, run: DryRun) -> str:
    """What the machines of a resource may use of the subscription's quota."""
    found = [
        f"{virtual_cpus(each.size) * each.most} vCPUs of {each.service}{', low priority' if each.low_priority else ''}"
        for each in machines_in(record, run)
    ]
    return ", ".join(found)


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
