"""What `mlops retire` answers: what goes or went, what stays, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from mlops.core.markdown import clean
from mlops.core.results import Block, Line, Result, Table
from mlops.retire.plan import Item

_COLUMNS: Final = ("", "what", "name", "model version", "why")
_DIGEST_CHARACTERS: Final = 19


@dataclass(frozen=True)
class RetireResult(Result):
    """A plan for a stage, and whether it was carried out."""

    stage: str
    items: tuple[Item, ...]
    applied: bool

    @property
    def retired(self) -> tuple[Item, ...]:
        """What goes, or went."""
        return tuple(each for each in self.items if each.retire)

    @property
    def outputs(self) -> dict[str, str]:
        """Whether there is something to do, for a CI job that asks people first."""
        return {"retire": str(bool(self.retired) and not self.applied).lower()}

    def document(self) -> dict[str, Any]:
        """Everything."""
        return {"stage": self.stage, "applied": self.applied, "items": [_document(each) for each in self.items]}

    def blocks(self) -> Sequence[Block]:
        """What goes first, then what stays."""
        gone = "retired" if self.applied else "to go"
        ordered = sorted(self.items, key=lambda each: not each.retire)
        rows = tuple(
            (
                gone if each.retire else "stays",
                each.kind,
                clean(each.name) if each.kind == "deployment" else each.digest[:_DIGEST_CHARACTERS],
                clean(each.version),
                clean(each.reason),
            )
            for each in ordered
        )
        blocks: list[Block] = [Table(f"stage {self.stage}", _COLUMNS, rows)] if rows else []
        if not self.retired:
            return [*blocks, Line("nothing is to be taken out of service", "good")]
        if self.applied:
            return [*blocks, Line("models are archived, not deleted: `az ml model restore` brings one back", "hint")]
        return [
            *blocks,
            Line("nothing was changed", "good"),
            Line(f"Next: `mlops retire --stage {self.stage} --apply`", "hint"),
        ]


def _document(item: Item) -> dict[str, Any]:
    return {
        "kind": item.kind,
        "name": item.name,
        "version": item.version,
        "digest": item.digest,
        "retire": item.retire,
        "reason": item.reason,
        "since": item.since.isoformat() if item.since else None,
    }
