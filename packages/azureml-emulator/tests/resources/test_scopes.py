"""Workspaces: the clusters that the emulator was started with, those of an earlier run too, and their actions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx

from azureml_emulator.testing import RunningEmulator


def test_a_further_cluster_is_in_new_workspaces_and_in_those_of_an_earlier_run(
    fresh_emulator: Callable[..., RunningEmulator],
    client_of: Callable[[RunningEmulator], httpx.Client],
    workspace_of: Callable[..., str],
) -> None:
    def clusters(running: RunningEmulator, workspace: str) -> set[str]:
        listed = client_of(running).get(f"{workspace}/computes", params={"api-version": "2023-06-01-preview"})
        return {each["name"] for each in listed.json()["value"]}

    first = fresh_emulator()
    assert clusters(first, workspace_of(first)) == {"cpu-cluster"}
    first.stop()

    again = fresh_emulator(computes=("gpu-cluster",))

    for name in (None, "another"):
        assert clusters(again, workspace_of(again, name)) == {"cpu-cluster", "gpu-cluster"}


def test_keys_and_a_diagnosis_of_a_workspace_can_be_asked_for(
    ml_client: Any, http: httpx.Client, workspace: str, assert_azure_error: Callable[..., None]
) -> None:
    name = ml_client.workspace_name

    keys = ml_client.workspaces.get_keys(name)
    assert keys.user_storage_key is None
    assert keys.user_storage_resource_id == ml_client.workspaces.get(name).storage_account
    ml_client.workspaces.begin_sync_keys(name).result()
    assert ml_client.workspaces.begin_diagnose(name).result().key_vault_results == []
    registry = workspace.replace("/workspaces/", "/registries/")
    assert_azure_error(http.post(f"{registry}/listKeys"), 501, "NotImplemented", "registry")
