"""Shows which rules of releases/monitor.yml fire for drifts of known size, and how often one fires without any.

Windows of 3,000 labelled rows of a small model's traffic, into each of which one thing was injected; and 200 windows of
500 to 2,000 rows, half of them labelled, into which nothing was. All of it comes from seeds: the table is the same
everywhere. What is injected, and what must come of it, is injected_drift.py of the tests, which hold it too.

    uv run python benchmarks/monitor.py
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from harness.figures import Figure, report

sys.path[:0] = [
    str(Path(__file__).resolve().parent.parent / "packages" / each)
    for each in ("mlops/tests/monitoring", "model-package/tests/harness")
]
from injected_drift import (  # noqa: E402 - of the tests, which are no package here
    FEATURE,
    INJECTIONS,
    MOST_FALSE_ALARMS,
    QUIET_WINDOWS,
    alarms,
    false_alarms,
    injected,
    small_rules,
)
from monitoring_harness import make_reference  # noqa: E402

COLUMNS = ("injected", FEATURE, "verdict", "asks for a newer model", "rules that fire")


def main() -> int:
    """Print the table and its figures; the exit code is 1 when something is not as it must be."""
    raw = argparse.RawDescriptionHelpFormatter
    argparse.ArgumentParser(description=__doc__, formatter_class=raw).parse_args()
    reference, rules = make_reference(), small_rules()
    rows, as_it_must = [], 0
    for injection in INJECTIONS:
        verdict = injected(injection, reference, rules)
        fired = alarms(verdict)
        as_it_must += verdict.state == injection.state and injection.fires <= fired and not injection.silent & fired
        (drift,) = (each.observed for each in verdict.outcomes if each.rule.measure == FEATURE)
        shown = "-" if drift is None else f"{drift:.3f}"
        asks = "yes" if verdict.retrain else "no"
        rows.append((injection.name, shown, verdict.state, asks, ", ".join(sorted(fired)) or "none"))
    print_table(rows)
    fired_in = false_alarms(reference, rules)
    for seed, names in fired_in.items():
        print(f"false alarm in the window of seed {seed}: {', '.join(sorted(names))}")
    figures = [
        Figure("injected, and judged as they must be", as_it_must, "", len(INJECTIONS), "higher"),
        Figure(f"false alarms in {QUIET_WINDOWS} windows of no drift", len(fired_in), "", MOST_FALSE_ALARMS),
    ]
    return report("Injected drifts and what the monitor says of them", figures, as_json=False)


def print_table(rows: list[tuple[str, ...]]) -> None:
    """As Markdown, its columns under each other."""
    widths = [max(len(row[at]) for row in (COLUMNS, *rows)) for at in range(len(COLUMNS))]
    for row in (COLUMNS, tuple("-" * width for width in widths), *rows):
        print("| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |")


if __name__ == "__main__":
    sys.exit(main())
