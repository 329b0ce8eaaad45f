"""The entry script of Azure ML's inference server, which calls init() once per worker and run() once per request.

Requests and replies are described in endpoints/README.md; the work is done in scorer.py, and observability/ records
what monitoring, metrics and traces need of it.
"""

import os
import sys
import time
from pathlib import Path

from azureml_inference_server_http.api.aml_request import AMLRequest, rawhttp
from azureml_inference_server_http.api.aml_response import AMLResponse

# The server imports this file by its path, which does not make the files beside it importable.
sys.path.insert(0, str(Path(__file__).resolve().parent))

from observability.data_collection import DataCollection
from observability.telemetry import Telemetry
from scorer import Scorer

scorer: Scorer
telemetry: Telemetry
data_collection: DataCollection


def init() -> None:
    """Load the model package; raises, so that the deployment fails, if it is not the released one."""
    global scorer, telemetry, data_collection
    scorer = Scorer.from_environment(os.environ)
    telemetry = Telemetry.from_environment(os.environ, scorer)
    if telemetry.metrics is not None:
        # Imported by the telemetry already: no other deployment pays for it.
        from observability.metrics import add_route

        add_route(telemetry.metrics)
    data_collection = DataCollection.from_environment(
        os.environ, scorer.schema, scorer.version, telemetry.on_collection_loss
    )


@rawhttp
def run(request: AMLRequest) -> AMLResponse:
    """Answer one request: 200 with predictions, or 400 with what is wrong with it."""
    begun, reply = time.perf_counter(), None
    try:
        reply = scorer.answer(request.get_data(cache=False))
    finally:
        telemetry.record(request, reply, begun)
    data_collection.record(request.headers, reply.scored)
    headers = {
        "Content-Type": "application/json",
        "x-model-name": scorer.model,
        "x-model-version": scorer.version,
    }
    return AMLResponse(reply.body, reply.status, headers)
