"""Curated environments: known by name, version and label in workspaces and in the service's registry, never stored."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from azureml_emulator.testing import RunningEmulator

RESERVED = "AzureML-sklearn-1.0-ubuntu20.04-py38-cpu"


@pytest.mark.parametrize(
    ("version", "label", "found"), [("33", None, "33"), (None, "latest", "1")], ids=["version", "label"]
)
def test_a_reserved_name_is_an_environment_of_every_workspace(
    ml_client: Any, version: str | None, label: str | None, found: str
) -> None:
    environment = ml_client.environments.get(RESERVED, version=version, label=label)

    assert (environment.name, environment.version, environment.os_type) == (RESERVED, found, "Linux")
    assert environment.image.startswith("mcr.microsoft.com/azureml/curated/")


@pytest.mark.parametrize("name", [RESERVED, "sklearn-1.5", "acpt-pytorch-2.2-cuda12.1", "minimal-py311-inference"])
def test_the_registry_of_the_service_has_environments(credential: Any, name: str) -> None:
    from azure.ai.ml import MLClient

    system = MLClient(credential, registry_name="azureml")

    latest = system.environments.get(name, label="latest")
    assert (latest.name, latest.version) == (name, "1")
    assert latest.id == f"azureml://registries/azureml/environments/{name}/versions/1"
    assert system.environments.get(name, version="7").version == "7"


def test_other_names_are_unknown(ml_client: Any, credential: Any, http: Any, workspace: str) -> None:
    from azure.ai.ml import MLClient
    from azure.ai.ml.exceptions import ValidationException
    from azure.core.exceptions import ResourceNotFoundError

    with pytest.raises(ValidationException, match="does not exist"):
        MLClient(credential, registry_name="azureml").environments.get("mine", label="latest")
    for name, version in (("sklearn-1.5", "1"), (RESERVED, "newest"), ("mine", "1")):
        with pytest.raises(ResourceNotFoundError):
            ml_client.environments.get(name, version=version)
    assert http.get(f"{workspace}/components/{RESERVED}/versions/1").status_code == 404


@pytest.mark.parametrize("reference", [f"azureml:{RESERVED}:33", f"azureml:{RESERVED}@latest"])
def test_jobs_and_steps_take_them_by_name(ml_client: Any, reference: str) -> None:
    from azure.ai.ml import command
    from azure.ai.ml.dsl import pipeline

    step: Any = command(name="curated", command="echo ran", environment=reference).component

    @pipeline
    def steps() -> None:
        step()

    jobs: list[Any] = [command(command="echo ran", environment=reference, compute="cpu-cluster"), steps()]
    jobs[1].settings.default_compute = "cpu-cluster"
    names = [ml_client.jobs.create_or_update(job, experiment_name="curated").name for job in jobs]
    for name in names:
        ml_client.jobs.stream(name)
        assert ml_client.jobs.get(name).status == "Completed"


@pytest.mark.parametrize(("given", "version"), [(":33", "33"), ("@latest", "1")], ids=["version", "label"])
def test_components_have_them_with_their_registry(http: Any, workspace: str, given: str, version: str) -> None:
    reference = f"azureml:{RESERVED}{given}"
    specification = {
        "command": {"type": "command", "command": "echo", "environment": reference},
        "parallel": {"type": "parallel", "task": {"type": "run_function", "environment": reference}},
    }
    kept = {}
    for kind, sent in specification.items():
        path = f"{workspace}/components/curated-{kind}/versions/{version}"
        found = http.put(path, json={"properties": {"componentSpec": sent}}).json()["properties"]["componentSpec"]
        kept[kind] = found.get("environment") or found["task"]["environment"]
    long = f"azureml://registries/azureml/environments/{RESERVED}/versions/{version}"
    assert kept == dict.fromkeys(specification, long)


def test_a_job_with_an_unknown_environment_is_refused(ml_client: Any) -> None:
    from azure.ai.ml import command
    from azure.core.exceptions import HttpResponseError

    with pytest.raises(HttpResponseError, match="does not exist"):
        ml_client.jobs.create_or_update(command(command="true", environment="mine:1", compute="cpu-cluster"))


def test_a_strict_emulator_has_the_registry_of_the_service(
    fresh_emulator: Callable[..., RunningEmulator], client_of: Callable[[RunningEmulator], httpx.Client]
) -> None:
    client = client_of(fresh_emulator(strict=True))
    found = [client.get(f"/registrymanagement/v1.0/registries/{name}/discovery") for name in ("azureml", "mine")]
    assert [reply.status_code for reply in found] == [200, 404]
