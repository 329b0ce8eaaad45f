"""Attacks an emulator and the gates of this project, in temporary folders, and says what it found.

    uv run --directory benchmarks python -m attack                  # fuzz and kills: some minutes
    uv run --directory benchmarks python -m attack --only fuzz --count 3500 --seed 7
    uv run --directory benchmarks python -m attack --only cheat commands

`fuzz` sends bodies that nobody would send to every route. `kills` ends the emulator, a client or a step at a random
moment, and looks whether everything that was acknowledged is there after a restart. `cheat` puts pull requests before
the gate that each must be refused, and `commands` kills commands of a released project and runs them again; both begin
with a demo in a clone. The same seed tries the same. Exits with 1 if anything was found.
"""

from __future__ import annotations

import argparse
import secrets
import sys
from collections.abc import Callable

from attack.findings import Findings

DEFAULT_COUNTS = {"fuzz": 3_500, "kills": 20, "cheat": 0, "commands": 8}


def main() -> int:
    """Run the attacks that are named, print a summary of each."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("attack", description=__doc__, formatter_class=raw)
    parser.add_argument("--only", nargs="+", choices=DEFAULT_COUNTS, default=["fuzz", "kills"], help="which attacks")
    parser.add_argument("--count", type=int, help="how many tries; by default " + str(DEFAULT_COUNTS))
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1 << 31), help="repeats an earlier run")
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", flush=True)
    done = [_attack(name)(arguments.count or DEFAULT_COUNTS[name], arguments.seed) for name in arguments.only]
    for findings in done:
        print(findings.summary())
    return int(any(findings.found for findings in done))


def _attack(name: str) -> Callable[[int, int], Findings]:
    # Imported when they run: the emulator's parts take a second.
    match name:
        case "fuzz":
            from attack.fuzzing import fuzz

            return fuzz
        case "kills":
            from attack.kills import kill

            return kill
        case "cheat":
            from attack.pull_requests import cheat

            return cheat
        case _:
            from attack.commands import kill_commands

            return kill_commands


if __name__ == "__main__":
    sys.exit(main())
