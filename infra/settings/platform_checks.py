"""Which of a platform team's settings do not go together, in a stage: one function per rule."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from settings.stage import StageSettings


def platform_problems(settings: StageSettings) -> Iterator[str]:
    """Every rule that the settings break, one sentence each."""
    for rule in RULES:
        yield from rule(settings)


def _public(settings: StageSettings) -> Iterator[str]:
    if settings.private:
        return
    network = settings.network
    given = {
        "existing": network.existing is not None,
        "dns_zones": network.dns_zones != "created",
        "firewall": network.firewall is not None,
        "hub": network.hub is not None,
    }
    for key in (key for key, used in given.items() if used):
        yield f"network.{key} belongs to private stages; remove it or set network.access: private"
    if settings.customer_managed_key is not None:
        yield (
            "customer_managed_key belongs to private stages: the registry of a public one is Basic, which takes no key"
        )


def _existing_network(settings: StageSettings) -> Iterator[str]:
    network = settings.network
    if network.existing is None:
        return
    subnets = network.existing.subnets
    needed = {"training": network.isolation == "own", "kubernetes": settings.serving == "kubernetes"}
    for name, needs in needed.items():
        if needs and getattr(subnets, name) is None:
            yield f"network.existing.subnets.{name} is missing: name the subnet for it"
        if not needs and getattr(subnets, name) is not None:
            yield f"network.existing.subnets.{name} is given, but nothing of this stage would use it; remove it"
    names = [name for name in (subnets.endpoints, subnets.training, subnets.kubernetes) if name is not None]
    if len(set(names)) != len(names):
        yield "network.existing.subnets names a subnet twice: their security rules and delegations differ"
    if network.hub is not None:
        yield "network.hub is given, but the network is another team's, and so are its peerings; remove network.hub"
    if network.agents != "virtual_machines":
        yield f"network.agents is {network.agents}, but an existing network's subnets are delegated by its owner"


def _central_dns(settings: StageSettings) -> Iterator[str]:
    kubernetes = settings.kubernetes
    if kubernetes is None or kubernetes.dns_zone is None:
        return
    if not settings.private:
        yield "kubernetes.dns_zone belongs to private clusters; remove it"
    expected = f"privatelink.{settings.azure.location}.azmk8s.io"
    if kubernetes.dns_zone.rsplit("/", maxsplit=1)[-1].lower() != expected:
        yield f"kubernetes.dns_zone is not a zone {expected}: AKS accepts no other in {settings.azure.location}"


RULES: tuple[Callable[[StageSettings], Iterator[str]], ...] = (
    _public,
    _existing_network,
    _central_dns,
)
