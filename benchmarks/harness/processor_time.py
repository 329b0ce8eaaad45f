"""Processor time of process groups, from /proc (Linux): what a request costs on a machine that others use as well.

Wall time says what a caller waits, and grows with everything else that runs; processor time hardly does.
"""

from __future__ import annotations

import os
from pathlib import Path

_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
# Positions in the process's number and what follows its command's name, which is in brackets and may hold anything
# (proc(5), /proc/pid/stat). Of ended children the times are their parent's.
_PROCESS, _PARENT, _GROUP, _USER_TICKS, _SYSTEM_TICKS, _ENDED_USER, _ENDED_SYSTEM = 0, 2, 3, 12, 13, 14, 15


def group_seconds(group: int) -> float:
    """Seconds of processor time that the living processes of a group have used so far."""
    return sum(_ticks(stat) for stat in _stats() if int(stat[_GROUP]) == group) / _TICKS_A_SECOND


def tree_seconds(root: int) -> float:
    """Seconds of processor time of a process and its descendants so far; of ended ones once they were waited for."""
    stats = {int(stat[_PROCESS]): stat for stat in _stats()}
    tree, found = set[int](), {root}
    while found - tree:
        tree |= found
        found = {process for process, stat in stats.items() if int(stat[_PARENT]) in tree}
    living = [stats[process] for process in tree if process in stats]
    return sum(_ticks(stat) + int(stat[_ENDED_USER]) + int(stat[_ENDED_SYSTEM]) for stat in living) / _TICKS_A_SECOND


def group_memory(group: int) -> float:
    """Megabytes that the living processes of a group take; what several share is divided among them (PSS)."""
    members = [stat[_PROCESS] for stat in _stats() if int(stat[_GROUP]) == group]
    lines = [line for pid in members for line in Path("/proc", pid, "smaps_rollup").read_text().splitlines()]
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def _stats() -> list[list[str]]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                found.append([entry.name, *(entry / "stat").read_text().rpartition(")")[2].split()])
            except (FileNotFoundError, ProcessLookupError):
                # It ended while the folder was read.
                continue
    return found


def _ticks(stat: list[str]) -> int:
    return int(stat[_USER_TICKS]) + int(stat[_SYSTEM_TICKS])
