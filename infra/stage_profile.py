"""How strict a stage is, as data: the values that its profile decides, and why development may be laxer.

What is the same for every stage is set beside its resource.
"""

from __future__ import annotations

from dataclasses import dataclass

from settings.stage import StageSettings


@dataclass(frozen=True)
class StageProfile:
    """The values that a stage's profile and network decide."""

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
    """A row of the property checklist that a development stage need not fulfil: the row's name, and the reason."""

    row: str
    reason: str


RELAXATIONS: tuple[Relaxation, ...] = (
    Relaxation("storage network", "it is reached from laptops and hosted build agents; identities still guard it"),
    Relaxation("storage redundancy", "its data can be created again from the sources; and LRS is cheaper"),
    Relaxation("key vault retention", "a stage that is torn down and deployed again needs its vault's name back"),
    Relaxation("key vault purge protection", "same reason; it is left out, because Azure refuses the value false"),
    Relaxation("key vault network", "it is reached from laptops; role-based access still guards it"),
    Relaxation("topic network", "laptops and hosted build agents publish what they deploy; roles guard it"),
    Relaxation("container registry tier", "Premium adds private endpoints and zones only, and costs more than Basic"),
    Relaxation(
        "container registry network", "Basic has no private endpoints; there are neither admin nor anonymous pulls"
    ),
    Relaxation("container registry zones", "Basic has no zones; the images can be built again"),
    Relaxation("workspace network", "people work here: studio and SDK without a VPN"),
    Relaxation(
        "compute public ip", "nodes without a public address need a virtual network, which a public stage lacks"
    ),
    Relaxation(
        "compute priority", "an evicted experiment is started again; spot machines cost less, at a price that changes"
    ),
    Relaxation("kubernetes private", "a public stage has no network; authorised ranges guard the control plane"),
    Relaxation("kubernetes tier", "no guaranteed uptime of the control plane is needed; Free has no hourly price"),
)

# What Log Analytics takes per day; an alert says when it is reached (monitoring/alerts.py).
_LOGS: dict[str, float] = {"development": 1, "preproduction": 5, "production": 20}


def profile_of(settings: StageSettings) -> StageProfile:
    """The values for a stage: strict outside development, private where its network is, protected in production."""
    strict, private = settings.strict, settings.private
    return StageProfile(
        protect=settings.production,
        storage_sku="Standard_ZRS" if strict else "Standard_LRS",
        delete_retention_days=30 if strict else 7,
        key_vault_retention_days=90 if strict else 7,
        purge_protection=strict,
        cluster_tier="Standard" if strict else "Free",
        logs_gigabytes_per_day=_LOGS[settings.profile],
        public_network_access="Disabled" if private else "Enabled",
        network_default_action="Deny" if private else "Allow",
        container_registry_sku="Premium" if private else "Basic",
        zone_redundancy="Enabled" if private else "Disabled",
        node_public_ip=not private,
    )
