"""The endpoint's YAML as the real SDK reads it."""

import json
from pathlib import Path
from typing import Any

import pytest
from azure.ai.ml import load_online_deployment, load_online_endpoint

ONLINE = Path(__file__).parents[2] / "endpoints" / "online"


def test_the_endpoint_loads_and_asks_for_keys():
    endpoint = load_online_endpoint(ONLINE / "endpoint.yml")

    assert (endpoint.name, endpoint.auth_mode) == ("credit-default", "key")


def test_the_deployment_loads_with_the_scoring_code_and_a_pinned_environment():
    deployment: Any = load_online_deployment(ONLINE / "deployment.yml")

    assert deployment.endpoint_name == load_online_endpoint(ONLINE / "endpoint.yml").name
    assert (ONLINE / deployment.code_configuration.code / deployment.code_configuration.scoring_script).is_file()
    assert deployment.environment.name == "mlops-serving"
    assert "onnxruntime==" in json.dumps(deployment.environment.conda_file)


def test_as_many_requests_are_let_in_as_the_server_has_threads():
    deployment: Any = load_online_deployment(ONLINE / "deployment.yml")

    workers = int(deployment.environment_variables["WORKER_COUNT"])
    threads = int(deployment.environment_variables["GUNICORN_CMD_ARGS"].split()[-1])
    assert deployment.request_settings.max_concurrent_requests_per_instance == workers * threads


@pytest.mark.parametrize("path", sorted(ONLINE.glob("*.json")), ids=lambda path: path.name)
def test_sample_requests_are_json_with_rows(path):
    assert json.loads(path.read_text())["input_data"]
