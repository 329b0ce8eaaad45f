"""The dashboard's queries, against a real Prometheus that scrapes a real inference server under real requests.

Prometheus is Debian's package `prometheus`; without it only the dashboard file itself is tested.
"""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import yaml

from model_package.baseline import Baseline, Distribution
from model_package.documents import write_json
from model_package.package import BASELINE_FILE

GRAFANA = Path(__file__).parents[2] / "endpoints" / "grafana"
DASHBOARD: dict[str, Any] = json.loads((GRAFANA / "scoring.json").read_text())
PANELS: list[dict[str, Any]] = DASHBOARD["panels"]
PATIENCE_SECONDS = 60
VARIABLES = {"$__rate_interval": "5s", "$window": "30s", "$deployment": ".*"}
METRIC = re.compile(r"\b(scoring_\w+)\b")
COUNTS = [0, 0, 5, 15, 40, 20, 10, 10, 0, 0]
PROMETHEUS = shutil.which("prometheus")
needs_prometheus = pytest.mark.skipif(PROMETHEUS is None, reason="needs `apt-get install prometheus`")


def expressions(panel: dict[str, Any]) -> list[str]:
    found = [target["expr"] for target in panel["targets"]]
    for name, value in VARIABLES.items():
        found = [expression.replace(name, value) for expression in found]
    return found


class Prometheus:
    """A client of a running server."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def ask(self, expression: str) -> list[dict[str, Any]]:
        """The current series of an expression. Raises AssertionError when it is not valid PromQL."""
        reply = self._client.get("/api/v1/query", params={"query": expression}).json()
        assert reply["status"] == "success", reply
        return reply["data"]["result"]

    def empty(self, panels: Sequence[dict[str, Any]]) -> list[str]:
        """The queries without a finite number to show."""
        return [
            f"{panel['title']}: {expression}"
            for panel in panels
            for expression in expressions(panel)
            if not any(np.isfinite(float(series["value"][1])) for series in self.ask(expression))
        ]

    @property
    def ready(self) -> bool:
        try:
            return self._client.get("/-/ready").is_success
        except httpx.TransportError:
            return False


@pytest.fixture(scope="module")
def server(package_writer, running_server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    place = tmp_path_factory.mktemp("dashboard")
    package = package_writer(place / "model" / "package")
    edges = tuple(np.linspace(0, 1, len(COUNTS) + 1).tolist())
    baseline = Baseline(sum(COUNTS), {}, Distribution(tuple(COUNTS), edges))
    write_json(package / BASELINE_FILE, baseline.as_document())
    variables = {"METRICS_PATH": "/metrics", "WORKER_COUNT": "2", "DEPLOYMENT_NAME": "blue", "MODEL_VERSION": "7"}
    with running_server(package.parent, place / "server.log", **variables, TMPDIR=str(place)) as address:
        yield address


@pytest.fixture(scope="module")
def prometheus(server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    folder = tmp_path_factory.mktemp("prometheus")
    targets = [{"targets": [server.removeprefix("http://")]}]
    scrape = {"job_name": "scoring", "static_configs": targets, "scrape_interval": "1s", "scrape_timeout": "1s"}
    (folder / "prometheus.yml").write_text(json.dumps({"scrape_configs": [scrape]}))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = ["prometheus", "--config.file=prometheus.yml", "--storage.tsdb.path=data"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [*command, f"--web.listen-address=127.0.0.1:{port}"], cwd=folder, stdout=log, stderr=subprocess.STDOUT
        )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            found = Prometheus(client)
            deadline = time.monotonic() + PATIENCE_SECONDS
            while not found.ready:
                assert process.poll() is None, (folder / "log").read_text()
                assert time.monotonic() < deadline
                time.sleep(0.1)
            yield found
    finally:
        process.terminate()
        process.wait(PATIENCE_SECONDS)


def ask(address: str, rows: int, income: float) -> None:
    row = {"age": 40, "income": income, "kind": 2}
    assert httpx.post(f"{address}/score", json={"input_data": [row] * rows}).is_success
    assert httpx.post(f"{address}/score", json={"input_data": []}).status_code == 400


@needs_prometheus
def test_every_query_returns_numbers_and_the_drift_is_that_of_the_scores(server: str, prometheus: Prometheus) -> None:
    # given metrics that were scraped once before the first request
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not prometheus.ask("scoring_model_info"):
        assert time.monotonic() < deadline
        time.sleep(0.1)

    # when callers send rows that all have the same score
    while missing := prometheus.empty(PANELS):
        assert time.monotonic() < deadline, missing
        ask(server, 100, 1200.5)

    # then the panel shows the PSI against training: all rows are in a band that held a fifth of the training rows
    (panel,) = (panel for panel in PANELS if panel["title"] == "Prediction drift")
    (series,) = prometheus.ask(expressions(panel)[0])
    training = np.clip(np.array(COUNTS) / sum(COUNTS), 1e-4, None)
    live = np.clip(np.eye(len(COUNTS))[5], 1e-4, None)
    assert series["metric"] == {"deployment": "blue", "model_version": "7"}
    assert float(series["value"][1]) == pytest.approx(((live - training) * np.log(live / training)).sum(), rel=0.01)
    # and the share of rejected requests is right
    (rejected,) = (panel for panel in PANELS if panel["title"] == "Rejected requests")
    assert float(prometheus.ask(expressions(rejected)[0])[0]["value"][1]) == pytest.approx(0.5, abs=0.2)


@needs_prometheus
def test_a_query_for_a_metric_that_does_not_exist_is_found(server: str, prometheus: Prometheus) -> None:
    wrong = {"title": "wrong", "targets": [{"expr": "sum(rate(scoring_request_total[$window]))"}]}

    assert prometheus.empty([wrong]) == ["wrong: sum(rate(scoring_request_total[30s]))"]


def test_every_metric_in_a_query_is_served(server: str) -> None:
    ask(server, 1, 10.0)
    text = httpx.get(f"{server}/metrics").text
    shown = set(re.findall(r"^(\w+)[{ ]", text, re.MULTILINE))

    asked = {name for panel in PANELS for query in expressions(panel) for name in METRIC.findall(query)}

    assert asked <= shown
    assert {"scoring_requests_total", "scoring_request_seconds_bucket", "scoring_baseline_share"} <= asked


def test_the_dashboard_can_be_imported_anywhere() -> None:
    identifiers = [panel["id"] for panel in PANELS]
    assert len(set(identifiers)) == len(identifiers)
    assert DASHBOARD["uid"] is None
    assert DASHBOARD["id"] is None
    # every query uses the selected data source
    sources = {json.dumps(each["datasource"]) for panel in PANELS for each in (panel, *panel["targets"])}
    assert sources == {json.dumps({"type": "prometheus", "uid": "${datasource}"})}
    # and every variable that is used is defined
    defined = {f"${variable['name']}" for variable in DASHBOARD["templating"]["list"]}
    used = set(re.findall(r"\$\w+", " ".join(target["expr"] for panel in PANELS for target in panel["targets"])))
    assert used <= defined | {"$__rate_interval"}


def test_panels_do_not_overlap_and_have_descriptions() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in PANELS:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        assert panel["description"]
        taken |= cells


def test_the_pod_monitor_scrapes_the_path_that_the_deployment_serves() -> None:
    monitor = yaml.safe_load((GRAFANA / "pod-monitor.yml").read_text())
    deployment = yaml.safe_load((GRAFANA.parent / "online" / "deployment.kubernetes.yml").read_text())

    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    assert endpoint["path"] == deployment["environment_variables"]["METRICS_PATH"]
    assert monitor["apiVersion"] == "azmonitoring.coreos.com/v1"
