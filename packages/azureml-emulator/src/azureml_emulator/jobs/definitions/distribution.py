"""The processes of a distributed step: how many, and the variables and the log of each. Pure: no I/O.

All run on this machine. The variables are those that Azure sets for PyTorch, MPI and TensorFlow.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

HOST = "127.0.0.1"
MPI = "mpi"
PYTORCH = "pytorch"
TENSORFLOW = "tensorflow"
LOG_FOLDER = "user_logs"
STEP_LOG = f"{LOG_FOLDER}/std_log.txt"
Framework = Literal["pytorch", "mpi", "tensorflow"]


@dataclass(frozen=True)
class Distribution:
    """How many processes run a command. `workers` counts those on all instances, without parameter servers."""

    framework: Framework
    instances: int
    workers: int
    parameter_servers: int = 0

    @property
    def processes(self) -> int:
        """The number of processes of all kinds."""
        return self.workers + self.parameter_servers

    @property
    def ports(self) -> int:
        """How many free ports the processes need: one of the first process, or with TensorFlow one of each."""
        return self.processes if self.framework == TENSORFLOW else 1


@dataclass(frozen=True)
class Member:
    """One process of a step. The process of a step that is not distributed has no name.

    A member that serves others, such as a parameter server, is stopped when all others have ended.
    """

    name: str = ""
    log: str = STEP_LOG
    variables: dict[str, str] = field(default_factory=dict)
    serves_others: bool = False


def members(distribution: Distribution | None, ports: Sequence[int]) -> list[Member]:
    """The processes of a step. `ports` are free, as many as the distribution needs."""
    if distribution is None:
        return [Member()]
    make = {PYTORCH: _pytorch, MPI: _mpi, TENSORFLOW: _tensorflow}[distribution.framework]
    nodes = {"AZUREML_NODE_COUNT": str(distribution.instances)}
    return [
        Member(name, log if distribution.processes > 1 else STEP_LOG, {**nodes, **variables}, serves_others=serves)
        for name, log, variables, serves in make(distribution, ports)
    ]


def first_log(distribution: Distribution | None) -> str:
    """The log of the first process of a step."""
    ports = distribution.ports if distribution is not None else 0
    return members(distribution, [0] * ports)[0].log


_Part = tuple[str, str, dict[str, str], bool]


def _pytorch(distribution: Distribution, ports: Sequence[int]) -> Iterator[_Part]:
    each = distribution.workers // distribution.instances
    for rank in range(distribution.workers):
        variables = {
            "MASTER_ADDR": HOST,
            "MASTER_PORT": str(ports[0]),
            "WORLD_SIZE": str(distribution.workers),
            "NODE_RANK": str(rank // each),
            "RANK": str(rank),
            "LOCAL_RANK": str(rank % each),
        }
        yield f"rank {rank}", f"{LOG_FOLDER}/std_log_process_{rank}.txt", variables, False


def _mpi(distribution: Distribution, ports: Sequence[int]) -> Iterator[_Part]:
    each = distribution.workers // distribution.instances
    several = {"AZ_BATCH_MASTER_NODE": f"{HOST}:{ports[0]}"}
    for rank in range(distribution.workers):
        variables = {
            "OMPI_COMM_WORLD_RANK": str(rank),
            "OMPI_COMM_WORLD_SIZE": str(distribution.workers),
            "OMPI_COMM_WORLD_LOCAL_RANK": str(rank % each),
            "OMPI_COMM_WORLD_LOCAL_SIZE": str(each),
            **(several if distribution.instances > 1 else {"AZ_BATCHAI_MPI_MASTER_NODE": HOST}),
        }
        yield f"rank {rank}", f"{LOG_FOLDER}/std_log_process_{rank:02d}.txt", variables, False


def _tensorflow(distribution: Distribution, ports: Sequence[int]) -> Iterator[_Part]:
    addresses = [f"{HOST}:{port}" for port in ports]
    cluster = {"worker": addresses[: distribution.workers]}
    if distribution.parameter_servers:
        cluster["ps"] = addresses[distribution.workers :]
    for kind, hosts in cluster.items():
        for index in range(len(hosts)):
            task = {"type": kind, "index": index}
            variables = {"TF_CONFIG": json.dumps({"cluster": cluster, "task": task, "environment": "cloud"})}
            if kind == "worker":
                yield f"worker {index}", f"{LOG_FOLDER}/std_log_process_{index}.txt", variables, False
            else:
                yield f"parameter server {index}", f"{LOG_FOLDER}/std_log_process_{index}_ps.txt", variables, True
