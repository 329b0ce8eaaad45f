"""How a private stage's address space is divided, and which traffic each subnet admits. Data only, no resources."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from enum import StrEnum

from settings.stage import NODE_SUBNET, Network

SMALL_SUBNET = 24
HTTPS = "443"


class Subnet(StrEnum):
    """The subnets of a private stage."""

    ENDPOINTS = "endpoints"
    AGENTS = "agents"
    TRAINING = "training"
    KUBERNETES = "kubernetes"


@dataclass(frozen=True)
class SecurityRule:
    """One rule of a subnet's security group."""

    name: str
    inbound: bool
    priority: int
    source: str
    destination: str
    port: str
    protocol: str = "Tcp"
    allow: bool = True


DELEGATIONS = {
    "github": "GitHub.Network/networkSettings",
    "azure_devops": "Microsoft.DevOpsInfrastructure/pools",
}
NO_INBOUND = SecurityRule("nothing-from-the-internet", True, 4096, "Internet", "*", "*", "*", allow=False)
NO_OUTBOUND = SecurityRule("nothing-to-the-internet", False, 4096, "*", "Internet", "*", "*", allow=False)
TO_THE_INTERNET = SecurityRule("https-to-the-internet", False, 300, "VirtualNetwork", "Internet", HTTPS)


def subnets_of(network: Network) -> tuple[Subnet, ...]:
    """The subnets a stage needs: machines join ours only when the network is our own."""
    if network.isolation == "own":
        return tuple(Subnet)
    return (Subnet.ENDPOINTS, Subnet.AGENTS)


def address_ranges(address_space: str) -> dict[Subnet, str]:
    """The range of each subnet, one after another from the start. `address_space` is a /16 to /21."""
    nodes = next(ipaddress.ip_network(address_space).subnets(new_prefix=NODE_SUBNET))
    ranges = {Subnet.KUBERNETES: str(nodes)}
    following = nodes.broadcast_address + 1
    for subnet in (Subnet.TRAINING, Subnet.ENDPOINTS, Subnet.AGENTS):
        found = ipaddress.ip_network(f"{following}/{SMALL_SUBNET}")
        ranges[subnet] = str(found)
        following = found.broadcast_address + 1
    return ranges


def security_rules(subnet: Subnet, network: Network, region: str) -> tuple[SecurityRule, ...]:
    """The security rules of a subnet."""
    match subnet:
        case Subnet.ENDPOINTS:
            inside = SecurityRule("https-from-the-network", True, 100, "VirtualNetwork", "VirtualNetwork", HTTPS)
            return (inside, NO_INBOUND, NO_OUTBOUND)
        case Subnet.TRAINING:
            internet = (TO_THE_INTERNET,) if network.package_downloads else ()
            return (*_azure_services(region), *internet, NO_INBOUND, NO_OUTBOUND)
        case Subnet.KUBERNETES:
            # Nodes update themselves and pull system images from addresses that no service tag covers.
            return (
                SecurityRule("cluster-time", False, 310, "VirtualNetwork", "Internet", "123", "Udp"),
                TO_THE_INTERNET,
                NO_INBOUND,
                NO_OUTBOUND,
            )
        case Subnet.AGENTS:
            return (TO_THE_INTERNET, NO_INBOUND, NO_OUTBOUND)


def _azure_services(region: str) -> tuple[SecurityRule, ...]:
    tags = {
        "AzureActiveDirectory": HTTPS,
        "AzureMachineLearning": HTTPS,
        "AzureResourceManager": HTTPS,
        f"BatchNodeManagement.{region}": HTTPS,
        f"Storage.{region}": HTTPS,
        f"MicrosoftContainerRegistry.{region}": HTTPS,
        "AzureFrontDoor.FirstParty": HTTPS,
        "AzureMonitor": HTTPS,
    }
    rules = [
        SecurityRule(f"to-{tag.split('.')[0]}", False, 100 + 10 * number, "VirtualNetwork", tag, port)
        for number, (tag, port) in enumerate(tags.items())
    ]
    rules.append(
        SecurityRule("to-AzureActiveDirectory-http", False, 190, "VirtualNetwork", "AzureActiveDirectory", "80")
    )
    rules.append(
        SecurityRule("to-AzureMachineLearning-jobs", False, 200, "VirtualNetwork", "AzureMachineLearning", "8787")
    )
    rules.append(
        SecurityRule("to-AzureMachineLearning-images", False, 210, "VirtualNetwork", "AzureMachineLearning", "18881")
    )
    rules.append(
        SecurityRule(
            "to-AzureMachineLearning-nodes", False, 220, "VirtualNetwork", "AzureMachineLearning", "5831", "Udp"
        )
    )
    return tuple(rules)
