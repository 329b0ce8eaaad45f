"""The unmodified SDK with an attached Kubernetes cluster: attach, endpoint, deployment, refusals, detach."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.xdist_group("serving")

CLUSTER = (
    "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg/providers"
    "/Microsoft.ContainerService/managedClusters/aks"
)


@pytest.fixture(scope="module")
def cluster(ml_client: Any) -> str:
    """The name of an attached cluster with the instance type `small`."""
    from azure.ai.ml.entities import KubernetesCompute

    limits = {"cpu": "1", "memory": "4Gi"}
    small = {"nodeSelector": {"pool": "scoring"}, "resources": {"requests": limits, "limits": limits}}
    compute = KubernetesCompute(
        name="scoring",
        resource_id=CLUSTER,
        namespace="azureml",
        location="eastus",
        properties={"instanceTypes": {"small": small}},
    )
    ml_client.compute.begin_create_or_update(compute).result()
    return "scoring"


@pytest.fixture(scope="module")
def endpoint(ml_client: Any, cluster: str) -> str:
    from azure.ai.ml.entities import KubernetesOnlineEndpoint

    name = f"k8s-{uuid.uuid4().hex[:8]}"
    made = KubernetesOnlineEndpoint(name=name, compute=cluster, auth_mode="key")
    ml_client.online_endpoints.begin_create_or_update(made).result()
    return name


def deployment_of(endpoint: str, code: Path, timeout_ms: int = 180_000, **given: Any) -> Any:
    from azure.ai.ml.entities import (
        CodeConfiguration,
        Environment,
        KubernetesOnlineDeployment,
        OnlineRequestSettings,
        ResourceRequirementsSettings,
        ResourceSettings,
        TargetUtilizationScaleSettings,
    )

    size = ResourceSettings(cpu="500m", memory="1Gi")
    settings: dict[str, Any] = {
        "name": "blue",
        "instance_type": "small",
        "instance_count": 1,
        "resources": ResourceRequirementsSettings(requests=size, limits=size),
        "scale_settings": TargetUtilizationScaleSettings(
            min_instances=1, max_instances=3, polling_interval=10, target_utilization_percentage=70
        ),
        "environment_variables": {"TEXT": "on kubernetes"},
    }
    return KubernetesOnlineDeployment(
        endpoint_name=endpoint,
        code_configuration=CodeConfiguration(code=str(code), scoring_script="score.py"),
        environment=Environment(name="serving", version="7", image="mcr.example/serving"),
        request_settings=OnlineRequestSettings(max_concurrent_requests_per_instance=4, request_timeout_ms=timeout_ms),
        **{**settings, **given},
    )


def test_a_deployment_on_a_cluster_from_creation_to_invocation(
    ml_client: Any, http: Any, endpoint: str, folder_with_code: Path, tmp_path: Path
) -> None:
    from azure.ai.ml.entities import KubernetesCompute, KubernetesOnlineDeployment, KubernetesOnlineEndpoint
    from azure.core.exceptions import HttpResponseError

    endpoints, deployments = ml_client.online_endpoints, ml_client.online_deployments
    # when a deployment is created on the cluster and given the traffic
    deployments.begin_create_or_update(deployment_of(endpoint, folder_with_code)).result()
    found = endpoints.get(endpoint)
    found.traffic = {"blue": 100}
    endpoints.begin_create_or_update(found).result()
    # then the SDK reads back what was requested, with its types
    made, found = deployments.get("blue", endpoint), endpoints.get(endpoint)
    assert (type(found), type(made)) == (KubernetesOnlineEndpoint, KubernetesOnlineDeployment)
    assert found.compute.endswith("/computes/scoring")
    assert (made.provisioning_state, made.instance_type, made.resources.limits.memory) == ("Succeeded", "small", "1Gi")
    assert (made.scale_settings.min_instances, made.scale_settings.max_instances) == (1, 3)
    assert isinstance(ml_client.compute.get("scoring"), KubernetesCompute)
    # and it answers
    request = tmp_path / "request.json"
    request.write_text(json.dumps({"a": 1}))
    assert json.loads(endpoints.invoke(endpoint, request_file=str(request)))["text"] == "on kubernetes"
    # and a request beyond its timeout is a 504, as of the cluster's router
    impatient = deployment_of(endpoint, folder_with_code, timeout_ms=100, name="green")
    deployments.begin_create_or_update(impatient).result()
    key = endpoints.get_keys(endpoint).primary_key
    headers = {"Authorization": f"Bearer {key}", "azureml-model-deployment": "green"}
    slow = {"wait_for": str(tmp_path / "go")}
    assert http.post(found.scoring_uri, headers=headers, json=slow).status_code == 504
    (tmp_path / "go").touch()
    # and mirrored traffic is refused
    found.mirror_traffic = {"blue": 10}
    with pytest.raises(HttpResponseError, match="cannot be mirrored"):
        endpoints.begin_create_or_update(found).result()


def test_azure_monitor_has_no_metrics_of_clusters(http: Any, workspace: str, endpoint: str) -> None:
    path = f"{workspace}/onlineEndpoints/{endpoint}/providers/microsoft.insights/metrics"
    asked = {"api-version": "2023-10-01", "metricnames": "RequestsPerMinute", "interval": "FULL"}
    reply = http.get(path, params=asked | {"aggregation": "Total", "$filter": "deployment eq '*'"}).json()
    assert [metric["timeseries"] for metric in reply["value"]] == [[]]


def test_a_managed_deployment_is_refused(ml_client: Any, endpoint: str, folder_with_code: Path) -> None:
    from azure.ai.ml.entities import ManagedOnlineDeployment
    from azure.core.exceptions import HttpResponseError

    given = deployment_of(endpoint, folder_with_code)
    managed = ManagedOnlineDeployment(
        name="green",
        endpoint_name=endpoint,
        code_configuration=given.code_configuration,
        environment=given.environment,
        instance_type="Standard_DS3_v2",
        instance_count=1,
    )
    with pytest.raises(HttpResponseError, match="same type as its endpoint"):
        ml_client.online_deployments.begin_create_or_update(managed).result()


def test_an_endpoint_on_another_compute_is_refused(ml_client: Any) -> None:
    from azure.ai.ml.entities import KubernetesOnlineEndpoint
    from azure.core.exceptions import HttpResponseError

    for compute in ("cpu-cluster", "missing"):
        wrong = KubernetesOnlineEndpoint(name=f"k8s-{uuid.uuid4().hex[:8]}", compute=compute, auth_mode="key")
        with pytest.raises(HttpResponseError, match="attach the cluster"):
            ml_client.online_endpoints.begin_create_or_update(wrong).result()


def test_the_compute_of_an_endpoint_cannot_change(ml_client: Any, endpoint: str) -> None:
    from azure.ai.ml.entities import ManagedOnlineEndpoint
    from azure.core.exceptions import HttpResponseError

    with pytest.raises(HttpResponseError, match="compute of an endpoint cannot change"):
        ml_client.online_endpoints.begin_create_or_update(ManagedOnlineEndpoint(name=endpoint)).result()


def test_a_cluster_is_attached_and_detached(ml_client: Any) -> None:
    from azure.ai.ml.entities import KubernetesCompute
    from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

    with pytest.raises(HttpResponseError, match="ARM id of an AKS"):
        ml_client.compute.begin_create_or_update(KubernetesCompute(name="bare", location="eastus")).result()
    other = KubernetesCompute(name="other", resource_id=CLUSTER, location="eastus")
    ml_client.compute.begin_create_or_update(other).result()
    assert ml_client.compute.get("other").namespace == "default"
    assert "other" in [compute.name for compute in ml_client.compute.list(compute_type="Kubernetes")]
    ml_client.compute.begin_delete("other", action="Detach").wait()
    with pytest.raises(ResourceNotFoundError):
        ml_client.compute.get("other")
