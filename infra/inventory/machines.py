"""The machines that a stack may start: where, of which size, how many. Read from a dry run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from dry_run.result import DryRun, ResourceRecord


class Service(StrEnum):
    """Whose quota counts the machines."""

    TRAINING = "Azure ML"
    KUBERNETES = "AKS"


@dataclass(frozen=True)
class Machines:
    """A group of equal machines: between `least` and `most` of them."""

    resource: str
    service: Service
    region: str
    size: str
    least: int
    most: int
    low_priority: bool = False

    @property
    def count(self) -> str:
        """How many, as text."""
        return f"{self.least} to {self.most}" if self.least != self.most else str(self.most)


def machines_of(run: DryRun) -> tuple[Machines, ...]:
    """Every group of machines of a stack. Managed endpoints are not part of it: `mlops deploy` chooses their size."""
    return tuple(machines for record in run.resources for machines in machines_in(record, run))


def machines_in(record: ResourceRecord, run: DryRun) -> Iterator[Machines]:
    """The groups of machines that one resource may start."""
    inputs = record.inputs
    match record.azure_type:
        case "machinelearningservices:Compute" if inputs["properties"]["computeType"] == "AmlCompute":
            cluster = inputs["properties"]["properties"]
            scale = cluster["scaleSettings"]
            yield Machines(
                record.name,
                Service.TRAINING,
                inputs["location"],
                cluster["vmSize"],
                int(scale["minNodeCount"]),
                int(scale["maxNodeCount"]),
                low_priority=cluster["vmPriority"] == "LowPriority",
            )
        case "machinelearningservices:Workspace" if "spark" in run.outputs:
            spark = run.outputs["spark"]
            size = f"Standard_E{spark['instance_type'].partition('_e')[2]}"
            # The driver is a machine as well.
            most = int(spark["max_executors"]) + 1
            yield Machines(f"{record.name}/spark", Service.TRAINING, inputs["location"], size, 0, most)
        case "containerservice:ManagedCluster":
            for pool in inputs["agentPoolProfiles"]:
                yield _pool(f"{record.name}/{pool['name']}", inputs["location"], pool)
        case "containerservice:AgentPool":
            region = run.one("containerservice:ManagedCluster").inputs["location"]
            yield _pool(record.name, region, inputs)


def _pool(name: str, region: str, pool: dict[str, Any]) -> Machines:
    least, most = int(pool["minCount"]), int(pool["maxCount"])
    return Machines(name, Service.KUBERNETES, region, pool["vmSize"], least, most)
