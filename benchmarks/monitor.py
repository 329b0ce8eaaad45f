"""Shows which rules of releases/monitor.yml fire for drifts of known size, and how often one fires without any.

Windows of 3,000 labelled rows of a small model's traffic, in each of which one thing was planted; and 200 windows of
500 to 2,000 rows, half of them labelled, in which nothing was. All of it comes from seeds: the table is the same
everywhere. What is planted, and what must come of it, is tests/components/planted.py, which the tests hold too.

    uv run python benchmarks/monitor.py
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from harness.figures import Figure, report

# In front: the step has a drift.py as well.
sys.path[:0] = [
    str(Path(__file__).resolve().parent.parent / each)
    for each in ("tests/components", "components/monitor_model", "components/package_model")
]
from monitoring_world import make_package  # noqa: E402 - of the tests, which are no package here
from planted import (  # noqa: E402
    FEATURE,
    MOST_FALSE_ALARMS,
    PLANTS,
    QUIET_WINDOWS,
    alarms,
    false_alarms,
    planted,
    small_rules,
)

COLUMNS = ("planted", FEATURE, "verdict", "asks for a newer model", "rules that fire")


def main() -> int:
    """Print the table and its figures; the exit code is 1 when something is not as it must be."""
    raw = argparse.RawDescriptionHelpFormatter
    argparse.ArgumentParser(description=__doc__, formatter_class=raw).parse_args()
    package, rules = make_package(), small_rules()
    rows, as_it_must = [], 0
    for plant in PLANTS:
        verdict = planted(plant, package, rules)
        fired = alarms(verdict)
        as_it_must += verdict.state == plant.state and plant.fires <= fired and not plant.silent & fired
        (drift,) = (each.observed for each in verdict.outcomes if each.rule.measure == FEATURE)
        shown = "-" if drift is None else f"{drift:.3f}"
        asks = "yes" if verdict.retrain else "no"
        rows.append((plant.name, shown, verdict.state, asks, ", ".join(sorted(fired)) or "none"))
    print_table(rows)
    fired_in = false_alarms(package, rules)
    for seed, names in fired_in.items():
        print(f"false alarm in the window of seed {seed}: {', '.join(sorted(names))}")
    figures = [
        Figure("planted, and judged as they must be", as_it_must, "", len(PLANTS), "higher"),
        Figure(f"false alarms in {QUIET_WINDOWS} windows of no drift", len(fired_in), "", MOST_FALSE_ALARMS),
    ]
    return report("Planted drifts and what the monitor says of them", figures, as_json=False)


def print_table(rows: list[tuple[str, ...]]) -> None:
    """As Markdown, its columns under each other."""
    widths = [max(len(row[at]) for row in (COLUMNS, *rows)) for at in range(len(COLUMNS))]
    for row in (COLUMNS, tuple("-" * width for width in widths), *rows):
        print("| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |")


if __name__ == "__main__":
    sys.exit(main())
