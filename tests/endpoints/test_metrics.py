"""The Prometheus metrics of a server with METRICS_PATH: real requests to the real inference server, two workers."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from observability.metrics import FOLDER_PREFIX, Metrics, MetricsError
from prometheus_client.parser import text_string_to_metric_families
from scorer import Scorer

from model_package.baseline import Baseline, Distribution
from model_package.documents import write_json
from model_package.package import BASELINE_FILE

GOOD = {"age": 40, "income": 1200.5, "kind": 2}
COUNTS = [0, 0, 5, 15, 40, 20, 10, 10, 0, 0]
LABELS = {"deployment": "blue", "model_version": "7"}
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def write_baseline(package: Path) -> None:
    edges = tuple(np.linspace(0, 1, len(COUNTS) + 1).tolist())
    baseline = Baseline(sum(COUNTS), {}, Distribution(tuple(COUNTS), edges))
    write_json(package / BASELINE_FILE, baseline.as_document())


def read(client: httpx.Client) -> Samples:
    reply = client.get("/metrics")
    assert reply.status_code == 200
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(reply.text)
        for sample in family.samples
    }


def value(samples: Samples, name: str, **labels: str) -> float:
    return samples.get((name, frozenset({**LABELS, **labels}.items())), 0.0)


@pytest.fixture(scope="module")
def client(package_writer, running_server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    place = tmp_path_factory.mktemp("metrics")
    package = package_writer(place / "model" / "package")
    write_baseline(package)
    variables = {
        "METRICS_PATH": "/metrics",
        "WORKER_COUNT": "2",
        "DEPLOYMENT_NAME": "blue",
        "MODEL_NAME": "tiny",
        "MODEL_VERSION": "7",
        "TMPDIR": str(place),
    }
    with (
        running_server(package.parent, place / "server.log", **variables) as address,
        httpx.Client(base_url=address, timeout=30, headers={"connection": "close"}) as client,
    ):
        yield client


def test_metrics_of_any_worker_include_all_workers(client: httpx.Client) -> None:
    before = read(client)

    for _ in range(12):
        assert client.post("/score", json={"input_data": [GOOD, GOOD]}).status_code == 200
    assert client.post("/score", json={"input_data": []}).status_code == 400
    assert client.post("/score", json={"input_data": [GOOD]}, headers={"x-mlops-synthetic": "load"}).status_code == 200

    # connections are closed after each request, so that several workers are asked
    for after in (read(client) for _ in range(6)):

        def added(name: str, after: Samples = after, **labels: str) -> float:
            return value(after, name, **labels) - value(before, name, **labels)

        assert added("scoring_requests_total", status="200", source="callers") == 12
        assert added("scoring_requests_total", status="400", source="callers") == 1
        assert added("scoring_requests_total", status="200", source="project") == 1
        assert added("scoring_request_seconds_count") == 14
        # rows of callers only: 40 years, 1200.5 of income and kind 2 score 0.57
        assert added("scoring_scores_total", band="0.50-0.60") == 24
        assert sum(v for (name, _), v in after.items() if name == "scoring_scores_total") == value(
            after, "scoring_scores_total", band="0.50-0.60"
        )


def test_model_info_and_baseline_appear_once_for_all_workers(client: httpx.Client) -> None:
    samples = read(client)

    assert value(samples, "scoring_model_info", model="tiny", digest="") == 1
    assert value(samples, "scoring_baseline_share", band="0.50-0.60") == 0.2
    assert sum(v for (name, _), v in samples.items() if name == "scoring_baseline_share") == pytest.approx(1)


def test_metrics_reveal_nothing_of_a_request(client: httpx.Client) -> None:
    client.post("/score", json={"input_data": [GOOD]}, headers={"x-request-id": "who-asked", "authorization": "key"})

    text = client.get("/metrics").text

    assert not any(word in text for word in ("1200.5", "who-asked", "key", "income", "127.0.0.1"))


def test_without_the_variable_nothing_is_served_or_imported(package) -> None:
    code = (
        "import os, sys; sys.path.insert(0, sys.argv[1]); from scorer import Scorer; "
        "from observability.telemetry import Telemetry; "
        "scorer = Scorer.from_environment(os.environ); Telemetry.from_environment(os.environ, scorer); "
        "print([name for name in ('prometheus_client', 'opentelemetry', 'azure.identity') if name in sys.modules])"
    )
    online = Path(__file__).parents[2] / "endpoints" / "online"
    done = subprocess.run(
        [sys.executable, "-c", code, str(online)],
        env={"AZUREML_MODEL_DIR": str(package), "PATH": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("path", ["metrics", "/", "/score"])
def test_an_unusable_metrics_path_stops_the_deployment_from_starting(package, path: str) -> None:
    with pytest.raises(MetricsError, match="such as /metrics"):
        Metrics(path, {}, Scorer(package), "blue")


def test_metrics_folders_of_stopped_servers_are_removed(package, tmp_path, running_server) -> None:
    left = tmp_path / f"{FOLDER_PREFIX}{2**22 + 1}"
    left.mkdir()

    with running_server(package.parent, tmp_path / "log", METRICS_PATH="/metrics", TMPDIR=str(tmp_path)) as address:
        assert "scoring_model_info" in httpx.get(f"{address}/metrics").text

    assert not left.exists()
