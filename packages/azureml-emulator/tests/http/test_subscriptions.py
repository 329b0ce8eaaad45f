"""Tenants, subscriptions and clouds as the Azure CLI asks for them; sizes and usage of virtual machines by the SDK."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from azureml_emulator.testing import RunningEmulator


def test_a_login_finds_the_tenant_and_the_subscription(http: httpx.Client, emulator: RunningEmulator) -> None:
    # when the CLI has its token, it lists tenants and subscriptions
    tenants = http.get("/tenants", params={"api-version": "2022-12-01"}).json()["value"]
    subscriptions = http.get("/subscriptions", params={"api-version": "2022-12-01"}).json()["value"]

    # then there is one tenant, and the subscription of the emulator is in it
    own = emulator.settings.subscription
    (found,) = [each for each in subscriptions if each["subscriptionId"] == own]
    assert (found["id"], found["state"], found["tenantId"]) == (
        f"/subscriptions/{own}",
        "Enabled",
        tenants[0]["tenantId"],
    )
    assert http.get(f"/subscriptions/{own}").json() == found
    assert http.get(f"/subscriptions/{own}/locations").json()["value"][0]["name"] == emulator.settings.location
    groups = http.get(f"/subscriptions/{own}/resourcegroups").json()["value"]
    assert emulator.settings.resource_group in {group["name"] for group in groups}


@pytest.mark.parametrize("path", ["/tenants", "/subscriptions"])
def test_a_login_needs_a_token(http: httpx.Client, path: str, assert_azure_error: Any) -> None:
    assert_azure_error(http.get(path, headers={"Authorization": ""}), 401, "AuthenticationFailed")


def test_workspaces_bring_their_subscription_and_group(http: httpx.Client) -> None:
    other = "/subscriptions/00000000-0000-0000-0000-00000000000f"
    made = http.put(
        f"{other}/resourceGroups/theirs/providers/Microsoft.MachineLearningServices/workspaces/ours",
        json={"location": "eastus"},
    )
    assert made.status_code == 201

    assert other in {each["id"] for each in http.get("/subscriptions").json()["value"]}
    assert [each["name"] for each in http.get(f"{other}/resourceGroups").json()["value"]] == ["theirs"]


def test_newer_versions_describe_one_cloud_and_older_ones_a_list(http: httpx.Client, emulator: RunningEmulator) -> None:
    one, many, plain = (
        http.get("/metadata/endpoints", params=query).json()
        for query in ({"api-version": "2022-09-01"}, {"api-version": "2019-05-01"}, {})
    )
    assert many == plain == [one]
    assert one["resourceManager"] == f"{emulator.base_url}/"


def test_sizes_and_usage_are_listed_by_the_sdk(ml_client: Any) -> None:
    # The SDK keeps the names of the wire.
    sizes = {size.name: vars(size) for size in ml_client.compute.list_sizes()}
    assert (sizes["Standard_DS3_v2"]["vCPUs"], sizes["Standard_DS3_v2"]["memoryGB"]) == (4, 14)
    assert sizes["Standard_NC6s_v3"]["gpus"] == 1
    assert {size.name for size in ml_client.compute.list_sizes(compute_type="amlcompute")} == set(sizes)
    usage = {each.name["value"]: vars(each) for each in ml_client.compute.list_usage()}
    assert usage["Clusters"]["limit"] == 500
    assert usage["Clusters"]["currentValue"] >= 1
