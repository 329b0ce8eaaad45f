"""Counts requests for Prometheus, whose metrics the server serves at a path on its own port.

The server has several processes. Each writes its counts to a file in a folder that they share, and any of them answers
for all (prometheus_client's multiprocess mode). The dashboard and the alerts rely on these metric names, which
docs/observability.md lists.
"""

import os
import shutil
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scorer import ScoredRows, Scorer

from model_package.baseline import PredictionBins
from model_package.digest import DIGEST_PREFIX
from model_package.package import prediction_bins
from observability.background_sender import NO_LOSSES, Losses, OnLoss
from observability.request_record import RequestRecord

FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
FOLDER_PREFIX = "scoring-metrics-"
FOLDER_MODE = 0o700
# Finest around the alerts' thresholds (300 and 500 milliseconds).
LATENCY_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 2.5, 5.0, 10.0)
DIGEST_CHARACTERS = 12
CALLERS, PROJECT = "callers", "project"
DEPLOYMENT = ("deployment", "model_version")


class MetricsError(Exception):
    """The metrics that the deployment asks for cannot be served: it must not start."""


class Metrics:
    """The metrics of one server. Safe to use from several threads."""

    def __init__(self, path: str, environment: Mapping[str, str], scorer: Scorer, deployment: str) -> None:
        """Serve metrics at `path` ("/metrics"). Raises MetricsError when the path or the folder cannot be used."""
        if not path.startswith("/") or path in ("/", "/score"):
            raise MetricsError(f"METRICS_PATH is '{path}': choose a path of its own, such as /metrics")
        # The library reads this variable when it is first imported, hence the import here.
        os.environ[FOLDER_VARIABLE] = environment.get(FOLDER_VARIABLE) or str(_shared_folder())
        import prometheus_client as prometheus

        self.path = path
        labels = dict(zip(DEPLOYMENT, (deployment, scorer.version), strict=True))
        registry = prometheus.CollectorRegistry()
        self._requests = prometheus.Counter(
            "scoring_requests",
            "Answered requests by status and source; `project` is the project's own: smoke tests and rollout load.",
            (*DEPLOYMENT, "status", "source"),
            registry=registry,
        )
        self._seconds = prometheus.Histogram(
            "scoring_request_seconds",
            "Time a request took in the scoring script.",
            DEPLOYMENT,
            buckets=LATENCY_BUCKETS,
            registry=registry,
        ).labels(**labels)
        self._losses = prometheus.Counter(
            "scoring_losses",
            "Collected data and traces that were lost: dropped requests, refused rows or traces, undelivered messages.",
            (*DEPLOYMENT, "what", "reason"),
            registry=registry,
        )
        scores = prometheus.Counter(
            "scoring_scores",
            "Callers' rows by band of their prediction, or by label.",
            (*DEPLOYMENT, "band"),
            registry=registry,
        )
        self._task = scorer.task
        self._bins = prediction_bins(scorer.package)
        self._scores = [scores.labels(**labels, band=name) for name in self._bins.names]
        self._labels = labels
        self._answered: dict[tuple[int, bool], prometheus.Counter] = {}
        self._lock = threading.Lock()
        _set_model_info(prometheus, registry, scorer, labels, environment.get("MODEL_DIGEST", ""))
        _set_baseline(prometheus, registry, self._bins, labels)

    def exposition(self, accept: str) -> tuple[str, bytes]:
        """The metrics of all processes of the server as a content type and a text, in the format that `accept` asks."""
        import prometheus_client as prometheus
        from prometheus_client import multiprocess

        registry = prometheus.CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)
        encode, content_type = prometheus.exposition.choose_encoder(accept)
        return content_type, encode(registry)

    def count(self, record: RequestRecord, scored: ScoredRows | None) -> None:
        """Count one request. The scores of the project's own requests are left out: they say nothing about callers."""
        key = (record.status, record.synthetic)
        answered = self._answered.get(key)
        if answered is None:
            source = PROJECT if record.synthetic else CALLERS
            answered = self._requests.labels(**self._labels, status=str(record.status), source=source)
            self._answered[key] = answered
        answered.inc()
        self._seconds.observe(record.seconds)
        if scored is not None and not record.synthetic:
            for band, rows in self._bins.count(self._task.represent(scored.answer)):
                self._scores[band].inc(rows)

    def loss_counter(self, what: str) -> OnLoss:
        """A callback for a sender's losses since the start; each call adds what is new."""
        counters = [self._losses.labels(**self._labels, what=what, reason=reason) for reason in Losses._fields]
        counted = NO_LOSSES

        def count_losses(losses: Losses) -> None:
            nonlocal counted
            with self._lock:
                for counter, now, before in zip(counters, losses, counted, strict=True):
                    counter.inc(now - before)
                counted = losses

        return count_losses


def _set_model_info(prometheus: Any, registry: Any, scorer: Scorer, labels: dict[str, str], digest: str) -> None:
    gauge = prometheus.Gauge(
        "scoring_model_info",
        "Which model the deployment serves; always 1.",
        (*DEPLOYMENT, "model", "digest"),
        registry=registry,
        multiprocess_mode="max",
    )
    short = digest.removeprefix(DIGEST_PREFIX)[:DIGEST_CHARACTERS]
    gauge.labels(**labels, model=scorer.model, digest=short).set(1)


def _set_baseline(prometheus: Any, registry: Any, bins: PredictionBins, labels: dict[str, str]) -> None:
    gauge = prometheus.Gauge(
        "scoring_baseline_share",
        "The share of training's predictions in each band, or with each label.",
        (*DEPLOYMENT, "band"),
        registry=registry,
        multiprocess_mode="max",
    )
    for name, share in zip(bins.names, bins.shares, strict=False):
        gauge.labels(**labels, band=name).set(share)


def add_route(metrics: Metrics) -> None:
    """Let the inference server serve the metrics: it still accepts routes while it calls init()."""
    from azureml_inference_server_http.server import routes
    from flask import Response, request

    def show() -> Response:
        content_type, text = metrics.exposition(request.headers.get("accept", ""))
        return Response(text, content_type=content_type)

    routes.main_blueprint.add_url_rule(metrics.path, "metrics", show, methods=["GET"])


def _shared_folder() -> Path:
    """The folder that this server's processes, which have one parent, share. Removes those of stopped servers."""
    temporary = Path(tempfile.gettempdir())
    for folder in temporary.glob(f"{FOLDER_PREFIX}*"):
        parent = folder.name.removeprefix(FOLDER_PREFIX)
        if parent.isdigit() and not _is_running(int(parent)):
            shutil.rmtree(folder, ignore_errors=True)
    folder = temporary / f"{FOLDER_PREFIX}{os.getppid()}"
    folder.mkdir(mode=FOLDER_MODE, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        raise MetricsError(f"{folder} belongs to another user: remove it, or name another folder in {FOLDER_VARIABLE}")
    return folder


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
