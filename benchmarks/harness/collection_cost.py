"""Measures what data collection adds to a request: on its own thread, and as CPU time of background threads.

The scorer answers requests of one row at a steady pace, with and without data collection, alternating; the collected
data goes through Azure's library to a receiver in another process. The comparison is the library called within the
request, as its own documentation shows. telemetry.py prints it.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
from pathlib import Path

import pandas as pd
from azureml.ai.monitoring import Collector

from harness.figures import Figure
from harness.scored_requests import Take, cost, write_package

ONLINE = Path(__file__).resolve().parents[2] / "endpoints" / "online"
sys.path.insert(0, str(ONLINE))

from observability.azure_collector import INPUTS, OUTPUTS  # noqa: E402 - in score.py's folder, which is not a package
from observability.data_collection import DataCollection  # noqa: E402
from scorer import Reply, Scorer  # noqa: E402

ROUNDS = 3
ADDED_MICROSECONDS = 50.0
BEHIND_MICROSECONDS = 100.0


def measure(folder: Path, port: int) -> list[Figure]:
    """Time three variants in turn and compare them."""
    scorer = Scorer(write_package(folder / "package"), "bench", "1")
    configuration = folder / "collector.json"
    collections = {name: {"enabled": True, "sampleRatePercentage": 100} for name in (INPUTS, OUTPUTS)}
    configuration.write_text(json.dumps({"runMode": "cloud", "collections": collections}))
    os.environ |= {"AZUREML_MDC_CONFIG_PATH": str(configuration), "AZUREML_MDC_PORT": str(port)}
    collection = DataCollection.from_environment(os.environ, scorer.schema, scorer.version)
    ways: dict[str, Take] = {
        "nothing": lambda identifier, reply, begun: None,  # noqa: ARG005
        "ours": lambda identifier, reply, _: collection.record({"x-request-id": identifier}, reply.scored),
        "within": within_the_request(scorer),
    }
    rounds = [{name: cost(scorer, take) for name, take in ways.items()} for _ in range(ROUNDS)]

    def added(name: str, what: str) -> float:
        return statistics.median(getattr(each[name], what) - getattr(each["nothing"], what) for each in rounds)

    ours, within = added("ours", "median"), added("within", "median")
    return [
        Figure("added to a request, median", ours, "us", ADDED_MICROSECONDS),
        Figure("CPU time in the background per request", added("ours", "behind"), "us", BEHIND_MICROSECONDS),
        Figure("the library within the request, median", within, "us", note=f"{within / ours:.0f} x ours"),
        Figure("CPU time in the background per request, library", added("within", "behind"), "us"),
    ]


def within_the_request(scorer: Scorer) -> Take:
    """Collect as the library's documentation shows."""
    inputs, outputs = Collector(name=INPUTS), Collector(name=OUTPUTS)

    def take(_: str, reply: Reply, __: float) -> None:
        scored = reply.scored
        assert scored
        context = inputs.collect(pd.DataFrame(scored.rows.features, columns=pd.Index(scorer.schema.names)))
        outputs.collect(pd.DataFrame(scorer.task.columns(scored.answer)), context)

    return take
