"""How strict a stage is, as data: the values that differ between stages, and why dev may be laxer.

Everything that is the same everywhere stands beside its resource.
"""

from __future__ import annotations

from dataclasses import dataclass

from settings.stage import StageSettings


@dataclass(frozen=True)
class Posture:
    """The values that a stage's strictness decides."""

    protect: bool
    storage_sku: str
    delete_retention_days: int
    key_vault_retention_days: int
    purge_protection: bool
    cluster_tier: str
    logs_gigabytes_per_day: float
    public_network_access: str
    network_default_action: str
    container_registry_sku: str
    zone_redundancy: str
    node_public_ip: bool


@dataclass(frozen=True)
class Relaxation:
    """A row of the property checklist that dev need not fulfil: the row's name, and the reason."""

    row: str
    reason: str


RELAXATIONS: tuple[Relaxation, ...] = (
    Relaxation("storage network", "dev is reachable from laptops and hosted build agents; identities still guard it"),
    Relaxation("storage redundancy", "dev's data can be made again from the sources; LRS costs a third less"),
    Relaxation("key vault retention", "a dev stage that is torn down and made again needs its vault's name back"),
    Relaxation("key vault purge protection", "same reason; it is left out, because Azure refuses the value false"),
    Relaxation("key vault network", "dev is reachable from laptops; role-based access still guards it"),
    Relaxation("topic network", "laptops and hosted build agents tell of what they deploy to dev; roles guard it"),
    Relaxation("container registry tier", "Premium costs ten times Basic and serves private endpoints and zones only"),
    Relaxation(
        "container registry network", "Basic knows no private endpoints; there are neither admin nor anonymous pulls"
    ),
    Relaxation("container registry zones", "Basic knows no zones; dev's images can be built again"),
    Relaxation("workspace network", "dev is where people work: studio and SDK without a VPN"),
    Relaxation(
        "compute public ip", "nodes without public address need a virtual network, which a public stage has not"
    ),
    Relaxation("compute priority", "an evicted experiment is started again; low priority costs a fifth"),
    Relaxation("kubernetes private", "a public stage has no network; authorised ranges guard the control plane"),
    Relaxation("kubernetes tier", "dev needs no guaranteed uptime of the control plane; Free costs nothing"),
)


def posture_of(settings: StageSettings) -> Posture:
    """The posture of a stage: strict outside dev, private where its network is."""
    strict, private = settings.strict, settings.private
    return Posture(
        protect=settings.stage == "prod",
        storage_sku="Standard_ZRS" if strict else "Standard_LRS",
        delete_retention_days=30 if strict else 7,
        key_vault_retention_days=90 if strict else 7,
        purge_protection=strict,
        cluster_tier="Standard" if strict else "Free",
        logs_gigabytes_per_day=5 if strict else 1,
        public_network_access="Disabled" if private else "Enabled",
        network_default_action="Deny" if private else "Allow",
        container_registry_sku="Premium" if private else "Basic",
        zone_redundancy="Enabled" if private else "Disabled",
        node_public_ip=not private,
    )
