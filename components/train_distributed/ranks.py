"""The processes of one distributed training: who this one is, and how they meet.

Azure ML's `distribution: pytorch` says it in variables, on one machine or on several; without them a process is alone.
Rank 0 opens MASTER_PORT at MASTER_ADDR for the others to register at. XGBoost then opens one more port in each process,
on all of the machine's addresses and without a password: ranks belong into a network of their own.
"""

import os
import socket
import sys
import warnings
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt
from xgboost import collective
from xgboost.core import XGBoostError
from xgboost.tracker import RabitTracker

# Where a job says how many nodes it has.
_NODES = "AZUREML_NODE_COUNT"
_VARIABLES = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


class RankError(Exception):
    """The processes cannot work together; the message is for the author of the job."""


@dataclass(frozen=True)
class Ranks:
    """This process and the others: its `rank` of `size`, and where they meet. `nodes` are the machines."""

    rank: int = 0
    size: int = 1
    address: str = ""
    port: int = 0
    nodes: int = 1

    @classmethod
    def of(cls, variables: Mapping[str, str]) -> "Ranks":
        """Read the variables of a distributed job. Raises RankError for some of them only, or wrong ones."""
        given = [name for name in _VARIABLES if variables.get(name)]
        if "RANK" not in given:
            return cls()
        missing = [name for name in _VARIABLES if name not in given]
        if missing:
            raise RankError(f"RANK is set, and {', '.join(missing)} not: run the step with `distribution: pytorch`")
        try:
            rank, size, port, nodes = (
                int(variables.get(name) or 1) for name in ("RANK", "WORLD_SIZE", "MASTER_PORT", _NODES)
            )
        except ValueError as error:
            raise RankError(f"RANK, WORLD_SIZE, MASTER_PORT and {_NODES} must be numbers: {error}") from error
        if not 0 <= rank < size:
            raise RankError(f"RANK {rank} is not among the {size} of WORLD_SIZE")
        return cls(rank, size, variables["MASTER_ADDR"], port, nodes)

    @property
    def is_first(self) -> bool:
        """Whether this process writes and reports."""
        return self.rank == 0

    @property
    def share(self) -> tuple[int, int]:
        """Which rows this process reads: as `read_part` has it."""
        return self.rank, self.size

    @property
    def threads(self) -> int:
        """The processors of this machine, divided among the processes on it."""
        available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        # Processes that meet by loopback are on one machine, whatever it is called.
        machines = 1 if _is_loopback(self.address) else self.nodes
        return max(1, available // max(1, self.size // machines))

    @contextmanager
    def together(self, timeout: int) -> Generator[None]:
        """Meet the others, and part from them at the end.

        Each waits at most `timeout` seconds for another at any point. A process that loses the others ends with exit
        code 1 and says so. Raises RankError if they cannot meet.
        """
        if self.size == 1:
            yield
            return
        tracker = _tracker(self, timeout) if self.is_first else None
        try:
            with warnings.catch_warnings():
                # Of every attempt to reach the first process before it listens.
                warnings.simplefilter("ignore", UserWarning)
                collective.init(
                    dmlc_communicator="rabit",
                    dmlc_tracker_uri=self.address,
                    dmlc_tracker_port=self.port,
                    dmlc_task_id=str(self.rank),
                    dmlc_timeout=timeout,
                    # The pauses in between grow by two seconds each.
                    dmlc_retry=2 + int(timeout**0.5),
                )
            yield
            collective.finalize()
            if tracker is not None:
                tracker.wait_for(timeout)
        except XGBoostError as error:
            self._lost(error, timeout)

    def total(self, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return the sum of what each process gives."""
        return values if self.size == 1 else np.asarray(collective.allreduce(values, collective.Op.SUM))

    def _lost(self, error: XGBoostError, timeout: int) -> NoReturn:
        reasons = [line.strip(" -") for line in str(error).splitlines() if line.startswith("- [")]
        print(
            f"rank {self.rank} lost the others: one of the {self.size} processes has ended, or has not answered for "
            f"{timeout} s; the log of the one that did not finish says why ({'; '.join(reasons) or error})",
            file=sys.stderr,
            flush=True,
        )
        # XGBoost would go on looking for the others until it has told them.
        os._exit(1)


def _is_loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        # The name of a machine.
        return False


def _tracker(ranks: Ranks, timeout: int) -> Any:
    """Open the port at which the others register."""
    try:
        host = socket.gethostbyname(ranks.address)
        # XGBoost waits forever for a port that another program has.
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, ranks.port))
        tracker = RabitTracker(ranks.size, host_ip=host, port=ranks.port, sortby="task", timeout=timeout)
        tracker.start()
    except (OSError, XGBoostError) as error:
        raise RankError(
            f"rank 0 cannot listen on {ranks.address}:{ranks.port}, where the others would register: another program "
            "uses the port, or the address is not this machine's; run the job again"
        ) from error
    return tracker
