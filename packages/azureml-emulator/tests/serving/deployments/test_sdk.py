"""The unmodified SDK: endpoints, deployments, traffic, keys, logs, invoke, errors."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from azureml_emulator.testing import wait_for

pytestmark = pytest.mark.xdist_group("serving")


@pytest.fixture
def made(ml_client: Any, folder_with_code: Path, tmp_path: Path) -> Callable[..., Any]:
    """Builds deployment objects for a new endpoint, with a model folder."""
    from azure.ai.ml.entities import (
        CodeConfiguration,
        Environment,
        ManagedOnlineDeployment,
        ManagedOnlineEndpoint,
        Model,
        OnlineRequestSettings,
    )

    name = f"sdk-{uuid.uuid4().hex[:8]}"
    package = tmp_path / "package"
    package.mkdir()
    (package / "weights.txt").write_text(name)
    endpoint = ManagedOnlineEndpoint(
        name=name, auth_mode="key", tags={"team": "credit"}, public_network_access="enabled"
    )
    ml_client.online_endpoints.begin_create_or_update(endpoint).result()

    def deployment(deployment_name: str = "blue", **variables: str) -> Any:
        return ManagedOnlineDeployment(
            name=deployment_name,
            endpoint_name=name,
            model=Model(name=name, version="1", path=str(package)),
            code_configuration=CodeConfiguration(code=str(folder_with_code), scoring_script="score.py"),
            environment=Environment(name="serving", version="7", image="mcr.example/serving"),
            instance_type="Standard_DS3_v2",
            instance_count=1,
            egress_public_network_access="enabled",
            environment_variables={"TEXT": deployment_name, **variables},
            request_settings=OnlineRequestSettings(max_concurrent_requests_per_instance=8),
            tags={"colour": deployment_name},
        )

    return deployment


def test_an_endpoint_from_creation_to_deletion(ml_client: Any, made: Callable[..., Any], tmp_path: Path) -> None:
    endpoints, deployments = ml_client.online_endpoints, ml_client.online_deployments
    # when a deployment is created and given the traffic
    deployed = deployments.begin_create_or_update(made()).result()
    name = deployed.endpoint_name
    endpoint = endpoints.get(name)
    # Sent as YAML has it, answered as Azure does.
    assert (endpoint.public_network_access, deployed.egress_public_network_access) == ("Enabled", "Enabled")
    endpoint.traffic = {"blue": 100}
    updated = endpoints.begin_create_or_update(endpoint).result()
    # then the SDK reads back what was requested
    assert (deployed.provisioning_state, deployed.instance_count) == ("Succeeded", 1)
    assert deployed.request_settings.max_concurrent_requests_per_instance == 8
    assert deployed.environment.endswith("/environments/serving/versions/7")
    assert (updated.traffic, updated.tags) == ({"blue": 100}, {"team": "credit"})
    assert updated.scoring_uri.endswith("/score")
    # and it answers
    request = tmp_path / "request.json"
    request.write_text(json.dumps({"a": 1}))
    assert json.loads(endpoints.invoke(name, request_file=str(request)))["text"] == "blue"
    answer = endpoints.invoke(name, request_file=str(request), deployment_name="blue")
    assert json.loads(answer)["text"] == "blue"
    assert "initialised blue" in deployments.get_logs("blue", name, 50)
    assert "Copied" in deployments.get_logs("blue", name, 50, container_type="storage-initializer")
    assert [found.name for found in deployments.list(name)] == ["blue"]
    # and is deleted
    endpoints.begin_delete(name).result()
    assert name not in [found.name for found in endpoints.list()]


def test_a_script_that_raises_at_init_fails_with_its_log(ml_client: Any, made: Callable[..., Any]) -> None:
    from azure.core.exceptions import HttpResponseError

    with pytest.raises(HttpResponseError, match="ResourceNotReady") as caught:
        ml_client.online_deployments.begin_create_or_update(made(AT_INIT="raise")).result()
    assert "the model cannot be read" in str(caught.value)


def test_traffic_that_does_not_add_up_is_refused(ml_client: Any, made: Callable[..., Any]) -> None:
    from azure.core.exceptions import HttpResponseError

    endpoint = ml_client.online_endpoints.get(made().endpoint_name)
    endpoint.traffic = {"missing": 100}
    with pytest.raises(HttpResponseError, match="'missing'"):
        ml_client.online_endpoints.begin_create_or_update(endpoint).result()
    endpoint.traffic = {"missing": 40}
    with pytest.raises(HttpResponseError, match="InvalidTraffic"):
        ml_client.online_endpoints.begin_create_or_update(endpoint).result()


def test_keys_rotate(ml_client: Any, made: Callable[..., Any]) -> None:
    name = made().endpoint_name
    before = ml_client.online_endpoints.get_keys(name)
    ml_client.online_endpoints.begin_regenerate_keys(name, key_type="secondary").result()
    after = ml_client.online_endpoints.get_keys(name)
    assert after.primary_key == before.primary_key
    assert after.secondary_key != before.secondary_key


def test_endpoints_with_tokens(ml_client: Any) -> None:
    from azure.ai.ml.entities import ManagedOnlineEndpoint

    for mode in ("aml_token", "aad_token"):
        name = f"token-{uuid.uuid4().hex[:8]}"
        endpoint = ManagedOnlineEndpoint(name=name, auth_mode=mode)
        assert ml_client.online_endpoints.begin_create_or_update(endpoint).result().auth_mode == mode
        assert ml_client.online_endpoints.get_keys(name).access_token


def test_a_deployment_is_deleted(ml_client: Any, made: Callable[..., Any]) -> None:
    deployed = ml_client.online_deployments.begin_create_or_update(made("green")).result()
    ml_client.online_deployments.begin_delete("green", deployed.endpoint_name).result()
    assert list(ml_client.online_deployments.list(deployed.endpoint_name)) == []


def test_a_data_collector_registers_its_data_assets_and_fills_them(
    ml_client: Any, made: Callable[..., Any], tmp_path: Path, emulator: Any
) -> None:
    from azure.ai.ml.entities import DataCollector, DeploymentCollection

    # given a deployment that collects its requests
    deployment = made()
    collections = {"request": DeploymentCollection(enabled="true")}
    deployment.data_collector = DataCollector(collections=collections, sampling_rate=1.0)
    deployed = ml_client.online_deployments.begin_create_or_update(deployment).result()
    # then the SDK reads the collector back, and the data asset has the path
    assert deployed.data_collector.collections["request"].enabled == "true"
    asset = ml_client.data.get(f"{deployed.endpoint_name}-blue-request", "1")
    assert asset.path.endswith(f"/paths/modelDataCollector/{deployed.endpoint_name}/blue/request/")
    # when it is called
    request = tmp_path / "request.json"
    request.write_text(json.dumps({"AGE": 30}))
    ml_client.online_endpoints.invoke(deployed.endpoint_name, request_file=str(request), deployment_name="blue")
    # then the request is there
    below = f"modelDataCollector/{deployed.endpoint_name}/blue/request"
    blobs = emulator.settings.state / "blobs"
    line = wait_for(lambda: "".join(file.read_text() for file in blobs.glob(f"*/*/{below}/*/*/*/*/*.jsonl")))
    assert json.loads(line)["data"] == {"AGE": 30}
