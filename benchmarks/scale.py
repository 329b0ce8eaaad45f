"""Measures what the steps cost as a table grows: processor time and memory of each, at several numbers of rows.

Every step runs as a process of its own on generated rows: the validation of a CSV file, the split and the batch scoring
of parquet, and the distributed training in one process and in two. With Spark's group installed (`uv sync --group
spark`), the split and the scoring run on Sail too, as they do on the emulator. Processor time is that of all processes
of a step, imports too, so that a busy machine says nearly the same; memory is the peak of the largest process.

A line is straight where a million rows more cost the same at any size. The first size holds the imports.
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
from harness.figures import Figure, report
from harness.steps.child_cost import Cost, Program, as_ranks, run_together
from harness.steps.model_packages import make_package, sample_generator
from harness.steps.spark_step import is_installed, spark_step
from polars.io.plugins import register_io_source

from model_package.package import write_schema
from model_package.schema_file import read_schema_file

ROOT = Path(__file__).resolve().parent.parent
COMPONENTS = ROOT / "components"
ROWS = (1_000_000, 3_000_000, 10_000_000)
BLOCK = 100_000
TREES = 200
# Of the distributed training, whose cost is that of its trees.
ITERATIONS = 50
# Beyond this, only the steps whose memory does not grow with the rows run, unless they are asked for.
MOST_HELD = 3_000_000
MOST_MEGABYTES = 3_000
# What a million rows more may add to the memory of a step that streams: ids, hashes and parts, and no rows.
MOST_PER_MILLION = 150
MOST_TIMES_POLARS = 2.0
# What a further row may cost between any two sizes against the first two.
MOST_BEND = 1.35
VALIDATE, PREPARE, SCORE, ONE, TWO = "validate", "prepare", "score", "train-1", "train-2"
# What a step on Sail does, in the steps of polars.
ON_SPARK = {"prepare-spark": (VALIDATE, PREPARE), "score-spark": (SCORE,)}
STEPS = (VALIDATE, PREPARE, SCORE, ONE, TWO, *ON_SPARK)
HELD = (ONE, TWO)
# Those that stream: their memory is held to MOST_MEGABYTES.
STREAMED = (VALIDATE, PREPARE, SCORE)
TITLES = {
    VALIDATE: "validate_data, CSV",
    PREPARE: "prepare_data, parquet",
    SCORE: f"score_batch, parquet, {TREES} trees",
    ONE: f"train_distributed, 1 process, {ITERATIONS} trees",
    TWO: f"train_distributed, 2 processes, {ITERATIONS} trees",
    "prepare-spark": "both of these on Sail, CSV",
    "score-spark": "score_batch_spark on Sail, parquet",
}

EXAMPLES = """examples:
  uv run python benchmarks/scale.py                                   # 1, 3 and 10 million rows: about 20 minutes
  uv run python benchmarks/scale.py --rows 100000 300000              # a first look
  uv run python benchmarks/scale.py --steps prepare score --rows 10000000 30000000
  uv run python benchmarks/scale.py --picture docs/images/scale.svg   # draws the curves of docs/scale.md
  uv run python benchmarks/scale.py --from scale.json --picture docs/images/scale.svg
"""

Costs = dict[str, dict[int, Cost]]


@dataclass(frozen=True)
class Place:
    """The rows of one size, and a folder for what the steps write."""

    rows: int
    validated: Path
    folder: Path
    package: Path

    @property
    def split(self) -> Path:
        """What prepare_data writes."""
        return self.folder / "split"

    def csv(self) -> Path:
        """The rows as a CSV file, which is made when it is asked for."""
        file = self.folder / "rows.csv"
        pl.scan_parquet(self.validated / "*.parquet").sink_csv(file)
        return file


def main() -> int:
    """Measure, print, and draw if asked to."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, epilog=EXAMPLES, formatter_class=raw)
    parser.add_argument("--rows", type=int, nargs="+", default=list(ROWS), help="the sizes (default: 1, 3, 10 million)")
    parser.add_argument("--steps", nargs="+", choices=STEPS, help="only these, at every size (default: all)")
    parser.add_argument("--folder", type=Path, help="where rows are kept meanwhile (default: a temporary folder)")
    parser.add_argument("--costs", type=Path, metavar="FILE", help="write what was measured as JSON")
    parser.add_argument(
        "--from", dest="given", type=Path, nargs="+", metavar="FILE", help="measure nothing: read those"
    )
    parser.add_argument("--picture", type=Path, metavar="FILE", help="draw the curves (.svg or .png)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    costs = _read(arguments.given) if arguments.given else _measured(arguments)
    if arguments.picture:
        draw(costs, arguments.picture)
    return report("What the steps cost as a table grows", figures(costs), as_json=arguments.json)


def _measured(arguments: argparse.Namespace) -> Costs:
    """Run the steps; what is known so far is in the file of costs after each of them."""
    costs: Costs = {}
    steps: list[str] | None = arguments.steps
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        folder = Path(name)
        is_scored = {SCORE, "score-spark"} & set(steps or STEPS)
        package = make_package(folder / "package", TREES) if is_scored else folder
        for rows in sorted(arguments.rows):
            chosen = steps or [each for each in STEPS if rows <= MOST_HELD or each not in HELD]
            made = folder / str(rows)
            place = Place(rows, generate(made / "validated", rows), made, package)
            for step, cost in _of_size(place, chosen):
                costs.setdefault(step, {})[rows] = cost
                if arguments.costs:
                    _write(costs, arguments.costs)
                print(f"{rows:>12,} rows  {TITLES[step]:<48} {cost}", file=sys.stderr, flush=True)
            shutil.rmtree(made)
    return costs


def generate(folder: Path, rows: int) -> Path:
    """Write what validate_data writes: synthetic rows with unique ids in one parquet file, and their schema."""
    folder.mkdir(parents=True)
    write_schema(folder, read_schema_file(ROOT / "schema.yml"))
    made = sample_generator()

    def blocks(*_: object) -> Iterator[pl.DataFrame]:
        for first in range(0, rows, BLOCK):
            yield made(min(BLOCK, rows - first), seed=first + 1).with_columns(pl.col("ID") + first)

    register_io_source(blocks, schema=made(1).schema).sink_parquet(folder / "rows.parquet")
    return folder


def _of_size(place: Place, steps: Sequence[str]) -> Iterator[tuple[str, Cost]]:
    run: Mapping[str, Callable[[Place], Cost]] = {
        VALIDATE: _validate,
        PREPARE: _prepare,
        SCORE: _score,
        ONE: lambda each: _train(each, 1),
        TWO: lambda each: _train(each, 2),
        "prepare-spark": _prepare_on_spark,
        "score-spark": _score_on_spark,
    }
    if {ONE, TWO} & set(steps) and PREPARE not in steps:
        _prepare(place)
    for step in STEPS:
        if step in steps and (step not in ON_SPARK or is_installed()):
            yield step, run[step](place)


def _validate(place: Place) -> Cost:
    file, out = place.csv(), place.folder / "checked"
    cost = _step("validate_data", data=file, schema=ROOT / "schema.yml", validated_data=out, validation_report=out)
    file.unlink()
    shutil.rmtree(out)
    return cost


def _prepare(place: Place) -> Cost:
    return _step("prepare_data", validated_data=place.validated, split_data=place.split)


def _score(place: Place) -> Cost:
    out, script = place.folder / "scored", ROOT / "endpoints" / "batch" / "score_batch.py"
    rows = place.validated / "rows.parquet"
    words = [script, "--data", rows, "--model", place.package, "--predictions", out, "--outcomes", out / "outcomes"]
    cost = run_together(Program([sys.executable, *map(str, words)]))
    shutil.rmtree(out)
    return cost


def _train(place: Place, processes: int) -> Cost:
    out = place.folder / "trained"
    words = _words("train_distributed", split_data=place.split, trained_model=out, iterations=ITERATIONS)
    programs = as_ranks(words, processes) if processes > 1 else [Program(words)]
    # Threads that wait for a processor that others use would count as work.
    programs = [replace(each, variables={**each.variables, "OMP_WAIT_POLICY": "passive"}) for each in programs]
    cost = run_together(*programs)
    shutil.rmtree(out)
    return cost


def _prepare_on_spark(place: Place) -> Cost:
    file, checked, out = place.csv(), place.folder / "spark-checked", place.folder / "spark-report"
    first = _on_spark(
        "validate_data_spark", data=file, schema=ROOT / "schema.yml", validated_data=checked, validation_report=out
    )
    second = _on_spark("prepare_data_spark", validated_data=checked, split_data=place.folder / "spark-split")
    file.unlink()
    return Cost(first.seconds + second.seconds, max(first.megabytes, second.megabytes))


def _score_on_spark(place: Place) -> Cost:
    out, data = place.folder / "on-spark", place.folder / "data"
    data.mkdir()
    (data / "rows.parquet").hardlink_to(place.validated / "rows.parquet")
    return _on_spark(
        "score_batch_spark", data=data, model=place.package, predictions=out / "predictions", outcomes=out / "outcomes"
    )


def _on_spark(component: str, **options: Path) -> Cost:
    with spark_step(component, _options(options)) as program:
        return run_together(program)


def _step(name: str, **options: object) -> Cost:
    return run_together(Program(_words(name, **options)))


def _words(name: str, **options: object) -> list[str]:
    return [sys.executable, str(COMPONENTS / name / f"{name}.py"), *_options(options)]


def _options(options: Mapping[str, object]) -> list[str]:
    return [word for name, value in options.items() for word in (f"--{name.replace('_', '-')}", str(value))]


def figures(costs: Costs) -> list[Figure]:
    """Every cost, and what is held to a limit: memory of what streams, straight lines, and Spark against polars."""
    found = []
    for step, by_rows in costs.items():
        for rows, cost in by_rows.items():
            name = f"{TITLES[step]}: {rows / 1e6:g} M rows"
            found.append(Figure(name, cost.seconds, "s", note="processor time"))
            limit = MOST_MEGABYTES if step in STREAMED else None
            found.append(Figure(name, cost.megabytes, "MB", limit, note="largest process"))
        if (bend := _bend(by_rows)) is not None:
            found.append(Figure(f"{TITLES[step]}: a row more, against the first", bend, "x", MOST_BEND))
        if step in STREAMED and len(by_rows) > 1:
            name = f"{TITLES[step]}: memory of a million rows more"
            found.append(Figure(name, _growth(by_rows), "MB", MOST_PER_MILLION))
    for rows in sorted(costs.get(TWO, {}).keys() & costs.get(ONE, {}).keys()):
        ratio = costs[TWO][rows].seconds / costs[ONE][rows].seconds
        found.append(Figure(f"training in 2 processes / in 1: {rows / 1e6:g} M rows", ratio, "x"))
    for step, others in ON_SPARK.items():
        measured = [costs.get(name, {}) for name in (step, *others)]
        for rows in sorted(set.intersection(*map(set, measured))):
            ours, *theirs = (each[rows].seconds for each in measured)
            limit = MOST_TIMES_POLARS if rows >= ROWS[1] else None
            name = f"{' and '.join(others)} on Sail / in polars: {rows / 1e6:g} M rows"
            found.append(Figure(name, ours / sum(theirs), "x", limit))
    return found


def _bend(by_rows: Mapping[int, Cost]) -> float | None:
    """The most that a further row costs on a line of three sizes or more, against its beginning."""
    if len(by_rows) < 3:
        return None
    sizes = sorted(by_rows)
    slopes = [(by_rows[more].seconds - by_rows[less].seconds) / (more - less) for less, more in pairwise(sizes)]
    return max(slopes[1:]) / slopes[0] if slopes[0] > 0 else math.inf


def _growth(by_rows: Mapping[int, Cost]) -> float:
    """Megabytes that a million rows add, from the smallest to the largest size."""
    least, most = min(by_rows), max(by_rows)
    return (by_rows[most].megabytes - by_rows[least].megabytes) / (most - least) * 1e6


def draw(costs: Costs, file: Path) -> None:
    """Draw processor time and memory over rows, a line per step."""
    import matplotlib as mpl

    mpl.use("agg")
    import matplotlib.pyplot as plt

    # The same picture for the same numbers.
    mpl.rcParams.update({"svg.hashsalt": "scale", "svg.fonttype": "none", "font.size": 9})
    figure, (seconds, memory) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    for step, by_rows in costs.items():
        millions = [rows / 1e6 for rows in sorted(by_rows)]
        ordered = [by_rows[rows] for rows in sorted(by_rows)]
        seconds.plot(millions, [each.seconds for each in ordered], marker="o", markersize=3, label=TITLES[step])
        memory.plot(millions, [each.megabytes / 1e3 for each in ordered], marker="o", markersize=3)
    memory.axhline(MOST_MEGABYTES / 1e3, color="0.6", linestyle=":")
    for axis, title in ((seconds, "processor time, seconds"), (memory, "memory of the largest process, GB")):
        axis.set(title=title, xlabel="million rows", xlim=(0, None), ylim=(0, None))
        axis.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    figure.savefig(file, metadata={"Date": None} if file.suffix == ".svg" else None, dpi=110)
    plt.close(figure)


def _write(costs: Costs, file: Path) -> None:
    document = {
        step: {str(rows): [each.seconds, each.megabytes] for rows, each in found.items()}
        for step, found in costs.items()
    }
    file.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def _read(files: Sequence[Path]) -> Costs:
    costs: Costs = {}
    for file in files:
        document: dict[str, dict[str, Any]] = json.loads(file.read_text(encoding="utf-8"))
        for step, found in document.items():
            costs.setdefault(step, {}).update({int(rows): Cost(*each) for rows, each in found.items()})
    return {step: dict(sorted(costs[step].items())) for step in STEPS if step in costs}


if __name__ == "__main__":
    sys.exit(main())
