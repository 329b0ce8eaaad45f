"""A platform team's settings that are wrong, or do not go together, are refused with what to do."""

from __future__ import annotations

from typing import Any

import pytest

from settings.reading import SettingsError, read_settings
from tests.conftest import SAMPLE, changed
from tests.resources.test_platform import HUB, KEY, LANDING_ZONE, NETWORK, SPOKE, ZONES

DNS_ZONE = f"{ZONES}/providers/Microsoft.Network/privateDnsZones/privatelink.northeurope.azmk8s.io"
SUBNETS = {"endpoints": "a", "training": "b", "kubernetes": "c"}
MANAGED = {"serving": "managed", "kubernetes": None, "network.isolation": "workspace_managed"}


def existing(**subnets: str) -> dict[str, Any]:
    return {"virtual_network": NETWORK, "subnets": subnets}


WRONG: dict[str, tuple[str, dict[str, Any], str]] = {
    "own tag of the program": ("dev", {"tags": {"Stage": "x"}}, "the program sets the tag stage itself"),
    "tags that differ in case": ("dev", {"tags": {"a": "1", "A": "2"}}, "differ in case only"),
    "a tag that DNS zones refuse": ("prod", {"tags": {"cost centre": "1"}}, "starting with a letter"),
    "a long tag": ("dev", {"tags": {"a": "x" * 257}}, "infra:tags.a"),
    "too many tags": ("dev", {"tags": {f"t{n}": "x" for n in range(13)}}, "private DNS zones take 15"),
    "tags of shared": ("shared", {"tags": {"project": "x"}}, "the program sets the tag project"),
    "a long prefix": ("dev", {"naming": {"prefix": "organisation"}}, "2 to 8 lower-case letters"),
    "names too long with a prefix": (
        "prod",
        {"naming": {"prefix": "acmecorp"}, "project": "credit-default-scores"},
        ("at most 33; shorten it or naming.prefix"),
    ),
    "generation zero": ("dev", {"naming": {"generation": 0}}, "infra:naming.generation"),
    "a network's name": (
        "prod",
        {"network.existing": {"virtual_network": "vnet", "subnets": SUBNETS}},
        ("the resource id of a Microsoft.Network/virtualNetworks"),
    ),
    "no subnet for training": (
        "prod",
        {"network.existing": existing(endpoints="a", kubernetes="c")},
        ("network.existing.subnets.training is missing"),
    ),
    "no subnet for nodes": (
        "prod",
        {"network.existing": existing(endpoints="a", training="c")},
        ("network.existing.subnets.kubernetes is missing"),
    ),
    "a subnet for nothing": (
        "prod",
        {**MANAGED, "network.existing": existing(endpoints="a", training="b")},
        ("network.existing.subnets.training is given, but nothing of this stage would use it"),
    ),
    "a subnet twice": (
        "prod",
        {"network.existing": existing(endpoints="a", training="b", kubernetes="b")},
        ("names a subnet twice"),
    ),
    "a hub of another team's network": (
        "prod",
        {"network.existing": existing(**SUBNETS), "network.hub": {"virtual_network": HUB}},
        "so are its peerings",
    ),
    "delegation in another team's network": (
        "prod",
        {"network.existing": existing(**SUBNETS), "network.agents": "github"},
        "are delegated by its owner",
    ),
    "a public firewall": ("prod", {"network.firewall": "20.0.0.4"}, "infra:network.firewall"),
    "zones by name": ("prod", {"network.dns_zones": "rg-dns"}, "infra:network.dns_zones"),
    "a zone of another region": (
        "prod",
        {"kubernetes.dns_zone": DNS_ZONE},
        ("is not a zone privatelink.westeurope.azmk8s.io"),
    ),
    "network settings of a public stage": (
        "dev",
        {"network.firewall": "10.0.0.4"},
        ("network.firewall belongs to private stages"),
    ),
    "central zones of a public stage": ("dev", {"network.dns_zones": ZONES}, "network.dns_zones belongs to private"),
    "a hub of a public stage": ("dev", {"network.hub": {"virtual_network": HUB}}, "network.hub belongs to private"),
    "a key for a public stage": (
        "dev",
        {"customer_managed_key": LANDING_ZONE["customer_managed_key"]},
        "the registry of a public one is Basic",
    ),
    "a key for images that stages share": (
        "prod",
        {"customer_managed_key": LANDING_ZONE["customer_managed_key"]},
        "customer_managed_key does not encrypt what stages share",
    ),
    "a key without its version": (
        "prod",
        {"customer_managed_key": LANDING_ZONE["customer_managed_key"] | {"key": KEY.rpartition("/")[0]}},
        "the address of a key with its version",
    ),
    "a short window": (
        "prod",
        {"kubernetes.maintenance": {"day": "Sunday", "start": "02:00", "hours": 3}},
        ("infra:kubernetes.maintenance.hours"),
    ),
    "a window at no time": ("prod", {"kubernetes.maintenance": {"day": "Sunday", "start": "2am"}}, "a time such as"),
    "a log workspace by name": (
        "prod",
        {"logs": {"workspace": "log-central"}},
        ("the resource id of a Microsoft.OperationalInsights/workspaces"),
    ),
    "names of other stacks given here": ("dev", {"stack_namings": {}}, "infra:stack_namings is an unknown key"),
}


@pytest.mark.parametrize(("stack", "changes", "sentence"), WRONG.values(), ids=WRONG)
def test_wrong_settings_are_refused(stack: str, changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(SettingsError) as refused:
        read_settings(stack, changed(stack, changes), SAMPLE)
    assert sentence in str(refused.value)


@pytest.mark.parametrize(("stack", "changes"), [("prod", LANDING_ZONE), ("staging", SPOKE)], ids=["existing", "spoke"])
def test_a_landing_zones_settings_are_accepted(stack: str, changes: dict[str, Any]) -> None:
    assert read_settings(stack, changed(stack, changes), SAMPLE)
