"""What a platform team prescribes: tags, names, an existing network, central DNS, a firewall, logs, keys, windows."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from dry_run.result import DryRun
from dry_run.run import run_stack
from naming import Names
from tests.arm.export import body_of, model_of
from tests.arm.validation import problems_of
from tests.conftest import GROUP, changed, copy_project, dry_run_of, run_changed
from tests.resources.test_graph import takes_tags

SUBSCRIPTION = f"/subscriptions/{GROUP}/resourceGroups"
NETWORK = f"{SUBSCRIPTION}/rg-network/providers/Microsoft.Network/virtualNetworks/vnet-ml-prod"
ZONES = f"{SUBSCRIPTION}/rg-dns"
LOGS = f"{SUBSCRIPTION}/rg-logs/providers/Microsoft.OperationalInsights/workspaces/log-central"
KEY_USER = f"{SUBSCRIPTION}/rg-keys/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-key"
KEY_VAULT = f"{SUBSCRIPTION}/rg-keys/providers/Microsoft.KeyVault/vaults/kv-keys"
KEY = f"https://kv-keys.vault.azure.net/keys/ml/{'0a' * 16}"
HUB = f"{SUBSCRIPTION}/rg-hub/providers/Microsoft.Network/virtualNetworks/vnet-hub"
PEOPLE = {"operators": GROUP}
LANDING_ZONE: dict[str, Any] = {
    "tags": {"cost-centre": "4711", "owner": "ml-team"},
    "naming": {"prefix": "acme", "generation": 2},
    "network.existing": {
        "virtual_network": NETWORK,
        "subnets": {"endpoints": "sn-pe", "training": "sn-train", "kubernetes": "sn-aks"},
    },
    "network.dns_zones": ZONES,
    "network.firewall": "10.0.0.4",
    "kubernetes.dns_zone": f"{ZONES}/providers/Microsoft.Network/privateDnsZones/privatelink.westeurope.azmk8s.io",
    "kubernetes.maintenance": {"day": "Sunday", "start": "02:00"},
    "logs": {"workspace": LOGS},
    # Which does not encrypt what stages share.
    "images": "own",
    "customer_managed_key": {
        "key_vault": KEY_VAULT,
        "key": KEY,
        "identity": KEY_USER,
        "identity_client_id": GROUP,
    },
    "people": PEOPLE,
}
SPOKE: dict[str, Any] = {
    "network.firewall": "10.0.0.4",
    "network.hub": {"virtual_network": HUB, "use_gateway": True},
    "network.dns_zones": "by_policy",
}


@cache
def landing_zone() -> DryRun:
    return run_changed("prod", LANDING_ZONE)


@cache
def spoke() -> DryRun:
    return run_changed("staging", SPOKE)


@pytest.mark.parametrize("run", [landing_zone, spoke], ids=["landing zone", "spoke"])
def test_every_resource_fits_microsofts_model(run: Any) -> None:
    found = [
        f"{record.name}: {problem}"
        for record in run().resources
        for problem in problems_of(body_of(record), model_of(record))
    ]
    assert not found, "\n".join(found)


def test_every_resource_has_the_teams_tags() -> None:
    shared = run_changed("shared", {"tags": {"cost-centre": "4711"}})
    ci = run_changed("ci", {"tags": {"cost-centre": "4711"}})
    for run in (landing_zone(), shared, ci):
        tagged = [record for record in run.resources if takes_tags(record.azure_type)]
        assert tagged
        for record in tagged:
            assert record.inputs["tags"]["cost-centre"] == "4711", record.name
            assert record.inputs["tags"]["made-by"] == "pulumi", record.name


def test_an_existing_network_is_used_and_nothing_is_added_to_it() -> None:
    run = landing_zone()
    networking = {
        record.azure_type for record in run.resources if record.azure_type.startswith(("network:", "private"))
    }
    assert networking == {"network:PrivateEndpoint", "network:PrivateDnsZoneGroup"}
    assert {r.inputs["subnet"]["id"] for r in run.of("network:PrivateEndpoint")} == {f"{NETWORK}/subnets/sn-pe"}
    cluster = run.one("containerservice:ManagedCluster").inputs
    assert cluster["agentPoolProfiles"][0]["vnetSubnetID"] == f"{NETWORK}/subnets/sn-aks"
    assert run.one("containerservice:AgentPool").inputs["vnetSubnetID"] == f"{NETWORK}/subnets/sn-aks"
    training = run.one("machinelearningservices:Compute", "cpu-cluster").inputs["properties"]["properties"]
    assert training["subnet"]["id"] == f"{NETWORK}/subnets/sn-train"
    # and its owner grants the right on the subnet
    assert not [r for r in run.of("authorization:RoleAssignment") if "kubernetes-subnet" in r.name]


def test_names_are_registered_in_central_zones() -> None:
    configured = [
        c for r in landing_zone().of("network:PrivateDnsZoneGroup") for c in r.inputs["privateDnsZoneConfigs"]
    ]
    zones = {config["privateDnsZoneId"] for config in configured}
    assert f"{ZONES}/providers/Microsoft.Network/privateDnsZones/privatelink.api.azureml.ms" in zones
    assert all(zone.startswith(f"{ZONES}/") for zone in zones)
    access = landing_zone().one("containerservice:ManagedCluster").inputs["apiServerAccessProfile"]
    assert access["privateDNSZone"] == LANDING_ZONE["kubernetes.dns_zone"]


def test_where_a_policy_registers_names_compute_waits_for_the_endpoints() -> None:
    run = spoke()
    assert not run.of("network:PrivateDnsZoneGroup")
    assert not run.of("privatedns:PrivateZone")
    before = run.dependencies_of(run.one("machinelearningservices:Compute", "cpu-cluster"))
    assert run.one("network:PrivateEndpoint", "endpoint-blob").urn in before


def test_a_firewall_replaces_the_nat_gateway() -> None:
    run = spoke()
    assert not run.of("network:NatGateway")
    assert not run.of("network:PublicIPAddress")
    (route,) = run.one("network:RouteTable").inputs["routes"]
    assert (route["nextHopType"], route["nextHopIpAddress"]) == ("VirtualAppliance", "10.0.0.4")
    routed = {subnet.name for subnet in run.of("network:Subnet") if subnet.inputs.get("routeTable")}
    assert routed == {"subnet-agents", "subnet-training", "subnet-kubernetes"}
    assert not [subnet.name for subnet in run.of("network:Subnet") if subnet.inputs.get("natGateway")]
    for each in (run, landing_zone()):
        assert each.one("containerservice:ManagedCluster").inputs["networkProfile"]["outboundType"] == (
            "userDefinedRouting"
        )


def test_people_come_in_through_the_hubs_gateway() -> None:
    peering = spoke().one("network:VirtualNetworkPeering").inputs
    assert peering["remoteVirtualNetwork"]["id"] == HUB
    assert peering["useRemoteGateways"] is True
    assert peering["allowForwardedTraffic"] is True


def test_logs_go_to_the_existing_workspace() -> None:
    run = landing_zone()
    assert not run.of("operationalinsights:Workspace")
    assert {record.inputs["workspaceId"] for record in run.of("monitor:DiagnosticSetting")} == {LOGS}
    assert run.one("applicationinsights:Component").inputs["workspaceResourceId"] == LOGS
    # rights on it are its owner's to grant
    assert not [record for record in run.of("authorization:RoleAssignment") if record.inputs["scope"] == LOGS]


def test_storage_images_and_workspace_are_encrypted_with_the_teams_key() -> None:
    run = landing_zone()
    storage = run.one("storage:StorageAccount").inputs
    assert storage["encryption"]["keySource"] == "Microsoft.Keyvault"
    assert storage["encryption"]["requireInfrastructureEncryption"] is True
    properties = storage["encryption"]["keyVaultProperties"]
    assert (properties["keyVaultUri"], properties["keyName"]) == ("https://kv-keys.vault.azure.net", "ml")
    images = run.one("containerregistry:Registry").inputs
    assert images["encryption"]["keyVaultProperties"]["keyIdentifier"] == KEY.rpartition("/")[0]
    workspace = run.one("machinelearningservices:Workspace").inputs
    assert workspace["encryption"]["keyVaultProperties"] == {"keyIdentifier": KEY, "keyVaultArmId": KEY_VAULT}
    # and each may use the key
    for resource in (storage, images, workspace):
        assert KEY_USER in resource["identity"]["userAssignedIdentities"]


def test_upgrades_wait_for_the_window() -> None:
    windows = landing_zone().of("containerservice:MaintenanceConfiguration")
    assert {window.inputs["configName"] for window in windows} == {
        "aksManagedAutoUpgradeSchedule",
        "aksManagedNodeOSUpgradeSchedule",
    }
    for window in windows:
        given = window.inputs["maintenanceWindow"]
        assert given["schedule"]["weekly"]["dayOfWeek"] == "Sunday"
        assert (given["startTime"], given["durationHours"]) == ("02:00", 4)


def test_names_have_the_prefix_and_the_generation() -> None:
    first, second = dry_run_of("prod").outputs, landing_zone().outputs
    assert second["workspace"] == "mlw-acme-credit-default-prod-2"
    assert second["resource_group"] == "rg-acme-credit-default-prod-2"
    assert second["endpoint"].startswith("acme-credit-default-prod-")
    names = [run.one("storage:StorageAccount").inputs["accountName"] for run in (dry_run_of("prod"), landing_zone())]
    assert len({name.removeprefix("stacme") for name in names}) == 2
    assert first["endpoint"].rpartition("-")[2] != second["endpoint"].rpartition("-")[2]
    # short names of every length that Azure allows
    longest = Names("credit-default", "qualificatio", GROUP, "acmecorp", 99)
    assert all(len(name) <= 24 for name in (longest.storage_account, longest.handler_vault))
    assert len(longest.grafana) <= 23


def test_a_stacks_naming_is_read_from_its_own_file_by_the_others(tmp_path: Any) -> None:
    # given a prefix in two stack files
    program = copy_project(tmp_path)
    for stack in ("shared", "prod"):
        with (program / f"Pulumi.{stack}.yaml").open("a") as file:
            file.write("  infra:naming: {prefix: acme}\n")

    # when
    dev = run_stack("dev", changed("dev", {}), tmp_path)
    ci = run_stack("ci", changed("ci", {}), tmp_path)

    # then the other stacks refer to them by these names
    assert dev.outputs["registry"] == "mlr-acme-credit-default"
    scopes = {record.inputs["scope"] for record in ci.of("authorization:RoleAssignment")}
    assert any("rg-acme-credit-default-prod" in scope for scope in scopes)
    assert not any("/rg-credit-default-prod/" in f"{scope}/" for scope in scopes)
    assert any(scope.endswith("rg-credit-default-dev") for scope in scopes)
