"""What the service documents, as data: its limits, and sizes of virtual machines. Pure: no I/O.

The sizes are a selection of common ones; any size is accepted for a compute, since nothing runs on it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from azureml_emulator.kernel.errors import BadRequest


@dataclass(frozen=True)
class Limit:
    """The most that the service allows of something; `unit` follows the number in messages."""

    what: str
    most: float
    unit: str = ""

    def check(self, value: float, target: str) -> None:
        """Raise BadRequest when the value is more than the service allows."""
        if value > self.most:
            unit = f" {self.unit}" if self.unit else ""
            message = f"The {self.what} is {value:g}{unit}; it must be at most {self.most:g}{unit}."
            raise BadRequest(message, code="UserError", target=target)


MANAGED_TIMEOUT = Limit("request timeout of a managed online deployment", 180, "seconds")
KUBERNETES_TIMEOUT = Limit("request timeout of a Kubernetes online deployment", 300, "seconds")
DEPLOYMENTS_PER_ENDPOINT = Limit("number of deployments of an endpoint", 20)
MANAGED_INSTANCES = Limit("instance count of a managed online deployment", 50)
PIPELINE_STEPS = Limit("number of steps of a pipeline", 30_000)
# Of a resource with a location, such as an endpoint; assets and jobs have tags of another kind.
TAGS = Limit("number of tags", 50)
TAG_NAME = Limit("length of a tag's name", 512, "characters")
TAG_VALUE = Limit("length of a tag's value", 256, "characters")
# In a region.
CLUSTERS = 500
CLUSTER_CORES = 350


@dataclass(frozen=True)
class VmSize:
    """A size of virtual machine; `memory` is in GB, `disk` the temporary one in GB."""

    name: str
    family: str
    cores: int
    memory: float
    disk: int
    gpus: int = 0

    def document(self) -> dict[str, Any]:
        """The size as the service answers it."""
        return {
            "name": self.name,
            "family": self.family,
            "vCPUs": self.cores,
            "gpus": self.gpus,
            "osVhdSizeMB": 1047552,
            "maxResourceVolumeMB": self.disk * 1024,
            "memoryGB": self.memory,
            "lowPriorityCapable": True,
            "premiumIO": True,
            "estimatedVMPrices": None,
            "supportedComputeTypes": ["AmlCompute", "ComputeInstance"],
        }


def check_tags(tags: dict[str, Any]) -> None:
    """Raise BadRequest when a resource has more or longer tags than Azure Resource Manager allows."""
    TAGS.check(len(tags), "tags")
    for name, value in tags.items():
        TAG_NAME.check(len(name), f"tags.{name}")
        TAG_VALUE.check(len(str(value or "")), f"tags.{name}")


VM_SIZES = (
    VmSize("Standard_DS1_v2", "standardDSv2Family", 1, 3.5, 7),
    VmSize("Standard_DS2_v2", "standardDSv2Family", 2, 7, 14),
    VmSize("Standard_DS3_v2", "standardDSv2Family", 4, 14, 28),
    VmSize("Standard_DS4_v2", "standardDSv2Family", 8, 28, 56),
    VmSize("Standard_DS5_v2", "standardDSv2Family", 16, 56, 112),
    VmSize("Standard_DS11_v2", "standardDSv2Family", 2, 14, 28),
    VmSize("Standard_DS12_v2", "standardDSv2Family", 4, 28, 56),
    VmSize("Standard_E4s_v3", "standardESv3Family", 4, 32, 64),
    VmSize("Standard_E8s_v3", "standardESv3Family", 8, 64, 128),
    VmSize("Standard_E16s_v3", "standardESv3Family", 16, 128, 256),
    VmSize("Standard_F2s_v2", "standardFSv2Family", 2, 4, 16),
    VmSize("Standard_F4s_v2", "standardFSv2Family", 4, 8, 32),
    VmSize("Standard_F8s_v2", "standardFSv2Family", 8, 16, 64),
    VmSize("Standard_F16s_v2", "standardFSv2Family", 16, 32, 128),
    VmSize("Standard_NC6s_v3", "standardNCSv3Family", 6, 112, 736, 1),
    VmSize("Standard_NC12s_v3", "standardNCSv3Family", 12, 224, 1474, 2),
    VmSize("Standard_NC24s_v3", "standardNCSv3Family", 24, 448, 2948, 4),
    VmSize("Standard_NC4as_T4_v3", "Standard NCASv3_T4 Family", 4, 28, 180, 1),
    VmSize("Standard_NC64as_T4_v3", "Standard NCASv3_T4 Family", 64, 440, 2880, 4),
    VmSize("Standard_NC24ads_A100_v4", "standardNCADSA100v4Family", 24, 220, 1123, 1),
    VmSize("Standard_ND40rs_v2", "standardNDSv2Family", 40, 672, 2948, 8),
)
_CORES = {size.name.lower(): size.cores for size in VM_SIZES}


def cores_of(size: str) -> int:
    """The cores of a virtual machine; 0 for a size that is not in the selection."""
    return _CORES.get(size.lower(), 0)
