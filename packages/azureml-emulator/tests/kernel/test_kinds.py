"""The table of kinds: a new kind is one line, and a missing behaviour is found at the start."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from azureml_emulator.app import Emulator
from azureml_emulator.kernel.behaviours import Behaviours
from azureml_emulator.kernel.kinds import KINDS, Kind, asset
from azureml_emulator.kernel.settings import Settings

BASE_URL = "https://127.0.0.1:1"
SCOPE = "/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w"


def add(monkeypatch: pytest.MonkeyPatch, *kinds: Kind) -> None:
    for kind in kinds:
        monkeypatch.setitem(KINDS, kind.path.lower(), kind)


def ask(emulator: Emulator, *requests: tuple[str, str, dict[str, Any] | None]) -> list[httpx.Response]:
    """Send requests to an emulator in this process, one after another."""

    async def run() -> list[httpx.Response]:
        headers = {"Authorization": f"Bearer {emulator.tokens.issue('https://management.azure.com').text}"}
        transport = httpx.ASGITransport(emulator.application())
        async with httpx.AsyncClient(transport=transport, base_url=BASE_URL, headers=headers) as client:
            return [await client.request(method, SCOPE + path, json=body) for method, path, body in requests]

    return asyncio.run(run())


@pytest.mark.parametrize("more", [(), asset("prompts", "specification")], ids=["without", "with"])
def test_an_asset_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: tuple[Kind, ...]) -> None:
    # given a table with or without one more asset
    add(monkeypatch, *more)

    # when a version of it is stored, changed and read
    versions = "/prompts/f/versions"
    made, changed, container, listed = ask(
        Emulator(Settings(state=tmp_path), BASE_URL),
        ("PUT", f"{versions}/1", {"properties": {"specification": "first"}}),
        ("PUT", f"{versions}/1", {"properties": {"specification": "second"}}),
        ("GET", "/prompts/f", None),
        ("GET", versions, None),
    )

    # then the line alone makes it an asset: versions are immutable, and the container follows them
    if not more:
        assert {reply.status_code for reply in (made, container, listed)} == {501}
        return
    assert (made.status_code, changed.status_code) == (201, 400)
    assert container.json()["properties"]["latestVersion"] == "1"
    assert [each["name"] for each in listed.json()["value"]] == ["1"]


def test_a_behaviour_that_is_missing_is_found_at_the_start() -> None:
    with pytest.raises(KeyError):
        Behaviours({})
