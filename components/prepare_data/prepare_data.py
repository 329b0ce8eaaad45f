"""Split rows into train, validation and test sets: by a stable hash of their id, or by time where the schema names it.

A row's part depends only on its id and the salt: in a refreshed, longer or reordered file, old rows stay in
their parts, so no row that tested one model ever trains the next. Without an id the whole row is the id. A hash leaves
the share of each class in each part to chance; the step reports it, and refuses a split whose deviation chance cannot
explain, or that training cannot work with. What is merely too rare is a warning. By time the newest rows test and the
oldest train, so that no model knows the future of its test rows; rows in the `gap` before a later part are left out.
Where schema.yml names a group, its rows are in one part, so that no model knows the customers of its test rows.
"""

import argparse
import hashlib
import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from model_package.documents import write_json
from model_package.package import read_schema, write_schema
from model_package.provenance import write_lineage
from model_package.rows.split import PARTS, TEST, TRAIN, VALIDATION, encode_target, part_file
from model_package.schema import BINARY_CLASSIFICATION, Schema
from model_package.steps.tracking import record
from model_package.tasks import Task, task_of

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

EXAMPLE = (
    "example: python components/prepare_data/prepare_data.py --validated-data out/validated --split-data out/split"
)


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
        return _numbered(rows[schema.identifier])
    line = pl.concat_str(pl.col(schema.columns).cast(pl.String).fill_null(""), separator="\0").alias("line")
    numbered = rows.select(line).with_columns(number=pl.int_range(pl.len()).over("line"))
    return _hashes(numbered.select(pl.concat_str("line", "number", separator="\0")).to_series())


def groups(rows: pl.DataFrame, schema: Schema) -> npt.NDArray[np.int64]:
    """Return a number per row [rows], equal for the rows of one group. Raises SplitError for rows without a group."""
    column = rows[schema.group]
    if column.null_count():
        raise SplitError(f"{column.null_count():,} rows have no {schema.group}, by which they are split")
    return _numbered(column)


def _numbered(values: pl.Series) -> npt.NDArray[np.int64]:
    if values.dtype.is_integer():
        return values.cast(pl.Int64).to_numpy()
    return _hashes(values.cast(pl.String))


def _hashes(texts: pl.Series) -> npt.NDArray[np.int64]:
    digests = b"".join(hashlib.blake2b(text.encode(), digest_size=_SALT_BYTES).digest() for text in texts)
    return np.frombuffer(digests, dtype="<i8").astype(np.int64)


def assign_by_time(times: pl.Series, shares: Shares, gap: float = 0.0) -> npt.NDArray[np.str_]:
    """Return the part of each time [rows]: the newest test, the oldest train; equal times are in one part.

    Times less than `gap` before a later part begins are in none, "". It is in days of a moment, else in the column's
    unit. Raises SplitError when there are too few different times.
    """
    if times.null_count():
        raise SplitError(f"{times.null_count():,} rows have no {times.name}, by which they are split")
    if times.dtype.is_temporal():
        times, gap = times.cast(pl.Datetime("us")), gap * _DAY_MICROSECONDS
    moments = times.to_physical().to_numpy()
    ordered = np.sort(moments)
    held_out = ordered[int(len(ordered) * (1 - shares.test))]
    tuning = ordered[int(len(ordered) * (1 - shares.test - shares.validation))]
    parts = np.where(moments >= held_out, TEST, np.where(moments >= tuning, VALIDATION, TRAIN))
    left_out = ((parts == TRAIN) & (moments > tuning - gap)) | ((parts == VALIDATION) & (moments > held_out - gap))
    if gap:
        parts = np.where(left_out, "", parts)
    empty = [part for part in PARTS if part not in parts]
    if empty and left_out.any() and gap:
        raise SplitError(f"no row is left for {' and '.join(empty)}: write a smaller `gap` into schema.yml")
    if empty:
        raise SplitError(
            f"no row is left for {' and '.join(empty)}: too many rows have the same {times.name}; "
            "remove `time` from schema.yml, or name a finer column"
        )
    return parts


def describe(target: npt.NDArray[Any], parts: npt.NDArray[np.str_], task: Task) -> dict[str, dict[str, Any]]:
    """Say of each part how many rows it has, and of which outcomes, as the task tells them apart."""
    if task.base == BINARY_CLASSIFICATION:
        return _with_deviation(target, parts)
    described: dict[str, dict[str, Any]] = {}
    for part in PARTS:
        inside = target[parts == part]
        described[part] = {"rows": len(inside)}
        if counts := task.class_counts(inside):
            described[part]["classes"] = counts
        elif len(inside):
            described[part] |= task.facts(inside)
    return described


def _with_deviation(target: npt.NDArray[np.int8], parts: npt.NDArray[np.str_]) -> dict[str, dict[str, Any]]:
    """Count rows and positives of each part, with the share's deviation from the whole in standard errors."""
    rate = float(target.mean())
    described = {}
    for part in PARTS:
        inside = target[parts == part]
        rows, positives = len(inside), int(inside.sum())
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


def write_split(rows: pl.DataFrame, parts: npt.NDArray[np.str_], folder: Path, schema: Schema) -> None:
    """Write one parquet file per part, sorted by id or by all columns, so that a reordered source gives the same."""
    folder.mkdir(parents=True, exist_ok=True)
    write_schema(folder, schema)
    order = [schema.identifier] if schema.identifier else list(schema.columns)
    for part in PARTS:
        inside = rows.select(schema.columns).filter(pl.Series(parts == part))
        inside.sort(order, maintain_order=True).write_parquet(part_file(folder, part))


def main() -> int:
    """Split validated rows; the exit code is 1 if the split is refused."""
    parser = argparse.ArgumentParser(description="Split rows by a stable hash of their id, or by time.", epilog=EXAMPLE)
    parser.add_argument("--validated-data", type=Path, required=True, help="folder written by validate_data")
    parser.add_argument("--split-data", type=Path, required=True, help="folder for the three parts")
    parser.add_argument("--validation-share", type=float, default=0.15, help="default: %(default)s")
    parser.add_argument("--test-share", type=float, default=0.25, help="default: %(default)s")
    parser.add_argument("--salt", default="split-1", help="another salt gives another split (%(default)s)")
    arguments = parser.parse_args()
    schema = read_schema(arguments.validated_data)
    rows = pl.scan_parquet(arguments.validated_data / "*.parquet").collect()
    try:
        shares = Shares(arguments.validation_share, arguments.test_share)
        if schema.time:
            parts = assign_by_time(rows[schema.time], shares, schema.gap)
        else:
            units = groups(rows, schema) if schema.group else identities(rows, schema)
            parts = assign(units, shares, arguments.salt)
        described = describe(encode_target(rows, schema), parts, task_of(schema))
        # Rows of a group are alike: chance alone moves a share further.
        check(described, by_chance=not (schema.time or schema.group))
    except SplitError as error:
        print(f"the split is refused: {error}", file=sys.stderr)
        return 1
    write_split(rows, parts, arguments.split_data, schema)
    document = {"salt": arguments.salt, "parts": described}
    if noted := warnings(described):
        document["warnings"] = noted
    write_json(arguments.split_data / "split.json", document)
    write_lineage(arguments.split_data, arguments.validated_data, __file__)
    settings = {key: getattr(arguments, key) for key in ("validation_share", "test_share", "salt")}
    record(settings, tracked(described))
    for part, facts in described.items():
        print(sentence(part, facts))
    for each in noted:
        print(f"warning: {each}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
