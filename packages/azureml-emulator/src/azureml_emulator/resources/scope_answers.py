"""What a GET of a workspace or registry shows of what Azure would create with it. Pure: no I/O.

The ids of a key vault, of Application Insights and of a registry's accounts are names only: nothing is behind them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from azureml_emulator.kernel.resource_id import Scope
from azureml_emulator.kernel.service_fields import filled
from azureml_emulator.security.tokens import TENANT

_DIAGNOSED = (
    "userDefinedRoute",
    "networkSecurityRule",
    "resourceLock",
    "dnsResolution",
    "storageAccount",
    "keyVault",
    "containerRegistry",
    "applicationInsights",
    "other",
)
_REGION = {
    "acrDetails": [{"systemCreatedAcrAccount": {"acrAccountSku": "Premium"}}],
    "storageAccountDetails": [
        {"systemCreatedStorageAccount": {"storageAccountHnsEnabled": False, "storageAccountType": "standard_lrs"}}
    ],
}


def workspace_properties(scope: Scope, created: str, base_url: str) -> dict[str, Any]:
    """Resources beside a workspace, its tenant, and its addresses at this process."""
    suffix = scope.storage_account.removeprefix("emu")
    return {
        "applicationInsights": _arm_id(scope, "Microsoft.insights/components", f"ai{suffix}"),
        "creationTime": created,
        "discoveryUrl": f"{base_url}/discovery",
        "keyVault": _arm_id(scope, "Microsoft.Keyvault/vaults", f"kv{suffix}"),
        "mlFlowTrackingUri": _mlflow(scope, base_url),
        "storageAccount": storage_account_id(scope),
        "tenantId": TENANT,
    }


def addresses_of(properties: Mapping[str, Any]) -> dict[str, Any]:
    """The properties that follow this process, whatever a client sent back."""
    return {name: properties[name] for name in ("discoveryUrl", "mlFlowTrackingUri")}


def registry_properties(scope: Scope, properties: Mapping[str, Any], location: str, base_url: str) -> dict[str, Any]:
    """The regions of a registry with their accounts, its managed resource group, and its addresses."""
    managed = Scope(scope.subscription, f"azureml-rg-{scope.name}_{scope.guid}", "registries", scope.name)
    given = properties.get("regionDetails") or [{"location": location}]
    return {
        "discoveryUrl": f"{base_url}/registrymanagement/v1.0/registries/{scope.name}/discovery",
        "managedResourceGroup": {
            "resourceId": f"/subscriptions/{managed.subscription}/resourceGroups/{managed.resource_group}"
        },
        "mlFlowRegistryUri": _mlflow(scope, base_url),
        "regionDetails": [_region(managed, region) for region in given],
    }


def workspace_keys(scope: Scope) -> dict[str, Any]:
    """What `listKeys` answers: there is storage, which takes signatures only, and nothing else that has keys."""
    return {
        "userStorageKey": None,
        "userStorageArmId": storage_account_id(scope),
        # As earlier API versions name it.
        "userStorageResourceId": storage_account_id(scope),
        "appInsightsInstrumentationKey": None,
        "containerRegistryCredentials": None,
        "notebookAccessKeys": None,
    }


def diagnosis() -> dict[str, Any]:
    """What `diagnose` finds wrong with the resources beside a workspace, which are names only: nothing."""
    return {"value": {f"{part}Results": [] for part in _DIAGNOSED}}


def storage_account_id(scope: Scope) -> str:
    """The ARM id of the storage account of a workspace or registry."""
    return _arm_id(scope, "Microsoft.Storage/storageAccounts", scope.storage_account)


def plain_location(location: str) -> str:
    """A region as registries answer it: "West Central US" is westcentralus."""
    return location.replace(" ", "").lower()


def _region(managed: Scope, region: Mapping[str, Any]) -> dict[str, Any]:
    whole = filled(region, _REGION)
    account = managed.storage_account
    return {
        **whole,
        "location": plain_location(str(whole.get("location") or "")),
        "acrDetails": [
            _account(each, "AcrAccount", "acrAccountName", account, managed, "Microsoft.ContainerRegistry/registries")
            for each in whole["acrDetails"]
        ],
        "storageAccountDetails": [
            _account(
                each, "StorageAccount", "storageAccountName", account, managed, "Microsoft.Storage/storageAccounts"
            )
            for each in whole["storageAccountDetails"]
        ],
    }


def _account(
    given: Mapping[str, Any], what: str, name: str, account: str, managed: Scope, resource_type: str
) -> dict[str, Any]:
    """The details of one account of a region, which the service or the user created."""
    system = given.get(f"systemCreated{what}")
    added = {name: account, "armResourceId": {"resourceId": _arm_id(managed, resource_type, account)}}
    made = None if system is None else filled(system, added)
    return {f"systemCreated{what}": made, f"userCreated{what}": given.get(f"userCreated{what}")}


def _arm_id(scope: Scope, resource_type: str, name: str) -> str:
    return f"/subscriptions/{scope.subscription}/resourceGroups/{scope.resource_group}/providers/{resource_type}/{name}"


def _mlflow(scope: Scope, base_url: str) -> str:
    return f"azureml://{base_url.removeprefix('https://')}/mlflow/v1.0{scope.id}"
