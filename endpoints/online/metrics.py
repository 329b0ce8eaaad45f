"""Counts requests for Prometheus, and shows the counts at a path of the inference server's own port.

The server has several processes: each writes its counts to a file of a folder that they share, and whichever is asked
answers for all (prometheus_client's multiprocess mode). The dashboard and the alerts stand on these names:
docs/watching.md lists them.
"""

import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from package_digest import DIGEST_PREFIX
from recorder import NOTHING_LOST, Lost
from score_bands import ScoreBands
from scorer import ScoredRows, Scorer
from watching import Seen

FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
FOLDER_PREFIX = "scoring-metrics-"
FOLDER_MODE = 0o700
# Around what alerts ask for (300 and 500 milliseconds) as fine as they need.
LATENCY_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 2.5, 5.0, 10.0)
DIGEST_CHARACTERS = 12
CALLERS, PROJECT = "callers", "project"
DEPLOYMENT = ("deployment", "model_version")


class MetricsError(Exception):
    """The deployment asks for metrics that cannot be: it must not start."""


class Metrics:
    """The counts of one server. Safe to use from several threads."""

    def __init__(self, path: str, environment: Mapping[str, str], scorer: Scorer, deployment: str) -> None:
        """Show counts at `path` ("/metrics"). Raises MetricsError when there is no place for them."""
        if not path.startswith("/") or path in ("/", "/score"):
            raise MetricsError(f"METRICS_PATH is '{path}'; give a path of its own, such as /metrics")
        # Read by the library when it is first imported, which is why that happens here.
        os.environ[FOLDER_VARIABLE] = environment.get(FOLDER_VARIABLE) or str(_folder_of_the_server())
        import prometheus_client as prometheus

        labels = dict(zip(DEPLOYMENT, (deployment, scorer.version), strict=True))
        registry = prometheus.CollectorRegistry()
        self._requests = prometheus.Counter(
            "scoring_requests",
            "Answered requests by status; those of the project itself (smoke tests, rollouts) apart.",
            (*DEPLOYMENT, "status", "source"),
            registry=registry,
        )
        self._seconds = prometheus.Histogram(
            "scoring_request_seconds",
            "How long a request took in the scoring script.",
            DEPLOYMENT,
            buckets=LATENCY_BUCKETS,
            registry=registry,
        ).labels(**labels)
        self._losses = prometheus.Counter(
            "scoring_losses",
            "What was kept of requests and lost: requests that did not fit, units refused, messages not delivered.",
            (*DEPLOYMENT, "what", "reason"),
            registry=registry,
        )
        scores = prometheus.Counter(
            "scoring_scores", "Scored rows of callers by band of their score.", (*DEPLOYMENT, "band"), registry=registry
        )
        self._bands = ScoreBands.of(scorer.package)
        self._scores = [scores.labels(**labels, band=name) for name in self._bands.names]
        self._labels = labels
        self._answered: dict[tuple[int, bool], prometheus.Counter] = {}
        self._lock = threading.Lock()
        _show_model(prometheus, registry, scorer, labels, environment.get("MODEL_DIGEST", ""))
        _show_baseline(prometheus, registry, self._bands, labels)
        _add_route(path, prometheus)

    def count(self, seen: Seen, scored: ScoredRows | None) -> None:
        """Count one request; the rows that the project itself sends say nothing of what callers ask."""
        key = (seen.status, seen.synthetic)
        answered = self._answered.get(key)
        if answered is None:
            source = PROJECT if seen.synthetic else CALLERS
            answered = self._requests.labels(**self._labels, status=str(seen.status), source=source)
            self._answered[key] = answered
        answered.inc()
        self._seconds.observe(seen.seconds)
        if scored is not None and not seen.synthetic:
            for band, rows in self._bands.count(scored.probability):
                self._scores[band].inc(rows)

    def tell_of(self, what: str) -> Callable[[Lost], None]:
        """Whom a recorder tells what it lost since the start; only what is new is added."""
        counters = [self._losses.labels(**self._labels, what=what, reason=reason) for reason in Lost._fields]
        known = NOTHING_LOST

        def tell(lost: Lost) -> None:
            nonlocal known
            with self._lock:
                for counter, now, before in zip(counters, lost, known, strict=True):
                    counter.inc(now - before)
                known = lost

        return tell


def _show_model(prometheus: Any, registry: Any, scorer: Scorer, labels: dict[str, str], digest: str) -> None:
    gauge = prometheus.Gauge(
        "scoring_model_info",
        "Which model a deployment has; always 1.",
        (*DEPLOYMENT, "model", "digest"),
        registry=registry,
        multiprocess_mode="max",
    )
    short = digest.removeprefix(DIGEST_PREFIX)[:DIGEST_CHARACTERS]
    gauge.labels(**labels, model=scorer.model, digest=short).set(1)


def _show_baseline(prometheus: Any, registry: Any, bands: ScoreBands, labels: dict[str, str]) -> None:
    gauge = prometheus.Gauge(
        "scoring_baseline_share",
        "The share of training's scores in each band.",
        (*DEPLOYMENT, "band"),
        registry=registry,
        multiprocess_mode="max",
    )
    for name, share in zip(bands.names, bands.shares, strict=False):
        gauge.labels(**labels, band=name).set(share)


def _add_route(path: str, prometheus: Any) -> None:
    """Let the inference server answer at `path`: its routes are still being made when it calls init()."""
    from azureml_inference_server_http.server import routes
    from flask import Response, request
    from prometheus_client import multiprocess

    def show() -> Response:
        registry = prometheus.CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)
        encode, content_type = prometheus.exposition.choose_encoder(request.headers.get("accept", ""))
        return Response(encode(registry), content_type=content_type)

    routes.main_blueprint.add_url_rule(path, "metrics", show, methods=["GET"])


def _folder_of_the_server() -> Path:
    """The folder that this server's processes share: they have one parent. Those of ended servers are removed."""
    place = Path(tempfile.gettempdir())
    for folder in place.glob(f"{FOLDER_PREFIX}*"):
        parent = folder.name.removeprefix(FOLDER_PREFIX)
        if parent.isdigit() and not _runs(int(parent)):
            shutil.rmtree(folder, ignore_errors=True)
    folder = place / f"{FOLDER_PREFIX}{os.getppid()}"
    folder.mkdir(mode=FOLDER_MODE, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        raise MetricsError(f"{folder} belongs to somebody else: remove it, or name a folder in {FOLDER_VARIABLE}")
    return folder


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
