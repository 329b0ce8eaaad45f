"""The inventory as Markdown: resources, diagram, rights, bill."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from inventory.access import rights_of
from inventory.bill import Bill, bill_of
from inventory.diagram import diagram_of
from inventory.prices import PriceTable
from rehearsal.records import Rehearsal

PARTS = ("resources", "diagram", "rights", "bill")


def report_of(rehearsal: Rehearsal, table: PriceTable, parts: Sequence[str] = PARTS) -> str:
    """The chosen parts, in order."""
    makers = {
        "resources": lambda: _resources(rehearsal),
        "diagram": lambda: f"## Diagram\n\n```mermaid\n{diagram_of(rehearsal)}```\n",
        "rights": lambda: _rights(rehearsal),
        "bill": lambda: _bill(bill_of(rehearsal, table), table),
    }
    return "\n".join([f"# {rehearsal.stack}\n", *(makers[part]() for part in parts)])


def _resources(rehearsal: Rehearsal) -> str:
    rows = [
        (
            record.type.removeprefix("azure-native:"),
            record.id.rsplit("/", maxsplit=1)[-1],
            _parent(record.parent),
            "protected" if record.protect else "",
        )
        for record in rehearsal.resources
    ]
    return f"## Resources ({len(rows)})\n\n" + _table(("type", "name", "part", ""), rows)


def _rights(rehearsal: Rehearsal) -> str:
    rows = [
        (f"people: {right.who}" if right.person else right.who, right.role, right.scope, right.reason)
        for right in rights_of(rehearsal)
    ]
    return "## Who may do what\n\n" + _table(("who", "role", "on", "because"), rows)


def _bill(bill: Bill, table: PriceTable) -> str:
    rows = [
        (
            line.price_id,
            str(line.count),
            f"{line.each:,.2f}" if line.each is not None else "?",
            f"{line.amount:,.2f}" if line.each is not None else "?",
            line.confidence,
        )
        for line in bill.lines
    ]
    text = "## Idle cost a month\n\n"
    text += _table(("what", "count", f"each ({table.currency})", f"together ({table.currency})", "price from"), rows)
    text += (
        f"\n**{bill.total:,.0f} {table.currency} a month**, prices of {table.date}, {table.region}: {table.source}.\n"
    )
    if bill.remembered:
        text += f"{bill.remembered:,.0f} of it rest on prices that were not looked up: `--refresh` reads them all.\n"
    if bill.unknown:
        text += f"Without a price, so more than this: {', '.join(sorted(bill.unknown))}.\n"
    return text + "\nBy use, not counted: " + "; ".join(bill.by_use) + ".\n"


def _parent(urn: str) -> str:
    return urn.rsplit("::", maxsplit=1)[-1]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(cells) + " |\n" for cells in lines)
