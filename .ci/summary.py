"""Adds up what pytest's summaries say: `python .ci/summary.py FOLDER --skips=allow|fail` reads every log of a folder.

Prints `N passed, N failed, N skipped` as the last line. Exits with 1 when a log has no summary or something failed, and
for skipped tests where they are not allowed. `--bare NAME` names a suite that runs without optional programs by design:
it may skip, as another suite runs the same tests with them.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections import Counter
from pathlib import Path
from typing import Final

SUMMARY: Final = re.compile(r"^(?:=+ )?((?:\d+ [a-z]+(?:, )?)+) in \d+\.\d+s.*$", re.MULTILINE)
COUNT: Final = re.compile(r"(\d+) ([a-z]+)")
ANSI: Final = re.compile(r"\x1b\[[0-9;]*m")
BAD: Final = ("failed", "error", "errors")


def main() -> int:
    """Read the logs, print one line per suite and the total."""
    parser = argparse.ArgumentParser(description="Adds up the summaries of several test runs.")
    parser.add_argument("folder", type=Path, help="holds one log per suite")
    parser.add_argument("--skips", choices=("allow", "fail"), default="allow", help="whether a skipped test fails")
    parser.add_argument("--bare", action="append", default=[], metavar="NAME", help="a suite that may always skip")
    given = parser.parse_args()
    total: Counter[str] = Counter()
    skipping: list[str] = []
    for log in sorted(given.folder.glob("*.log")):
        counts = read_summary(log.read_text(encoding="utf-8", errors="replace"))
        if not counts["passed"]:
            print(f"{log.stem}: no test passed", file=sys.stderr)
            return 1
        print(f"{log.stem}: {counts['passed']} passed, {counts['skipped']} skipped")
        total += counts
        if counts["skipped"] and log.stem not in given.bare:
            skipping.append(log.stem)
    failed = sum(total[word] for word in BAD)
    print(f"{total['passed']} passed, {failed} failed, {total['skipped']} skipped")
    if given.skips == "fail" and skipping:
        print(
            f"{', '.join(skipping)}: a test was skipped although every optional program was asked for", file=sys.stderr
        )
        return 1
    return 1 if failed or not total["passed"] else 0


def read_summary(text: str) -> Counter[str]:
    """The counts of pytest's last summary in a log; empty when there is none."""
    found = SUMMARY.findall(ANSI.sub("", text))
    return Counter({word: int(number) for number, word in COUNT.findall(found[-1])} if found else {})


if __name__ == "__main__":
    sys.exit(main())
