"""Shows what was found in a table, and writes the files that follow from it, unless that would lose something."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

from mlops.core.documents import read_yaml
from mlops.core.edits import Edit, diff, require_committed, write
from mlops.core.errors import InputError, MachineError
from mlops.core.git import Repository
from mlops.core.layout import PROJECT_FILE, SAMPLE_REQUEST, SCHEMA_FILE
from mlops.core.results import Block, Line, Raw, Result, Table
from mlops.init.columns import Column, infer
from mlops.init.proposal import Proposal, backwards, data_asset, limits, percent, propose, sample_request, schema_text
from mlops.init.reading import read_table
from mlops.settings.project import Project, parse_settings
from model_package.schema import BINARY_CLASSIFICATION, BOOLEAN, CATEGORY, INTEGER, NUMBER, TIMESTAMP

_DATA: Final = PurePosixPath("data")
_NAME: Final = re.compile(r"[a-z][a-z0-9-]{1,24}[a-z0-9]")
_LONGEST_NAME: Final = 26
# Column by column, so that a table with a frame has 80 characters.
_WIDTHS: Final = (13, 9, 14, 7, 9, 9)
# What the template's pipeline can train on, from validate_data to the model package.
_TRAINED_TASKS: Final = (BINARY_CLASSIFICATION,)
_TRAINED_TYPES: Final = (INTEGER, NUMBER, BOOLEAN, CATEGORY)
_SHOWN_NOTES: Final = 20
_SHOWN_CLASSES: Final = 6


@dataclass(frozen=True)
class InitResult(Result):
    """What was found in a table, the files that follow from it, and whether they were written.

    `obstacles` say why this version cannot train on it yet; then nothing is written.
    """

    name: str
    proposal: Proposal
    edits: tuple[Edit, ...]
    is_written: bool
    obstacles: tuple[str, ...]

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
            "obstacles": list(self.obstacles),
            "written": self.is_written,
            "files": [str(edit.path) for edit in self.edits],
            "schema": schema_text(proposal),
        }

    def blocks(self) -> Sequence[Block]:
        """The columns and what stands out; then the difference of schema.yml, or the files and what is next."""
        proposal = self.proposal
        rows = tuple(tuple(map(_cut, _row(proposal, column), _WIDTHS)) for column in proposal.columns)
        blocks: list[Block] = [*map(Line, _summary(proposal))]
        blocks.append(Table("", ("column", "type", "values", "missing", "example", "note"), rows))
        blocks += [Line(sentence, "hint") for sentence in _sentences(proposal)]
        if self.is_written:
            done = tuple(("new" if edit.before is None else "changed", str(edit.path)) for edit in self.edits)
            blocks.append(Table("", (), done) if done else Line("nothing to do: every file is up to date", "good"))
            blocks.append(
                Line(f"Review {SCHEMA_FILE}; in releases/, `mlops check` names what is still the example's", "hint")
            )
            blocks.append(Line("Next: `mlops check`", "good"))
            return blocks
        blocks += [Raw(diff(edit)) for edit in self.edits if str(edit.path) == SCHEMA_FILE]
        blocks += [Line(f"cannot be trained yet: {sentence}", "bad") for sentence in self.obstacles]
        names = ", ".join(str(edit.path) for edit in self.edits)
        blocks.append(Line(f"would change {names}; nothing was written" if names else "nothing would change", "hint"))
        return blocks


def init_project(
    project: Project,
    data: Path,
    *,
    target: str,
    task: str | None = None,
    identifier: str | None = None,
    time: str | None = None,
    name: str | None = None,
    is_dry_run: bool = False,
    is_forced: bool = False,
) -> InitResult:
    """Look at a table, and write schema.yml and what else follows from it; `is_dry_run` writes nothing.

    Every text exists before the first file is written, and each file is replaced in one step. Run again after an
    interruption, it writes what is still missing. Raises InputError for a table that cannot be used, or if something
    would be lost that git does not have; `is_forced` overwrites it.
    """
    chosen = _name(data, name)
    source = read_table(data)
    proposal = propose(source, infer(source), target, task, identifier, time)
    edits = [edit for edit in _edits(project.root, chosen, proposal) if edit.before != edit.after]
    obstacles = tuple(_obstacles(proposal))
    if is_dry_run:
        return InitResult(chosen, proposal, tuple(edits), is_written=False, obstacles=obstacles)
    if obstacles:
        raise InputError(
            "this version cannot train a model on this table yet; nothing was written",
            "`--dry-run` shows everything that was found, and the proposed schema.yml.",
            obstacles,
        )
    _require_nothing_lost(project.root, data, edits, is_forced=is_forced)
    for edit in edits:
        write(project.root, edit)
    return InitResult(chosen, proposal, tuple(edits), is_written=True, obstacles=())


def _name(data: Path, name: str | None) -> str:
    """The project's new name: the given one, or the file's."""
    found = name or re.sub(r"[^a-z0-9]+", "-", data.stem.lower()).strip("-")[:_LONGEST_NAME].rstrip("-")
    if not _NAME.fullmatch(found):
        raise InputError(
            f"{found!r} cannot be the project's name",
            "Give --name: 3 to 26 lower-case letters, digits and hyphens, starting with a letter.",
        )
    return found


def _edits(root: Path, name: str, proposal: Proposal) -> list[Edit]:
    """The edits, project.yml last: the files that it names exist by then."""
    stem = name.replace("-", "_")
    project = (root / PROJECT_FILE).read_text(encoding="utf-8")
    texts = {
        _DATA / f"{stem}.csv": proposal.csv,
        _DATA / f"{stem}.yml": data_asset(proposal, name, f"{stem}.csv"),
        PurePosixPath(SAMPLE_REQUEST): sample_request(proposal),
        PurePosixPath(SCHEMA_FILE): schema_text(proposal),
        PurePosixPath(PROJECT_FILE): _renamed(project, name),
    }
    return [Edit(path, _text(root / path), text) for path, text in texts.items()]


def _text(file: Path) -> str | None:
    return file.read_text(encoding="utf-8", errors="surrogateescape") if file.is_file() else None


def _renamed(text: str, name: str) -> str:
    """project.yml with another name for project, model and data; every other byte stays."""
    changed = re.sub(r"^(name|model|data):[ \t]*[^\s#]+", rf"\1: {name}", text, flags=re.MULTILINE)
    parse_settings(changed)
    return changed


def _require_nothing_lost(root: Path, data: Path, edits: Sequence[Edit], *, is_forced: bool) -> None:
    for edit in edits:
        file = root / edit.path
        if edit.path.suffix == ".csv" and file.exists() and file.resolve() == data.resolve():
            raise InputError(
                f"{edit.path} is the file to read, and would be replaced by its converted form",
                "Give another --name, or move the file out of data/.",
            )
    if is_forced:
        return
    existing = [edit for edit in edits if edit.before is not None]
    for edit in existing:
        if edit.path.suffix == ".csv" and not _is_own(root, edit):
            raise InputError(
                f"{edit.path} exists, and `mlops init` did not write it",
                "Nothing was changed. Move it away, give another --name, or overwrite it with --force.",
            )
    tracked = [edit for edit in existing if edit.path.suffix != ".csv"]
    try:
        Repository(root).head()
    except MachineError as error:
        if tracked:
            raise InputError(
                f"git has no copy of {', '.join(str(edit.path) for edit in tracked)}, which would be overwritten",
                "Nothing was changed. Commit the project first, or overwrite them with --force.",
            ) from error
    require_committed(root, tracked, "overwrite them with --force, or preview with --dry-run")


def _is_own(root: Path, edit: Edit) -> bool:
    """Whether the data asset beside a CSV has its checksum."""
    asset = root / edit.path.with_suffix(".yml")
    document = read_yaml(asset).value if asset.is_file() else None
    tags = document.get("tags") if isinstance(document, dict) else None
    found = hashlib.sha256((root / edit.path).read_bytes()).hexdigest()
    return isinstance(tags, dict) and tags.get("sha256") == found


def _obstacles(proposal: Proposal) -> list[str]:
    """What the pipeline of this version does not train on."""
    found = []
    task = proposal.target.task
    if task not in _TRAINED_TASKS:
        found.append(f"the pipeline trains {' or '.join(_TRAINED_TASKS)} only, and this is a {task}")
    other = [f"{column.name} ({column.type})" for column in proposal.features if column.type not in _TRAINED_TYPES]
    if other:
        found.append(f"features of these types are not trained on: {', '.join(other)}")
    return found


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
    for unit, name in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if unit * 10 <= abs(value) * (10 if unit > 1e3 else 1) < 1e15:
            return f"{value / unit:.3g}{name}"
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
