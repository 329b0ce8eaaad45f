"""Workspaces have the clusters that the emulator was started with, those of an earlier run too."""

from __future__ import annotations

from collections.abc import Callable

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
