"""What Azure ML's inference server calls: init() once a worker, run() once a request. It only connects.

Requests and replies are described in endpoints/README.md; the work is done in scorer.py, what is collected of it in
collection.py, and who watches how requests go is told by watching.py.
"""

import os
import sys
import time
from pathlib import Path

from azureml_inference_server_http.api.aml_request import AMLRequest, rawhttp
from azureml_inference_server_http.api.aml_response import AMLResponse

# The server imports this file by its path, so the files beside it are not importable by themselves.
sys.path.insert(0, str(Path(__file__).resolve().parent))

from collection import Collection
from scorer import Scorer
from watching import Watching

scorer: Scorer
collection: Collection
watching: Watching


def init() -> None:
    """Load the model package; raises, so that the deployment fails, when it is not the released one."""
    global scorer, collection, watching
    scorer = Scorer.from_environment(os.environ)
    watching = Watching.from_environment(os.environ, scorer)
    collection = Collection.from_environment(os.environ, scorer.schema, scorer.version, watching.tell_collected)


@rawhttp
def run(request: AMLRequest) -> AMLResponse:
    """Answer one request: 200 with predictions, or 400 with what is wrong with it."""
    begun, reply = time.perf_counter(), None
    try:
        reply = scorer.answer(request.get_data(cache=False))
    finally:
        watching.saw(request, reply, begun)
    collection.take(request.headers, reply.scored)
    headers = {
        "Content-Type": "application/json",
        "x-model-name": scorer.model,
        "x-model-version": scorer.version,
    }
    return AMLResponse(reply.body, reply.status, headers)
