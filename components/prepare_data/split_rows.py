"""Which part of a split each row is in, and whether the parts can be used. Pure: no I/O.

A hash needs one row, and a time only what begins the later parts: tables may be split in pieces, as Spark does.
"""

import hashlib
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from model_package.rows.split import PARTS, TEST, TRAIN, VALIDATION
from model_package.schema import BINARY_CLASSIFICATION, Schema
from model_package.tasks import Task

# In standard errors of a share. Chance alone exceeds this about once in 15,000 splits.
LARGEST_DEVIATION = 4.0
SMALLEST_CLASS = 1
# Of a class with fewer test rows a rate has an error of ten points or more.
FEW_ROWS = 10
SHOWN_NAMES = 8
CONSEQUENCES = {
    TRAIN: "the model cannot learn it, and its probability is always 0",
    VALIDATION: "its probability is calibrated with the other classes",
    TEST: "nothing is known of how well it is found, and metrics are means of the other classes",
}

# The constants of SplitMix64 (Steele, Lea, Flood 2014): a full-avalanche permutation of 64-bit integers.
_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_FIRST_FACTOR = np.uint64(0xBF58476D1CE4E5B9)
_SECOND_FACTOR = np.uint64(0x94D049BB133111EB)
_SALT_BYTES = 8
# A float64 holds 53 bits: the upper 53 of the 64 give an exact fraction below 1.
_FRACTION_BITS = 53
_DAY_MICROSECONDS = 24 * 60 * 60 * 1_000_000


class SplitError(Exception):
    """The split cannot be used for training and testing."""


@dataclass(frozen=True)
class Shares:
    """Fractions of the rows for validation and test; the rest train."""

    validation: float
    test: float

    def __post_init__(self) -> None:
        """Refuse shares that leave a part empty."""
        if min(self.validation, self.test) <= 0 or self.validation + self.test >= 1:
            raise SplitError(
                f"validation {self.validation} and test {self.test} must be above 0 and add up to less than 1"
            )


def fractions(identifiers: npt.NDArray[np.int64], salt: str) -> npt.NDArray[np.float64]:
    """Map ids [rows] to fractions in [0, 1) [rows], evenly and the same on every machine and version.

    The fraction is splitmix64(id xor key) / 2**64 in steps of 2**-53, where key is the little-endian 64-bit
    BLAKE2b of the salt. Plain integer arithmetic, so that no library's own hash can change it.
    """
    key = np.frombuffer(hashlib.blake2b(salt.encode(), digest_size=_SALT_BYTES).digest(), dtype="<u8")[0]
    mixed = (identifiers.astype(np.int64).view(np.uint64) ^ key) + _GAMMA
    mixed = (mixed ^ (mixed >> np.uint64(30))) * _FIRST_FACTOR
    mixed = (mixed ^ (mixed >> np.uint64(27))) * _SECOND_FACTOR
    mixed ^= mixed >> np.uint64(31)
    return (mixed >> np.uint64(64 - _FRACTION_BITS)).astype(np.float64) / 2.0**_FRACTION_BITS


def assign(identifiers: npt.NDArray[np.int64], shares: Shares, salt: str) -> npt.NDArray[np.str_]:
    """Return the part of each id [rows]. Test has the lowest fractions: another validation share moves no test row."""
    where = fractions(identifiers, salt)
    names = np.where(where < shares.test + shares.validation, VALIDATION, TRAIN)
    return np.where(where < shares.test, TEST, names)


def identities(rows: pl.DataFrame, schema: Schema) -> npt.NDArray[np.int64]:
    """Return a number per row [rows] that stays the same in every file: the id, or a hash of the id or of the row.

    Rows without an id that are equal in everything get a number each, by their order.
    """
    if schema.identifier:
        return numbered(rows[schema.identifier])
    lines = pl.DataFrame([row_lines(rows, schema)])
    return line_identities(lines["line"], lines.select(pl.int_range(pl.len()).over("line")).to_series())


def row_lines(rows: pl.DataFrame, schema: Schema) -> pl.Series:
    """Return a text per row [rows], `line`, equal for rows that are equal in everything."""
    texts = pl.col(schema.columns).cast(pl.String).fill_null("")
    return rows.select(pl.concat_str(texts, separator="\0").alias("line")).to_series()


def line_identities(lines: pl.Series, numbers: pl.Series) -> npt.NDArray[np.int64]:
    """Return a number per row [rows] without an id, from its line and its number, from 0, among rows of that line."""
    return _hashes(pl.select(pl.concat_str(lines, numbers, separator="\0")).to_series())


def groups(rows: pl.DataFrame, schema: Schema) -> npt.NDArray[np.int64]:
    """Return a number per row [rows], equal for the rows of one group. Raises SplitError for rows without a group."""
    column = rows[schema.group]
    refuse_missing(column.null_count(), schema.group)
    return numbered(column)


def numbered(values: pl.Series) -> npt.NDArray[np.int64]:
    """Return a number per id or group [rows]: itself, or a hash of its text."""
    if values.dtype.is_integer():
        return values.cast(pl.Int64).to_numpy()
    return _hashes(values.cast(pl.String))


def _hashes(texts: pl.Series) -> npt.NDArray[np.int64]:
    digests = b"".join(hashlib.blake2b(text.encode(), digest_size=_SALT_BYTES).digest() for text in texts)
    return np.frombuffer(digests, dtype="<i8").astype(np.int64)


@dataclass(frozen=True)
class Cutoffs:
    """The times with which validation and test begin, and what is left out before them, in the unit of the times."""

    validation: Any
    test: Any
    gap: float


def assign_by_time(times: pl.Series, shares: Shares, gap: float = 0.0) -> npt.NDArray[np.str_]:
    """Return the part of each time [rows]: the newest test, the oldest train; equal times are in one part.

    Times less than `gap` before a later part begins are in none, "". It is in days of a moment, else in the column's
    unit. Raises SplitError when there are too few different times.
    """
    moments = moments_of(times)
    cutoffs = time_cutoffs(moments, shares, gap_between(gap, is_moment=times.dtype.is_temporal()))
    parts = parts_by_time(moments, cutoffs)
    refuse_empty_parts(set(parts.tolist()), times.name)
    return parts


def moments_of(times: pl.Series) -> npt.NDArray[Any]:
    """Return times [rows] as numbers, moments in microseconds. Raises SplitError where some are missing."""
    refuse_missing(times.null_count(), times.name)
    if times.dtype.is_temporal():
        times = times.cast(pl.Datetime("us"))
    return times.to_physical().to_numpy()


def gap_between(gap: float, *, is_moment: bool) -> float:
    """Return a gap in the unit of `moments_of`."""
    return gap * _DAY_MICROSECONDS if is_moment else gap


def time_cutoffs(moments: npt.NDArray[Any], shares: Shares, gap: float) -> Cutoffs:
    """Return where the parts of all moments [rows] begin."""
    ordered = np.sort(moments)
    held_out = ordered[int(len(ordered) * (1 - shares.test))]
    return Cutoffs(ordered[int(len(ordered) * (1 - shares.test - shares.validation))], held_out, gap)


def parts_by_time(moments: npt.NDArray[Any], cutoffs: Cutoffs) -> npt.NDArray[np.str_]:
    """Return the part of each of some moments [rows], "" for those that are left out."""
    tuning, held_out, gap = cutoffs.validation, cutoffs.test, cutoffs.gap
    parts = np.where(moments >= held_out, TEST, np.where(moments >= tuning, VALIDATION, TRAIN))
    if not gap:
        return parts
    left_out = ((parts == TRAIN) & (moments > tuning - gap)) | ((parts == VALIDATION) & (moments > held_out - gap))
    return np.where(left_out, "", parts)


def refuse_missing(count: int, name: str) -> None:
    """Raise SplitError if rows lack the time or the group by which they are split."""
    if count:
        raise SplitError(f"{count:,} rows have no {name}, by which they are split")


def refuse_empty_parts(present: Collection[str], time: str) -> None:
    """Raise SplitError if a split by time has a part without rows; `present` are the parts with rows."""
    empty = " and ".join(part for part in PARTS if part not in present)
    if empty and "" in present:
        raise SplitError(f"no row is left for {empty}: write a smaller `gap` into schema.yml")
    if empty:
        raise SplitError(
            f"no row is left for {empty}: too many rows have the same {time}; "
            "remove `time` from schema.yml, or name a finer column"
        )


def describe(target: npt.NDArray[Any], parts: npt.NDArray[np.str_], task: Task) -> dict[str, dict[str, Any]]:
    """Say of each part how many rows it has, and of which outcomes, as the task tells them apart."""
    return describe_parts({part: target[parts == part] for part in (*PARTS, "")}, task)


def describe_parts(targets: Mapping[str, npt.NDArray[Any]], task: Task) -> dict[str, dict[str, Any]]:
    """Say the same of the targets of each part [rows of the part]; those of "" are in none."""
    if task.base == BINARY_CLASSIFICATION:
        return _with_deviation(targets)
    described: dict[str, dict[str, Any]] = {}
    for part in PARTS:
        inside = targets[part]
        described[part] = {"rows": len(inside)}
        if counts := task.class_counts(inside):
            described[part]["classes"] = counts
        elif len(inside):
            described[part] |= task.facts(inside)
    return described


def _with_deviation(targets: Mapping[str, npt.NDArray[np.int8]]) -> dict[str, dict[str, Any]]:
    """Count rows and positives of each part, with the share's deviation from the whole in standard errors."""
    rate = sum(int(each.sum()) for each in targets.values()) / sum(map(len, targets.values()))
    described = {}
    for part in PARTS:
        rows, positives = len(targets[part]), int(targets[part].sum())
        error = math.sqrt(rate * (1 - rate) / rows) if rows else 0.0
        described[part] = {
            "rows": rows,
            "positives": positives,
            "positive_rate": positives / rows if rows else 0.0,
            "deviation": (positives / rows - rate) / error if error else 0.0,
        }
    return described


def check(described: dict[str, dict[str, Any]], *, by_chance: bool = True) -> None:
    """Raise SplitError if training or testing cannot work with a part, or no chance explains its share of positives."""
    for part, facts in described.items():
        if not facts["rows"]:
            raise SplitError(f"no row is left for {part}: use more data or larger shares")
        present = [name for name, rows in facts.get("classes", {}).items() if rows]
        if len(present) == 1:
            raise SplitError(
                f"all {facts['rows']:,} rows of the {part} part are {present[0]}; "
                "it needs rows of two classes at least: use more data or larger shares"
            )
        if "positives" not in facts:
            continue
        if min(facts["positives"], facts["rows"] - facts["positives"]) < SMALLEST_CLASS:
            raise SplitError(
                f"the {part} part has {facts['positives']} positives among {facts['rows']} rows; "
                "it needs rows of both classes: use more data or larger shares"
            )
        if by_chance and abs(facts["deviation"]) > LARGEST_DEVIATION:
            raise SplitError(
                f"the {part} part has {facts['positive_rate']:.1%} positives, {facts['deviation']:+.1f} "
                f"standard errors from the whole (limit {LARGEST_DEVIATION:g}): "
                "ids are not independent of the target, or choose another salt"
            )


def warnings(described: dict[str, dict[str, Any]]) -> list[str]:
    """Say which classes a part lacks or hardly has, and what follows from that."""
    found = []
    for part, facts in described.items():
        classes = facts.get("classes", {})
        absent = [name for name, rows in classes.items() if not rows]
        rare = [name for name, rows in classes.items() if 0 < rows < FEW_ROWS]
        if absent:
            found.append(f"no row of the {part} part is {_listed(absent)}: {CONSEQUENCES[part]}")
        if rare and part == TEST:
            found.append(
                f"fewer than {FEW_ROWS} rows of the {part} part are {_listed(rare)}: what is measured of these is rough"
            )
        if "mean_target" in facts and not facts["standard_deviation_target"]:
            found.append(f"all rows of the {part} part have the same target: R² is not defined on it")
    return found


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN_NAMES} more" if len(names) > SHOWN_NAMES else ""
    return " or ".join(names[:SHOWN_NAMES]) + more


def sentence(part: str, facts: dict[str, Any]) -> str:
    """Return what a part has in one line."""
    line = f"{part}: {facts['rows']:,} rows"
    if "positive_rate" in facts:
        return f"{line}, {facts['positive_rate']:.2%} positive"
    if "mean_target" in facts:
        mean, spread = facts["mean_target"], facts["standard_deviation_target"]
        return f"{line}, mean {mean:.6g}, standard deviation {spread:.6g}"
    ordered = sorted(facts.get("classes", {}).items(), key=lambda entry: -entry[1])
    more = f" and {len(ordered) - SHOWN_NAMES} more classes" if len(ordered) > SHOWN_NAMES else ""
    shown = ", ".join(f"{rows:,} {name}" for name, rows in ordered[:SHOWN_NAMES])
    return f"{line}: {shown}{more}" if shown else line


def tracked(described: dict[str, dict[str, Any]]) -> dict[str, float]:
    """Return the numbers of the parts for tracking; counts of classes, whose names may be anything, are left out."""
    return {
        f"{part}_{key}": value
        for part, facts in described.items()
        for key, value in facts.items()
        if not isinstance(value, dict)
    }
