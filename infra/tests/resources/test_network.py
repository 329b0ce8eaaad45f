"""The network of a private stage: subnets, security rules, private endpoints."""

from __future__ import annotations

from ipaddress import IPv4Network

import pytest

from dry_run.result import DryRun
from resources.network.subnets import Subnet, address_ranges, subnets_of
from settings.stage import Network
from tests.conftest import dry_run_of, run_changed


def test_private_stages_have_an_endpoint_for_each_service(strict_stage: DryRun) -> None:
    parts = {
        connection["groupIds"][0]
        for record in strict_stage.of("network:PrivateEndpoint")
        for connection in record.inputs["privateLinkServiceConnections"]
    }
    assert parts == {"blob", "file", "queue", "table", "vault", "registry", "amlworkspace", "amlregistry", "topic"}
    zones = {record.inputs["privateZoneName"] for record in strict_stage.of("privatedns:PrivateZone")}
    assert {"privatelink.api.azureml.ms", "privatelink.notebooks.azure.net"} <= zones
    assert len(strict_stage.of("privatedns:VirtualNetworkLink")) == len(zones)
    groups = strict_stage.of("network:PrivateDnsZoneGroup")
    assert len(groups) == len(strict_stage.of("network:PrivateEndpoint"))
    assert all(group.inputs["privateDnsZoneConfigs"] for group in groups)


def test_a_public_stage_has_no_network() -> None:
    assert not dry_run_of("dev").of("network:VirtualNetwork")
    assert not dry_run_of("dev").of("network:PrivateEndpoint")


def test_every_subnet_has_a_security_group_and_admits_nothing_from_outside(strict_stage: DryRun) -> None:
    for subnet in strict_stage.of("network:Subnet"):
        assert subnet.inputs["networkSecurityGroup"]["id"]
        assert subnet.inputs["defaultOutboundAccess"] is False
    for group in strict_stage.of("network:NetworkSecurityGroup"):
        rules = group.inputs["securityRules"]
        opened = [r for r in rules if r["direction"] == "Inbound" and r["access"] == "Allow"]
        assert all(rule["sourceAddressPrefix"] == "VirtualNetwork" for rule in opened)
        numbers = [(rule["direction"], rule["priority"]) for rule in rules]
        assert len(numbers) == len(set(numbers))
        assert all(100 <= rule["priority"] <= 4096 for rule in rules)


def test_with_a_feed_of_its_own_a_stage_trains_without_the_internet() -> None:
    feed = {"images": "own", "network.package_feed": "https://feed.example.com/simple"}
    group = run_changed("prod", feed).one("network:NetworkSecurityGroup", "security-training")
    allowed = [r["destinationAddressPrefix"] for r in group.inputs["securityRules"] if r["access"] == "Allow"]
    assert "Internet" not in allowed
    assert "AzureMachineLearning" in allowed


def test_training_reaches_microsofts_images_and_not_every_site_behind_front_door() -> None:
    # `AzureFrontDoor.FrontEnd` is for studio and AutoML, and data could leave through it.
    group = dry_run_of("prod").one("network:NetworkSecurityGroup", "security-training")
    allowed = {r["destinationAddressPrefix"] for r in group.inputs["securityRules"] if r["access"] == "Allow"}
    assert {tag for tag in allowed if tag.startswith("AzureFrontDoor")} == {"AzureFrontDoor.FirstParty"}
    assert "Internet" not in allowed


@pytest.mark.parametrize("length", [16, 18, 20, 21])
def test_subnets_fit_and_do_not_overlap(length: int) -> None:
    space = IPv4Network(f"10.0.0.0/{length}")
    ranges = [IPv4Network(found) for found in address_ranges(str(space)).values()]
    assert len(ranges) == len(Subnet)
    assert all(found.subnet_of(space) for found in ranges)
    assert not any(a.overlaps(b) for a in ranges for b in ranges if a is not b)


def test_a_managed_network_needs_no_subnet_for_machines() -> None:
    network = Network(access="private", isolation="workspace_managed", address_space="10.0.0.0/16")
    assert set(subnets_of(network)) == {Subnet.ENDPOINTS, Subnet.AGENTS}
