"""The login of a CI job at Azure: the CI system is asked for a new token each time."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest
from azure.identity import AzurePipelinesCredential, ClientAssertionCredential

from mlops.core.errors import WorkspaceError
from mlops.githost.github.job import request_id_token
from mlops.githost.hosts import current_job

TENANT = "11111111-2222-3333-4444-555555555555"
GITHUB = {
    "GITHUB_ACTIONS": "true",
    "ACTIONS_ID_TOKEN_REQUEST_URL": "http://127.0.0.1:1/token?api-version=2.0",
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "asks",
    "AZURE_TENANT_ID": TENANT,
    "AZURE_CLIENT_ID": TENANT,
}
AZURE = {
    "TF_BUILD": "True",
    "SYSTEM_OIDCREQUESTURI": "https://example.org/oidc",
    "SYSTEM_ACCESSTOKEN": "asks",
    "AZURESUBSCRIPTION_TENANT_ID": TENANT,
    "AZURESUBSCRIPTION_CLIENT_ID": TENANT,
    "AZURESUBSCRIPTION_SERVICE_CONNECTION_ID": TENANT,
}


class Tokens(BaseHTTPRequestHandler):
    """Gives a token to whoever bears the right one and names the right audience."""

    def do_GET(self) -> None:
        audience = parse_qs(urlsplit(self.path).query).get("audience")
        right = self.headers["Authorization"] == "Bearer asks" and audience == ["api://AzureADTokenExchange"]
        self.send_response(200 if right else 403)
        self.end_headers()
        self.wfile.write(json.dumps({"value": "proof"} if right else {}).encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing."""


@pytest.fixture
def github() -> Iterator[dict[str, str]]:
    """The variables of a job whose system answers on this machine."""
    server = HTTPServer(("127.0.0.1", 0), Tokens)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    address = f"http://127.0.0.1:{server.server_port}/token?api-version=2.0"
    yield GITHUB | {"ACTIONS_ID_TOKEN_REQUEST_URL": address}
    server.shutdown()
    thread.join()
    server.server_close()


def credential(environment: dict[str, str]) -> object:
    return current_job(environment).credential()


@pytest.mark.parametrize(
    ("environment", "kind"),
    [(GITHUB, ClientAssertionCredential), (AZURE, AzurePipelinesCredential), ({}, type(None))],
    ids=["GitHub", "Azure", "neither"],
)
def test_the_variables_name_the_login(environment: dict[str, str], kind: type) -> None:
    assert type(credential(environment)) is kind
    for name in environment:
        assert credential(environment | {name: ""}) is None


def test_github_is_asked_for_a_token_for_azure(github: dict[str, str]) -> None:
    assert request_id_token(github) == "proof"


@pytest.mark.parametrize("wrong", [{"ACTIONS_ID_TOKEN_REQUEST_TOKEN": "other"}, {}], ids=["refused", "nobody there"])
def test_a_job_without_the_permission_says_what_it_needs(github: dict[str, str], wrong: dict[str, str]) -> None:
    environment = github | wrong if wrong else GITHUB

    with pytest.raises(WorkspaceError) as refused:
        request_id_token(environment)

    assert "id-token: write" in refused.value.advice
