"""A cloud that describes itself is asked once in the life of a program."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from mlops.azure.workspace import described_cloud, management_address
from mlops.core.errors import WorkspaceError

VARIABLE = "ARM_CLOUD_METADATA_URL"


class Describing(BaseHTTPRequestHandler):
    """Answers with two clouds, one of which is its own."""

    asked = 0

    def do_GET(self) -> None:
        type(self).asked += 1
        address = f"http://{self.headers['Host']}/"
        clouds = [cloud("Other", "https://elsewhere.invalid/"), cloud("Mine", address)]
        body = json.dumps(clouds).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
        """Say nothing."""


def cloud(name: str, manager: str) -> dict[str, object]:
    return {
        "name": name,
        "portal": "https://portal.azure.com/",
        "resourceManager": manager,
        "authentication": {"loginEndpoint": manager, "audiences": [manager]},
        "suffixes": {"storage": "core.windows.net"},
    }


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Describing) as serving:
        threading.Thread(target=serving.serve_forever, daemon=True).start()
        yield serving
        serving.shutdown()


def test_cloud_is_the_one_whose_address_it_is_and_is_asked_once(
    server: ThreadingHTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setenv(VARIABLE, f"{address}/metadata/endpoints")

    found = described_cloud()
    asked = Describing.asked

    assert found is not None
    assert found.name == "Mine"
    assert management_address() == address
    assert described_cloud() is found
    assert Describing.asked == asked


def test_without_the_variable_the_sdk_knows_the_cloud(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.delenv("AZUREML_CURRENT_CLOUD", raising=False)

    assert described_cloud() is None
    assert management_address() == "https://management.azure.com"


def test_address_where_nothing_answers_is_an_error_with_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "http://127.0.0.1:1/metadata/endpoints")

    with pytest.raises(WorkspaceError, match=r"nothing answers at http://127\.0\.0\.1:1") as caught:
        described_cloud()
    assert "mlops up" in caught.value.advice
