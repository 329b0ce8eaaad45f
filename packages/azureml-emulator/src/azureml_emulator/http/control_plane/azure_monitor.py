"""Azure Monitor's routes for online endpoints and deployments; what is counted is in `serving/metrics/`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from azureml_emulator.kernel.clock import Clock
from azureml_emulator.kernel.errors import NotFound, NotModelled
from azureml_emulator.kernel.resource_id import parse_resource_path
from azureml_emulator.kernel.store import Resource, Store
from azureml_emulator.serving.deployments.endpoints import DEPLOYMENT_KIND, KIND
from azureml_emulator.serving.metrics.definitions import (
    DEFINITIONS,
    DEPLOYMENT_NAMESPACE,
    ENDPOINT_NAMESPACE,
    Definition,
)
from azureml_emulator.serving.metrics.query import FULL, read_query
from azureml_emulator.serving.metrics.request_counts import DeploymentMetrics
from azureml_emulator.serving.metrics.series import answer, describe, moment
from azureml_emulator.serving.servers.fleet import Fleet

# Clients use both spellings.
_PROVIDERS = ("microsoft.insights", "Microsoft.Insights")
_NAMESPACES = {KIND: ENDPOINT_NAMESPACE, DEPLOYMENT_KIND: DEPLOYMENT_NAMESPACE}


class Monitor:
    """Serves `{resource}/providers/microsoft.insights/metrics` and `…/metricDefinitions`."""

    def __init__(self, store: Store, fleet: Fleet, clock: Clock) -> None:
        self._store = store
        self._fleet = fleet
        self._clock = clock

    def routes(self) -> list[Route]:
        """The routes; they must precede the generic route of the control plane."""
        served = (("metrics", self.metrics), ("metricDefinitions", self.definitions))
        return [
            Route(f"/subscriptions/{{rest:path}}/providers/{provider}/{name}", serve)
            for provider in _PROVIDERS
            for name, serve in served
        ]

    async def metrics(self, request: Request) -> Response:
        """The values of metrics."""
        resource, namespace = self._find(request)
        query = read_query(request.query_params, DEFINITIONS[namespace], self._clock.now())
        values = answer(query, self._counts(resource), resource.id)
        interval = f"PT{query.end - query.start:g}S" if query.interval == FULL else query.interval
        return JSONResponse(
            {
                "cost": 0,
                "timespan": f"{moment(query.start)}/{moment(query.end)}",
                "interval": interval,
                "value": values,
                "namespace": namespace,
                "resourceregion": str(self._region(resource)),
            }
        )

    async def definitions(self, request: Request) -> Response:
        """The definitions of the metrics."""
        resource, namespace = self._find(request)
        known: Sequence[Definition] = DEFINITIONS[namespace]
        return JSONResponse({"value": [describe(definition, resource.id, namespace) for definition in known]})

    def _find(self, request: Request) -> tuple[Resource, str]:
        path = parse_resource_path(f"/subscriptions/{request.path_params['rest']}")
        namespace = _NAMESPACES.get(path.kind.lower())
        if namespace is None or path.tail is not None:
            raise NotModelled(
                f"The emulator has metrics of online endpoints and their deployments, not of '{path.kind}'."
            )
        resource = self._store.get(path.key)
        if resource is None:
            raise NotFound(f"{path.id} does not exist.", code="ResourceNotFound")
        return resource, namespace

    def _counts(self, resource: Resource) -> Mapping[str, DeploymentMetrics]:
        endpoint = self._store.get(resource.parent) if resource.kind.lower() == DEPLOYMENT_KIND else resource
        if endpoint is not None and endpoint.properties.get("compute"):
            # Azure Monitor has no data of endpoints on Kubernetes: they are measured on the cluster.
            return {}
        if resource.kind.lower() == DEPLOYMENT_KIND:
            found = [resource]
        else:
            found = self._store.children(resource.key, DEPLOYMENT_KIND)
        serving: dict[str, Any] = {child.name: self._fleet.get(child.key) for child in found}
        return {name: deployment.metrics for name, deployment in serving.items() if deployment is not None}

    def _region(self, resource: Resource) -> str | None:
        return resource.document.get("location")
