"""The texts that follow from a table: schema.yml with the reasons, the data asset, the CSV, a sample request. Pure.

The pipeline reads one form of CSV: commas, UTF-8, a decimal point, ISO 8601, and nothing where a value is missing. So
the table is written anew in this form, without the rows that have no target.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from textwrap import wrap
from typing import Final

import numpy as np
import polars as pl

from mlops.core.errors import InputError
from mlops.core.results import counted
from mlops.init.columns import Column
from mlops.init.reading import Source, plain_name
from mlops.init.target import Leak, Target, find_column, find_leaks, settle
from model_package.schema import BOOLEAN, CATEGORY, INTEGER, MULTICLASS_CLASSIFICATION, REGRESSION, TIMESTAMP, Feature

_WIDTH: Final = 116
_SHOWN: Final = 40
_PLAIN: Final = re.compile(r"[^\W\d][\w.-]*(?: [\w.()%/-]+)*", re.ASCII)
# YAML 1.1 reads these as booleans or null.
_RESERVED: Final = frozenset({"true", "false", "yes", "no", "on", "off", "y", "n", "null", "nan", "inf", "none"})
_PERCENT: Final = 100


@dataclass(frozen=True)
class Proposal:
    """A table with what its columns mean. `identifier` and `time` are None where there are none."""

    source: Source
    columns: tuple[Column, ...]
    target: Target
    identifier: Column | None
    time: Column | None
    leaks: tuple[Leak, ...]

    @property
    def features(self) -> tuple[Column, ...]:
        """The columns that the model is to read."""
        beside = {self.target.column.name, self.identifier.name if self.identifier else ""}
        return tuple(column for column in self.columns if not column.ignored and column.name not in beside)

    @property
    def ignored(self) -> tuple[Column, ...]:
        """The columns that are of no use, each with its reason."""
        used = {each.name for each in (self.target.column, self.identifier, self.time) if each}
        return tuple(column for column in self.columns if column.ignored and column.name not in used)

    @cached_property
    def csv(self) -> str:
        """The rows that have a target, in the form that the pipeline reads."""
        table = pl.DataFrame([each.written for each in self.columns])
        table = table.filter(self.target.column.values.is_not_null())
        return table.write_csv()

    @property
    def rows(self) -> int:
        """The rows that have a target."""
        return len(self.target.column.values) - self.target.column.missing


def propose(
    source: Source, columns: Sequence[Column], target: str, task: str | None, identifier: str | None, time: str | None
) -> Proposal:
    """Decide what each column is for. Raises InputError for a target, id or time that cannot be one."""
    chosen = settle(find_column(columns, plain_name(target), "--target"), task)
    aim = _as_classes(chosen)
    others = _without_derived([aim.column if each.name == aim.column.name else each for each in columns])
    time_column = _time(others, time, aim) if time else None
    id_column = _id(others, identifier, aim) if identifier else _likely_id(others, aim)
    if id_column is not None and id_column is time_column:
        raise InputError(f"{id_column.name!r} is both --id and --time", "Give another column as one of them.")
    candidates = [each for each in others if not each.ignored and each not in (aim.column, id_column)]
    if not candidates:
        details = tuple(f"{each.name}: {each.ignored}" for each in others if each.ignored)
        raise InputError(
            "no column is of use as a feature", "Give a file with columns that say something about the target.", details
        )
    leaks = find_leaks(aim, candidates)
    sentences = {leak.name: leak.sentence for leak in leaks}
    noted = [each.noted("leak?", sentences[each.name]) if each.name in sentences else each for each in others]
    return Proposal(source, tuple(noted), aim, id_column, time_column, tuple(leaks))


def _without_derived(columns: Sequence[Column]) -> list[Column]:
    """The columns; those that the model itself makes of a timestamp, by name, are ignored."""
    times = [each.name for each in columns if each.type == TIMESTAMP and not each.ignored]
    made = {part: name for name in times for part in Feature(name, TIMESTAMP).matrix_columns}
    return [
        each.noted("derived", f"the model makes it of {made[each.name]!r} itself", "derived")
        if each.name in made
        else each
        for each in columns
    ]


def _as_classes(target: Target) -> Target:
    """A boolean target keeps the two texts that stand for its classes."""
    pair = target.column.pair
    if pair is None:
        return target
    texts = target.column.values.cast(pl.String).replace_strict(["false", "true"], list(pair))
    return replace(target, column=replace(target.column, type=CATEGORY, values=texts, written=texts))


def _id(columns: Sequence[Column], name: str, target: Target) -> Column:
    column = find_column(columns, plain_name(name), "--id")
    if column.name == target.column.name:
        raise InputError(f"{name!r} is both --target and --id", "Give another column as --id, or leave it out.")
    if column.missing:
        raise InputError(
            f"the id {column.name!r} is missing in {counted(column.missing, 'row')}", "Fill it in, or leave --id out."
        )
    if column.distinct < len(column.written):
        repeated = column.written.filter(column.written.is_duplicated()).unique(maintain_order=True)
        examples = ", ".join(repeated.head(3).to_list())
        values = "1 value occurs" if len(repeated) == 1 else f"{len(repeated):,} values occur"
        raise InputError(
            f"the id {column.name!r} repeats: {values} in more than one row, such as {examples}",
            "Remove repeated rows, or give a column that numbers the rows, or leave --id out.",
        )
    return column


def _likely_id(columns: Sequence[Column], target: Target) -> Column | None:
    found = [each for each in columns if each.ignored == "identifier" and each.is_unique and each is not target.column]
    return found[0] if found else None


def _time(columns: Sequence[Column], name: str, target: Target) -> Column:
    column = find_column(columns, plain_name(name), "--time")
    if column.name == target.column.name:
        raise InputError(f"{name!r} is both --target and --time", "Give another column as --time, or leave it out.")
    if column.ignored == "ambiguous dates":
        raise InputError(
            f"the time {column.name!r} cannot be read: {column.notes[-1]}", "Correct the dates, and run again."
        )
    if column.type != TIMESTAMP and not column.values.dtype.is_numeric():
        raise InputError(
            f"the time {column.name!r} holds neither dates nor numbers, such as {column.example!r}",
            "Write its values as 2024-01-31 or 2024-01-31T12:30:00, or leave --time out.",
        )
    if column.missing:
        raise InputError(
            f"the time {column.name!r} is missing in {counted(column.missing, 'row')}",
            "Fill it in, or leave --time out.",
        )
    return column


def backwards(time: Column) -> int | None:
    """The first row (from 1) that lies before the one above it; None if the rows are in the order of time."""
    earlier = (time.values < time.values.shift(1)).fill_null(value=False)
    return int(earlier.arg_max() or 0) + 1 if earlier.any() else None


def percent(share: float) -> str:
    """A share for people; never 0 % of something that is there, nor 100 % where something else is."""
    shown = round(_PERCENT * share)
    if shown == _PERCENT and share < 1:
        return "above 99 %"
    return f"{shown} %" if shown or not share else "below 1 %"


def schema_text(proposal: Proposal) -> str:
    """schema.yml, with a comment for every decision."""
    target, rows = proposal.target, len(proposal.target.column.values)
    lines = [
        f"# The columns of {_said(proposal.source.file.name, _SHOWN)} ({rows:,} rows, "
        f"{len(proposal.columns)} columns), as `mlops init` proposes them. Yours to edit:",
        "# validation, training, endpoints, gates and monitoring follow it. docs/init.md says what each key means.",
        "# Limits are the range seen, widened by its own width to both sides, never across 0.",
        "format: 1",
        f"task: {target.task} # {_said(target.reason)}",
    ]
    if proposal.identifier:
        lines.append(f"id: {scalar(proposal.identifier.name)} # every row has a value of its own")
    if proposal.time:
        lines.append(f"time: {scalar(proposal.time.name)} # the newest rows test the model")
    lines.append(f"target: {scalar(target.column.name)} # {_target_comment(target)}")
    if target.positive is not None:
        lines.append(f"positive: {scalar(target.positive)} # counts as 1: {_said(target.positive_reason)}")
    if target.task == MULTICLASS_CLASSIFICATION:
        lines += _listed("classes", target.counts, "")
    if proposal.ignored:
        lines += ["", "# Columns of the file that are not used, and why.", "ignore:"]
        lines += [
            f"  - {scalar(each.name)} # {_said(each.ignored)}: {_said(each.notes[0])}" for each in proposal.ignored
        ]
    lines += ["", "features:"]
    for column in proposal.features:
        lines += _feature(column)
    return "\n".join(lines) + "\n"


def _target_comment(target: Target) -> str:
    column = target.column
    if target.task == REGRESSION:
        said = f"seen {_number(column.lowest)} to {_number(column.highest)}"
    else:
        rows = sum(target.counts.values())
        shares = [f"{value}: {percent(count / rows)}" for value, count in list(target.counts.items())[:5]]
        said = ", ".join(shares) + (" …" if len(target.counts) > len(shares) else "")
    missing = f"; {column.missing:,} rows without it are left out" if column.missing else ""
    return _said(said + missing, _WIDTH)


def _feature(column: Column) -> list[str]:
    comments = [seen(column)]
    if column.missing:
        comments.append(f"{percent(column.share_missing)} missing")
    comments += column.notes
    lines = wrap(". ".join(_capital(_said(each, _WIDTH)) for each in comments) + ".", _WIDTH - 4)
    lines = [f"  # {line}" for line in lines]
    lines += [f"  - name: {scalar(column.name)}", f"    type: {column.type}"]
    if column.categories:
        lines += _listed("categories", column.categories, "    ")
        if column.is_open:
            lines.append("    unknown: other # values beyond the list are allowed")
    elif column.lowest is not None and column.highest is not None:
        low, high = limits(column)
        lines += [f"    minimum: {_number(low)}", f"    maximum: {_number(high)}"]
    if column.missing:
        lines.append("    nullable: true")
    return lines


def seen(column: Column) -> str:
    """The range or the number of categories of a column, in words."""
    if column.type == TIMESTAMP:
        return f"seen {column.written.min()} to {column.written.max()}"
    if column.lowest is not None and not column.categories:
        few = f", {column.distinct} different values" if column.distinct <= 10 and column.type == INTEGER else ""
        return f"seen {_number(column.lowest)} to {_number(column.highest)}{few}"
    if column.type == CATEGORY:
        return f"{column.distinct:,} categories seen"
    if column.categories:
        return "seen 0 and 1"
    return "true or false" if column.type == BOOLEAN else f"{column.distinct:,} different texts"


def limits(column: Column) -> tuple[float, float]:
    """The range to allow: the seen one, widened by its own width to both sides, never across 0, in round numbers."""
    low, high = float(column.lowest or 0), float(column.highest or 0)
    width = high - low or abs(high) or 1.0
    lowest = 0.0 if low >= 0 else _rounded(low - width, math.floor)
    return lowest, 0.0 if high <= 0 else _rounded(high + width, math.ceil)


def _rounded(value: float, towards: Callable[[float], int]) -> float:
    """A number with two significant digits, rounded away from the values seen."""
    power = math.floor(math.log10(abs(value))) - 1
    return float(f"{towards(value / 10.0**power)}e{power}")


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return str(int(value)) if float(value).is_integer() and abs(value) < 1e15 else f"{value:.10g}"


def _listed(key: str, values: Iterable[str | int], indent: str) -> list[str]:
    """A list in one line, or wrapped where it is long."""
    words = [scalar(value, in_list=True) for value in values]
    line = f"{indent}{key}: [{', '.join(words)}]"
    if len(line) <= _WIDTH:
        return [line]
    lines, inner = [f"{indent}{key}:", f"{indent}  ["], f"{indent}    "
    row = inner
    for word in words:
        if len(row) + len(word) + 2 > _WIDTH and row != inner:
            lines.append(row.rstrip())
            row = inner
        row += f"{word}, "
    return [*lines, row.rstrip(), f"{indent}  ]"]


def scalar(value: str | float, *, in_list: bool = False) -> str:
    """A value in YAML; texts that could be read as something else are in quotes."""
    if not isinstance(value, str):
        return _number(value) if not isinstance(value, int) else str(value)
    is_plain = bool(_PLAIN.fullmatch(value)) and value.lower() not in _RESERVED and not (in_list and "," in value)
    if is_plain:
        return value
    return '"' + "".join(map(_escaped, value)) + '"'


def _escaped(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    return character if character.isprintable() else f"\\U{ord(character):08X}"


def _said(text: str, width: int = _SHOWN * 2) -> str:
    """A text for a comment: one line, printable, cut."""
    line = "".join(each if each.isprintable() else " " for each in text)
    return line if len(line) <= width else f"{line[: width - 1]}…"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def sample_request(proposal: Proposal) -> str:
    """A request with the first row that has a target and lacks no value, or as few as any."""
    gaps = np.sum([each.values.is_null().to_numpy() for each in proposal.features], axis=0)
    usable = proposal.target.column.values.is_not_null().to_numpy()
    row = int(np.where(usable, gaps, len(proposal.features) + 1).argmin())
    values = {each.name: _json_value(each, row) for each in proposal.features}
    return json.dumps({"input_data": [values]}, indent=2, ensure_ascii=False) + "\n"


def _json_value(column: Column, row: int) -> str | float | bool | None:
    value = column.written[row] if column.type == TIMESTAMP else column.values[row]
    return value if isinstance(value, str | int | float | bool) else None


def data_asset(proposal: Proposal, name: str, file: str) -> str:
    """The data asset's YAML for the CSV `file` beside it."""
    target = proposal.target
    digest = hashlib.sha256(proposal.csv.encode()).hexdigest()
    description = f"{proposal.rows:,} rows with {len(proposal.columns)} columns; the target is {target.column.name}."
    return (
        f"# The data as a data asset: az ml data create --file data/{file.removesuffix('.csv')}.yml\n"
        "# `mlops init` wrote the CSV, which git ignores, in the form that the pipeline reads.\n"
        "$schema: https://azuremlschemas.azureedge.net/latest/data.schema.json\n"
        "type: uri_file\n"
        f"name: {name}\n"
        'version: "1"\n'
        f"description: {json.dumps(_said(description, _WIDTH), ensure_ascii=False)}\n"
        "tags:\n"
        f"  sha256: {digest}\n"
        f'  rows: "{proposal.rows}"\n'
        f"  source: {json.dumps(_said(proposal.source.file.name, _WIDTH), ensure_ascii=False)}\n"
        f"  source_sha256: {proposal.source.sha256}\n"
        f"path: {file}\n"
    )
