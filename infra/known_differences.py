"""What Azure returns differently from what it was sent, as a table: each difference with its reason and a source.

None of them is a change that somebody made. `python -m inventory.drift` does not count them, and the rehearsal
(tests/rehearsal/) lets Azure return them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

PROVIDER = "https://github.com/pulumi/pulumi-azure-native/issues"
VERIFIED_MODULES = "https://github.com/Azure/bicep-registry-modules/pull"


@dataclass(frozen=True)
class Difference:
    """One difference: on resources of a type, Azure returns `returned` at a path below the inputs.

    `kept_by_program` where the program tells the engine to ignore the path, so that no update follows either.
    """

    type_: str
    path: str
    returned: Any
    reason: str
    source: str
    kept_by_program: bool = False


DIFFERENCES: tuple[Difference, ...] = (
    Difference(
        "containerservice:AgentPool",
        "count",
        3,
        "the autoscaler changes the number of nodes",
        f"{PROVIDER}/1532",
        kept_by_program=True,
    ),
    Difference(
        "containerservice:ManagedCluster",
        "agentPoolProfiles[0].count",
        4,
        "the autoscaler changes the number of nodes",
        f"{PROVIDER}/1532",
        kept_by_program=True,
    ),
    Difference(
        "containerservice:ManagedCluster",
        "agentPoolProfiles[1]",
        {"name": "scoring", "mode": "User"},
        "Azure lists the separate pool of the scoring nodes in the cluster as well",
        f"{PROVIDER}/2719",
    ),
    Difference(
        "containerservice:ManagedCluster",
        "kubernetesVersion",
        "1.33",
        "the upgrade channel chooses the version",
        f"{PROVIDER}/2059",
    ),
    Difference(
        "storage:BlobServiceProperties",
        "deleteRetentionPolicy.allowPermanentDelete",
        False,
        "Azure fills in defaults of the singleton",
        f"{PROVIDER}/1700",
    ),
    Difference(
        "storage:BlobContainer",
        "defaultEncryptionScope",
        "$account-encryption-key",
        "Azure fills in a container's encryption scope",
        f"{PROVIDER}/2245",
    ),
    Difference(
        "machinelearningservices:Workspace",
        "managedNetwork.status",
        {"sparkReady": False, "status": "Inactive"},
        "Azure adds the state of the network that it manages",
        f"{PROVIDER}/3225",
    ),
    Difference(
        "machinelearningservices:Compute",
        "properties.provisioningState",
        "Succeeded",
        "Azure adds the compute's state",
        "https://github.com/Azure/azure-rest-api-specs/issues/18889",
    ),
    Difference(
        "monitor:DiagnosticSetting",
        "metrics",
        [{"category": "Capacity", "enabled": False}, {"category": "Transaction", "enabled": True}],
        "Azure lists every category, also those that are off",
        f"{VERIFIED_MODULES}/380",
    ),
    Difference(
        "monitor:DiagnosticSetting",
        "logs",
        [{"categoryGroup": "allLogs", "enabled": True, "retentionPolicy": {"days": 0, "enabled": False}}],
        "Azure adds a retention policy that it no longer applies",
        f"{PROVIDER}/2798",
    ),
    Difference(
        "consumption:Budget",
        "timePeriod",
        {"startDate": "2026-01-01T00:00:00Z", "endDate": "2036-01-01T00:00:00Z"},
        "a budget keeps the month in which it was made, and Azure adds an end",
        "https://learn.microsoft.com/rest/api/consumption/budgets/create-or-update",
        kept_by_program=True,
    ),
)


def known(type_: str, path: str) -> Difference | None:
    """The known difference at a path of a type, or above or below it; None where it is somebody's change."""
    for difference in DIFFERENCES:
        if difference.type_ == type_ and (_within(path, difference.path) or _within(difference.path, path)):
            return difference
    return None


def _within(path: str, other: str) -> bool:
    parts, above = (re.split(r"[.\[\]]+", each.rstrip("]")) for each in (path, other))
    return parts[: len(above)] == above
