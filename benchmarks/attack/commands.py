"""Kills commands of a released project at random moments, and runs them again: they must come to their end.

After each, the audit log is whole, and every stage answers with the model that it had.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time

from attack.findings import Findings
from attack.released import Released, command_line, environment, released

LONGEST_SECONDS = 12.0
# A command and what it may end with when it is run again: a rollback may have nothing to go back to.
COMMANDS: list[tuple[tuple[str, ...], set[int]]] = [
    (("deploy", "--stage", "dev"), {0}),
    (("deploy", "--stage", "staging"), {0}),
    (("rollback", "--stage", "dev"), {0, 5}),
    (("train",), {0}),
    (("monitor", "--stage", "prod"), {0, 10, 11, 12, 13}),
    (("gate", "--stage", "staging"), {0, 1}),
]


def kill_commands(count: int, seed: int) -> Findings:
    """Kill `count` commands."""
    findings, rng = Findings("commands"), random.Random(seed)  # noqa: S311 - to be repeated
    with released() as there:
        before = _live(there)
        for _ in range(count):
            words, allowed = rng.choice(COMMANDS)
            killed = _killed(there, words, rng.uniform(0.2, LONGEST_SECONDS))
            findings.saw(f"{words[0]} {'killed' if killed else 'ended first'}")
            again = there.mlops(*words)
            if again.returncode not in allowed:
                findings.add(f"{words} again: exit {again.returncode}: {(again.stdout + again.stderr)[-600:]}")
            history = there.mlops("history")
            if history.returncode:
                findings.add(f"after {words}: the audit log: {(history.stdout + history.stderr)[-600:]}")
            changed = {stage: now for stage, now in _live(there).items() if stage != "dev" and now != before.get(stage)}
            if changed:
                findings.add(f"after {words}: {changed} instead of {before}")
            findings.progress(count)
    return findings


def _killed(there: Released, words: tuple[str, ...], seconds: float) -> bool:
    """Start a command, kill it and what it started after some seconds; False when it had ended by then."""
    command = command_line(there.repository, *words)
    devnull = subprocess.DEVNULL
    process = subprocess.Popen(command, env=environment(), stdout=devnull, stderr=devnull, start_new_session=True)
    time.sleep(seconds)
    running = process.poll() is None
    if running:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    print(f"commands: {' '.join(words)} after {seconds:.1f} s", file=sys.stderr, flush=True)
    return running


def _live(there: Released) -> dict[str, str]:
    """The digest that each stage runs."""
    done = there.mlops("status", "--json")
    stages = json.loads(done.stdout).get("stages", {})
    found = stages.items() if isinstance(stages, dict) else ((each["stage"], each) for each in stages)
    return {name: json.dumps(stage.get("model") or stage.get("digest")) for name, stage in found}
