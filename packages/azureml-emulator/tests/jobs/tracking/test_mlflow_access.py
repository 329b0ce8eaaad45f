"""Who gets to MLflow: programs with a token, browsers with a one-time link; and where artifacts may be.

None of it starts MLflow.
"""

from __future__ import annotations

import json
import time
from collections.abc import Generator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from azureml_emulator.jobs.tracking.artifact_locations import check_locations
from azureml_emulator.kernel.clock import Clock
from azureml_emulator.kernel.errors import BadRequest
from azureml_emulator.security.page_access import LINK_SECONDS, PageAccess
from azureml_emulator.testing import PATIENCE_SECONDS, RunningEmulator

# Answered from the workspace, without MLflow's server.
MODELS = "ajax-api/2.0/mlflow/registered-models/search"


@pytest.fixture
def browser() -> Generator[httpx.Client]:
    with httpx.Client(trust_env=False, timeout=PATIENCE_SECONDS) as client:
        yield client


def link(http: httpx.Client) -> str:
    return http.post("/_emulator/control/mlflow-link").json()["link"]


def test_a_link_works_once_and_leaves_a_cookie(http: httpx.Client, browser: httpx.Client) -> None:
    # given a link, as `azureml-emulator status` prints it
    given = link(http)
    opened = browser.get(given)
    # then the browser is sent to the pages, with a cookie for them alone
    assert opened.status_code == 303
    pages = str(httpx.URL(given).join(opened.headers["location"]))
    assert pages == given.partition("open/")[0]
    cookie = opened.headers["set-cookie"]
    assert all(word in cookie for word in ("HttpOnly", "SameSite=Strict", f"Path={urlsplit(pages).path.rstrip('/')}"))
    assert browser.get(f"{pages}{MODELS}").status_code == 200
    # and the link is of no use to another one, but does no harm in this one
    with httpx.Client(trust_env=False, timeout=PATIENCE_SECONDS) as other:
        assert other.get(given).status_code == 401
        assert other.get(f"{pages}{MODELS}").status_code == 401
    assert browser.get(given).status_code == 303


def test_pages_are_for_this_host_and_this_cookie(http: httpx.Client, browser: httpx.Client) -> None:
    pages = link(http).partition("open/")[0]
    root = f"http://{urlsplit(pages).netloc}"
    refused = [
        browser.get(f"{root}/{MODELS}"),
        browser.get(f"{root}/"),
        browser.get(f"{pages}open/forged/"),
        browser.head(link(http)),
        browser.get(f"{pages}{MODELS}", headers={"Cookie": "azureml-emulator-pages=forged"}),
        # a token is for programs: a page of another site could not send it, nor can a page here
        browser.get(f"{root}/{MODELS}", headers={"Authorization": http.headers["authorization"]}),
    ]
    assert [reply.status_code for reply in refused] == [401] * len(refused)
    assert urlsplit(pages).path not in "".join(reply.text + str(reply.headers) for reply in refused[:2])
    assert browser.get(pages, headers={"Host": "evil.example"}).status_code == 403


def test_links_and_cookies_expire() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    access = PageAccess("key", Clock(now=lambda: now))
    codes = [access.link().rstrip("/").rpartition("/")[2] for _ in range(2)]
    cookie = access.redeem(codes[0])
    assert cookie is not None
    assert access.allows(cookie)
    now += timedelta(seconds=LINK_SECONDS)
    assert access.redeem(codes[1]) is None
    now += timedelta(hours=12)
    assert not access.allows(cookie)


def test_mlflow_wants_a_token_which_opens_nothing_else(http: httpx.Client, emulator: RunningEmulator) -> None:
    # given the token that MLflow's clients find in their environment
    token = {"Authorization": f"Bearer {emulator.variables['MLFLOW_TRACKING_TOKEN']}"}
    listed = http.get("/_emulator/listeners").json()
    address = next(f"https://127.0.0.1:{each['port']}" for each in listed if each["name"] == "mlflow")
    # then it opens MLflow
    assert http.get(f"{address}/{MODELS}", headers=token).status_code == 200
    for wrong in ("", "Bearer x", "Bearer a.b.c", "Bearer \xff.\xff"):
        headers = httpx.Headers({"Authorization": wrong}, encoding="latin-1")
        reply = http.get(f"{address}/{MODELS}", headers=headers)
        assert (reply.status_code, reply.json()["error_code"]) == (401, "UNAUTHENTICATED")
    # and not the control plane
    assert http.get("/_emulator/summary", headers=token).status_code == 401
    assert http.post("/_emulator/control/mlflow-link", headers=token).status_code == 401
    assert emulator.variables["MLFLOW_TRACKING_TOKEN"] == token["Authorization"].removeprefix("Bearer ")


@pytest.mark.parametrize("route", ["experiments/create", "%65xperiments/create", "experiments%2Fcreate"])
def test_an_experiment_with_a_location_of_its_own_is_refused(
    http: httpx.Client, emulator: RunningEmulator, workspace: str, route: str
) -> None:
    listed = http.get("/_emulator/listeners").json()
    address = next(f"https://127.0.0.1:{each['port']}" for each in listed if each["name"] == "mlflow")
    body = {"name": f"x{time.time_ns()}", "artifact_location": str(emulator.settings.state)}
    for base in (address, f"{address}{workspace}", f"{emulator.base_url}/mlflow/v2.0{workspace}"):
        reply = http.post(f"{base}/api/2.0/mlflow/{route}", json=body)
        assert reply.status_code == 400, reply.text
        assert "artifact location" in reply.text


@pytest.mark.parametrize(
    "body",
    [
        {"artifact_location": "/home"},
        {"artifactLocation": "file:///home"},
        {"name": "x", "artifact_location": "s3://bucket/x"},
        {"artifact_location": "mlflow-artifacts://evil.example/x"},
        {"artifact_location": "mlflow-artifacts:/../../x"},
        {"artifact_location": "MLFLOW-ARTIFACTS:/x"},
        {"artifact_location": "mlflow-artifacts:/%2e%2e/x"},
        {"artifact_location": ["/home"]},
        {"key": "mlflow.artifactLocation", "value": "/home"},
        {"trace": {"trace_info": {"tags": {"mlflow.artifactLocation": "/home"}}}},
        {"tags": [{"key": "mlflow.artifactLocation", "value": "/home"}]},
        json.dumps({"artifact_location": "/home"}),
    ],
)
def test_locations_of_others_are_refused(body: Any) -> None:
    with pytest.raises(BadRequest, match="artifact location"):
        check_locations(json.dumps(body).encode())


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not json",
        b"[" * 100_000,
        b'{"name": "x", "artifact_location": ""}',
        b'{"artifact_location": null}',
        b'{"artifact_location": "mlflow-artifacts:/1/x"}',
        b'{"tags": {"mlflow.artifactLocation": "mlflow-artifacts:/1/traces/x/artifacts"}}',
    ],
)
def test_own_locations_and_what_mlflow_refuses_itself_pass(body: bytes) -> None:
    check_locations(body)
