"""What Azure Resource Manager answers outside of workspaces: tenants, subscriptions, their groups, sizes and usage.

The Azure CLI asks for the first two when it logs in. There is one tenant; subscriptions and groups are those of the
workspaces and registries.
"""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from azureml_emulator.kernel.resource_id import PROVIDER, Scope, parse_resource_path
from azureml_emulator.kernel.settings import Settings
from azureml_emulator.kernel.store import Store
from azureml_emulator.resources.service_catalog import CLUSTER_CORES, CLUSTERS, VM_SIZES, cores_of
from azureml_emulator.security.tokens import TENANT

_NAME = "Azure ML emulator"


class Subscriptions:
    """Reads the store, changes nothing."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store = store
        self._settings = settings

    def routes(self) -> list[Route]:
        """The routes of this class."""
        subscription = "/subscriptions/{subscription}"
        location = f"{subscription}/providers/{PROVIDER}/locations/{{location}}"
        return [
            Route("/tenants", self.tenants),
            Route("/subscriptions", self.subscriptions),
            Route(subscription, self.subscription),
            Route(f"{subscription}/locations", self.locations),
            Route(f"{subscription}/resourcegroups", self.groups),
            Route(f"{subscription}/resourceGroups", self.groups),
            Route(f"{location}/vmSizes", self.vm_sizes),
            Route(f"{location}/usages", self.usages),
        ]

    async def tenants(self, _: Request) -> Response:
        """The one tenant."""
        tenant = {
            "id": f"/tenants/{TENANT}",
            "tenantId": TENANT,
            "displayName": _NAME,
            "defaultDomain": "emulator.local",
            "domains": ["emulator.local"],
            "countryCode": "US",
            "tenantCategory": "Home",
            "tenantType": "AAD",
        }
        return JSONResponse({"value": [tenant]})

    async def subscriptions(self, _: Request) -> Response:
        """The subscription of the settings, and those of workspaces."""
        known = dict.fromkeys([self._settings.subscription, *(scope.subscription for scope in self._scopes())])
        return JSONResponse({"value": [_subscription(each) for each in known]})

    async def subscription(self, request: Request) -> Response:
        """Any subscription, since a workspace in it would be created on first use."""
        return JSONResponse(_subscription(request.path_params["subscription"]))

    async def locations(self, request: Request) -> Response:
        """The one location."""
        name, above = self._settings.location, f"/subscriptions/{request.path_params['subscription']}"
        found = {"id": f"{above}/locations/{name}", "name": name, "type": "Region", "displayName": name}
        return JSONResponse({"value": [{**found, "regionalDisplayName": name}]})

    async def groups(self, request: Request) -> Response:
        """The resource groups of workspaces and registries of a subscription."""
        subscription = request.path_params["subscription"].lower()
        own = [self._settings.resource_group] if subscription == self._settings.subscription.lower() else []
        others = [scope.resource_group for scope in self._scopes() if scope.subscription.lower() == subscription]
        names = {name.lower(): name for name in (*others, *own)}
        return JSONResponse({"value": [self._group(request, name) for name in names.values()]})

    async def vm_sizes(self, _: Request) -> Response:
        """A selection of sizes, the same in every location."""
        return JSONResponse({"value": [size.document() for size in VM_SIZES]})

    async def usages(self, request: Request) -> Response:
        """The clusters of a subscription, and the cores that they may have, against the default quota."""
        subscription, location = request.path_params["subscription"], request.path_params["location"]
        clusters = [
            compute.properties.get("properties") or {}
            for compute in self._store.of_kind("computes")
            if compute.properties.get("computeType") == "AmlCompute"
            and parse_resource_path(compute.id).scope.subscription.lower() == subscription.lower()
        ]
        cores = sum(cores_of(str(each.get("vmSize", ""))) * int(each.get("currentNodeCount") or 0) for each in clusters)
        above = f"/subscriptions/{subscription}/providers/{PROVIDER}/locations/{location}/usages"
        found = (
            ("Clusters", len(clusters), CLUSTERS),
            ("Total Cluster Dedicated Regional vCPUs", cores, CLUSTER_CORES),
        )
        return JSONResponse({"value": [_usage(above, location, *each) for each in found]})

    def _group(self, request: Request, name: str) -> dict[str, Any]:
        return {
            "id": f"/subscriptions/{request.path_params['subscription']}/resourceGroups/{name}",
            "name": name,
            "type": "Microsoft.Resources/resourceGroups",
            "location": self._settings.location,
            "properties": {"provisioningState": "Succeeded"},
        }

    def _scopes(self) -> list[Scope]:
        found = [*self._store.of_kind("workspaces"), *self._store.of_kind("registries")]
        return [parse_resource_path(resource.id).scope for resource in found]


def _subscription(identifier: str) -> dict[str, Any]:
    policies = {"locationPlacementId": "Public_2014-09-01", "quotaId": "Emulator", "spendingLimit": "Off"}
    return {
        "id": f"/subscriptions/{identifier}",
        "subscriptionId": identifier,
        "tenantId": TENANT,
        "displayName": _NAME,
        "state": "Enabled",
        "subscriptionPolicies": policies,
        "authorizationSource": "RoleBased",
        "managedByTenants": [],
    }


def _usage(above: str, location: str, name: str, current: int, limit: int) -> dict[str, Any]:
    return {
        "id": f"{above}/{name.replace(' ', '')}",
        "amlWorkspaceLocation": location,
        "type": f"{PROVIDER}/usages",
        "unit": "Count",
        "currentValue": current,
        "limit": limit,
        "name": {"value": name, "localizedValue": name},
    }
