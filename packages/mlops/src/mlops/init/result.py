"""What `mlops init` found in a table and what it writes: as a document for programs, and as text for people."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, Final

from mlops.core.edits import Edit, diff
from mlops.core.layout import SCHEMA_FILE
from mlops.core.results import Block, Line, Raw, Result, Table
from mlops.init.columns import Column
from mlops.init.proposal import Proposal, backwards, limits, percent, schema_text
from mlops.settings.gates import GATES_FILE
from model_package.schema import TIMESTAMP

# Column by column, so that a table with a frame has 80 characters; a terminal folds a name longer than 13.
_WIDTHS: Final = (60, 9, 14, 7, 9, 9)
_SHOWN_NOTES: Final = 20
_SHOWN_CLASSES: Final = 6
_SHOWN_DELETED: Final = 12


@dataclass(frozen=True)
class InitResult(Result):
    """What was found in a table, the files that follow from it, and whether they were written.

    `sentences` say what follows from the baseline, and what the command could not know. `folder` is that of a further
    model in the repository, empty for the first one.
    """

    name: str
    proposal: Proposal
    edits: tuple[Edit, ...]
    is_written: bool
    sentences: tuple[str, ...] = ()
    folder: PurePosixPath = field(default_factory=PurePosixPath)

    def document(self) -> dict[str, Any]:
        """Columns, target, files and the proposed schema.yml."""
        proposal, target = self.proposal, self.proposal.target
        return {
            "file": str(proposal.source.file),
            "form": proposal.source.form,
            "rows": len(target.column.values),
            "name": self.name,
            "task": target.task,
            "reason": target.reason,
            "target": target.column.name,
            "rows_without_target": target.column.missing,
            "positive": target.positive,
            "classes": [{"value": value, "rows": rows} for value, rows in target.counts.items()],
            "id": proposal.identifier.name if proposal.identifier else None,
            "time": proposal.time.name if proposal.time else None,
            "leaks": [{"column": each.name, "metric": each.metric, "value": each.value} for each in proposal.leaks],
            "columns": [_column_document(proposal, column) for column in proposal.columns],
            "notes": list(self.sentences),
            "written": self.is_written,
            "files": [str(self.folder / edit.path) for edit in self.edits],
            "schema": schema_text(proposal),
        }

    def blocks(self) -> Sequence[Block]:
        """The columns and what stands out; then the whole difference, or the files and what is next."""
        proposal = self.proposal
        rows = tuple(tuple(map(_cut, _row(proposal, column), _WIDTHS)) for column in proposal.columns)
        blocks: list[Block] = [*map(Line, _summary(proposal))]
        blocks.append(Table("", ("column", "type", "values", "missing", "example", "note"), rows))
        blocks += [Line(sentence, "hint") for sentence in _sentences(proposal)]
        blocks += [Line(sentence, "hint") for sentence in self.sentences]
        if self.is_written:
            return [*blocks, *self._written()]
        blocks += [Raw(_difference(edit)) for edit in self.edits]
        would = _counted(self.edits)
        blocks.append(Line(f"would {would}; nothing was written" if would else "nothing would change", "hint"))
        return blocks

    def _written(self) -> list[Block]:
        if not self.edits:
            return [Line("nothing to do: every file is up to date", "good")]
        done = tuple((_kind(edit), str(self.folder / edit.path)) for edit in self.edits if edit.after is not None)
        deleted = tuple((_kind(edit), str(self.folder / edit.path)) for edit in self.edits if edit.after is None)
        more = len(deleted) - _SHOWN_DELETED
        is_further = self.folder != PurePosixPath()
        project, table = f"--project {self.folder} " if is_further else "", f"{self.name.replace('-', '_')}.csv"
        return [
            Table("", (), (*done, *deleted[:_SHOWN_DELETED])),
            *([Line(f"and {more} more deleted files")] if more > 0 else []),
            *([Line("and workflows, owners and trusted builders of the repository: git status", "hint")] * is_further),
            Line(f"Review {self.folder / SCHEMA_FILE} and {self.folder / GATES_FILE}, and commit.", "hint"),
            Line("Next: `mlops check`", "good"),
            Line(f"Then: `mlops {project}demo --data {self.folder / 'data' / table}`", "good"),
        ]


def _kind(edit: Edit) -> str:
    if edit.after is None:
        return "deleted"
    return "new" if edit.before is None else "changed"


def _counted(edits: Sequence[Edit]) -> str:
    counts = Counter(_kind(edit) for edit in edits)
    words = (("new", "add"), ("changed", "change"), ("deleted", "delete"))
    return ", ".join(f"{word} {counts[kind]} file{'s' * (counts[kind] > 1)}" for kind, word in words if counts[kind])


def _difference(edit: Edit) -> str:
    """The change as a diff; of a table, and of a deleted file, only what happens to it."""
    if edit.after is None:
        return f"delete {edit.path}\n"
    if edit.path.suffix == ".csv":
        return f"write {edit.path}: {edit.after.count(chr(10)) - 1:,} rows\n"
    return diff(edit)


def _summary(proposal: Proposal) -> list[str]:
    target, source = proposal.target, proposal.source
    rows = len(target.column.values)
    lines = [f"{source.file.name}: {rows:,} rows, {len(proposal.columns)} columns; {source.form}"]
    lines.append(f"{target.task}, because {target.reason}")
    if target.counts:
        total = sum(target.counts.values())
        shares = [f"{value}: {percent(count / total)}" for value, count in target.counts.items()]
        more = f" and {len(shares) - _SHOWN_CLASSES} more" if len(shares) > _SHOWN_CLASSES else ""
        positive = "" if not target.positive_reason else f"; {target.positive_reason}"
        lines.append(f"classes: {', '.join(shares[:_SHOWN_CLASSES])}{more}{positive}")
    return lines


def _sentences(proposal: Proposal) -> list[str]:
    """What stands out, by column."""
    target, found = proposal.target.column, []
    if target.missing:
        found.append(f"{target.name}: {target.missing:,} rows without a target are left out")
    if proposal.identifier:
        found.append(f"{proposal.identifier.name}: taken as the id, as every row has a value of its own")
    other = _first_time(proposal)
    if other:
        found.append(f"{other}: a time; with `--time {shlex.quote(other)}` the newest rows test the model")
    row = backwards(proposal.time) if proposal.time else None
    if proposal.time and row:
        found.append(f"{proposal.time.name}: goes backwards, first in row {row:,}; the split sorts the rows by it")
    beside = {each.name for each in (target, proposal.identifier) if each}
    notes = [
        f"{column.name}: {note}{', so it is ignored' if column.ignored else ''}"
        for column in proposal.columns
        for note in column.notes
        if column.name not in beside
    ]
    notes += [
        f"{column.name}: {' and '.join(map(repr, column.markers))} read as missing"
        for column in proposal.columns
        if column.markers
    ]
    more = len(notes) - _SHOWN_NOTES
    return [*found, *notes[:_SHOWN_NOTES], *([f"and {more} more notes; --json has all"] if more > 0 else [])]


def _first_time(proposal: Proposal) -> str | None:
    """The first column of times that the split could follow."""
    complete = (each.name for each in proposal.features if each.type == TIMESTAMP and not each.missing)
    return next(complete, None) if proposal.time is None else None


def _role(proposal: Proposal, column: Column) -> str:
    named = (("target", proposal.target.column), ("id", proposal.identifier), ("time", proposal.time))
    role = next((role for role, each in named if each is not None and each.name == column.name), "")
    return role or ("ignored" if column.ignored else "feature")


def _row(proposal: Proposal, column: Column) -> tuple[str, ...]:
    role = _role(proposal, column)
    kind = "ignored" if role == "ignored" else column.type
    missing = percent(column.share_missing) if column.missing else ""
    label = column.label if role in ("feature", "ignored") else role
    return column.name, kind, _values(column), missing, column.example, label


def _values(column: Column) -> str:
    """The range or the count of values in a few characters; the notes and schema.yml say more."""
    if column.type == TIMESTAMP and column.distinct:
        first, last = str(column.written.min())[:4], str(column.written.max())[:4]
        return first if first == last else f"{first} to {last}"
    if column.categories and column.distinct <= 2:
        return ", ".join(map(str, column.categories))
    if column.lowest is None or column.highest is None:
        return f"{column.distinct:,} values" if column.distinct else ""
    return f"{_short(column.lowest)} to {_short(column.highest)}"


def _short(value: float) -> str:
    """A number with three digits: 1.02M for 1,022,221."""
    if round(abs(value)) < 10_000:
        return f"{value:.4g}"
    rounded = float(f"{value:.3g}")
    for unit, name in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if unit <= abs(rounded) < 1e15:
            return f"{rounded / unit:.3g}{name}"
    return f"{value:.4g}"


def _cut(text: str, width: int) -> str:
    line = "".join(each if each.isprintable() else " " for each in text)
    return line if len(line) <= width else f"{line[: width - 1]}…"


def _column_document(proposal: Proposal, column: Column) -> dict[str, Any]:
    has_range = column.lowest is not None and not column.categories
    return {
        "name": column.name,
        "role": _role(proposal, column),
        "type": column.type,
        "seen": [column.lowest, column.highest] if has_range else None,
        "limits": list(limits(column)) if has_range else None,
        "categories": list(column.categories) or None,
        "open": column.is_open,
        "distinct": column.distinct,
        "missing": column.missing,
        "example": column.example,
        "ignored": column.ignored or None,
        "missing_markers": list(column.markers),
        "notes": list(column.notes),
    }
