"""Sends recorded exchanges to an emulator, each in a workspace of its own.

What a request refers to is created first: from the recording of the same resource where there is one, else as the
smallest valid resource of that kind and name.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from typing import Any

import httpx
from exchanges import BELOW, PROVIDER, Exchange

NAME = "00000"
_SUBSCRIPTION = "00000000-0000-0000-0000-000000000"
_ROOT = f"/subscriptions/{_SUBSCRIPTION}/resourceGroups/{NAME}/providers/{PROVIDER}/workspaces/{NAME}/"
_ARM_ID = re.compile(
    rf"/subscriptions/[^/\s\"]+/resourceGroups/[^/]+/providers/{PROVIDER}/workspaces/[^/]+/([^\"?\s]+)"
)
_IN_DATASTORE = re.compile(
    r"azureml://(?:subscriptions/[^\"]*?/)?datastores/(workspaceblobstore|workspaceartifactstore)/paths/([^\"]+)"
)
_NAMED = re.compile(r"azureml:([\w.-]+)[:@]([\w.-]+)$")
# What the service says about a resource and does not take from a request.
_READ_ONLY = ("provisioningState", "status", "services", "latestVersion", "nextVersion", "scoringUri", "swaggerUri")
_ENDED = ("Completed", "Failed", "Canceled")
_PATIENCE_SECONDS = 20
_COMMAND = {"jobType": "Command", "command": "sleep 9", "environmentId": "azureml:smallest:1"}
_FILE = {"dataType": "uri_file", "dataUri": "azureml://datastores/workspaceblobstore/paths/data/data.csv"}
_MODEL = {"modelType": "custom_model", "modelUri": "azureml://datastores/workspaceblobstore/paths/models/model.pkl"}
_CLUSTER = {"vmSize": "STANDARD_DS3_V2", "scaleSettings": {"minNodeCount": 0, "maxNodeCount": 1}}
_INSTANCE = {"properties": {"computeType": "ComputeInstance", "properties": {"vmSize": "STANDARD_DS3_V2"}}}
_SMALLEST: dict[str, dict[str, Any]] = {
    "environments/versions": {"properties": {"image": "example.org/image:1"}},
    "computes": {"location": "eastus", "properties": {"computeType": "AmlCompute", "properties": _CLUSTER}},
    "models/versions": {"properties": _MODEL},
    "data/versions": {"properties": _FILE},
    "onlineEndpoints": {"location": "eastus", "properties": {"authMode": "Key"}},
    "batchEndpoints": {"location": "eastus", "properties": {"authMode": "AADToken"}},
    "jobs": {"properties": {**_COMMAND, "computeId": "cpu-cluster"}},
}


class Replay:
    """Sends exchanges to one emulator."""

    def __init__(self, client: httpx.Client, exchanges: list[Exchange]) -> None:
        self._client = client
        self._bodies = dict(_bodies(exchanges))

    def answer(self, exchange: Exchange, number: int) -> tuple[httpx.Response, list[str]]:
        """The emulator's answer, after all that the exchange needs, and what it refused of that."""
        world = _World(self._client, self._bodies, number)
        try:
            world.prepare(exchange)
            route = world.operation() if exchange.kind == "locations/mfeOperationsStatus" else exchange.route
            return world.send(exchange.method, route, exchange.request), world.refused
        finally:
            world.close()


class _World:
    """A workspace for one exchange; what is sent names it where the recording names another."""

    def __init__(self, client: httpx.Client, bodies: dict[str, Any], number: int) -> None:
        self._client = client
        self._bodies = bodies
        self._number = number
        self._made: set[str] = set()
        self._stores: dict[str, tuple[str, str]] = {}
        self.refused: list[str] = []

    def send(self, method: str, route: str, body: Any) -> httpx.Response:
        text = None if body is None else json.dumps(body)
        headers = {"Content-Type": "application/json"}
        return self._client.request(method, self._here(route), content=text and self._here(text), headers=headers)

    def prepare(self, exchange: Exchange) -> None:
        """Create what an exchange needs."""
        path = exchange.path
        self._made.add(path.lower())
        self._prepare_references(exchange.request)
        run = re.search(r"/history/v1\.0/.+/runs/([^/]+)", path)
        if run or path.endswith("/rundata"):
            self._put(f"{_ROOT}jobs/{run[1] if run else exchange.request['runId']}", _SMALLEST["jobs"])
        elif exchange.method == "GET" and exchange.status == 200 and isinstance(exchange.response, dict):
            for document in reversed(exchange.response.get("value", [exchange.response])):
                self._prepare_shown(path, document)
        elif exchange.method == "PUT":
            self._prepare_parent(path)
            if exchange.status == 200:
                self.send("PUT", exchange.route, exchange.request)
        elif exchange.method in {"DELETE", "PATCH"}:
            self._made.discard(path.lower())
            self._need(path)
        elif exchange.method == "POST" and not path.endswith("startPendingUpload"):
            self._prepare_action(exchange, path.rpartition("/")[0])

    def operation(self) -> str:
        """The address of an operation, since those of the recordings have ended."""
        path = f"{_ROOT}computes/instance"
        self._put(path, _INSTANCE)
        return self.send("POST", f"{path}/stop?api-version=2022-05-01", None).headers["Azure-AsyncOperation"]

    def close(self) -> None:
        """Delete what takes a name in the whole region, or still runs."""
        for path in self._made:
            if re.search("/(online|batch)endpoints/[^/]+$", path):
                self.send("DELETE", path, None)
            elif re.search("/jobs/[^/]+$", path):
                self.send("POST", f"{path}/cancel", None)

    def _prepare_action(self, exchange: Exchange, path: str) -> None:
        if not exchange.path.endswith("/cancel"):
            self._need(path)
            return
        # Azure refuses to cancel a pipeline that has ended, and lets a command that has ended be.
        component = f"{_ROOT}components/smallest/versions/1"
        self._put(component, _component({}, {}))
        step = {"componentId": component, "computeId": "cpu-cluster", "type": "command"}
        pipeline = {"properties": {"jobType": "Pipeline", "jobs": {"only": step}}}
        self._put(path, pipeline if exchange.status == 400 else _SMALLEST["jobs"])
        if exchange.status != 202:
            self.send("POST", exchange.route, None)
            until = time.monotonic() + _PATIENCE_SECONDS
            while self.send("GET", path, None).json()["properties"]["status"] not in _ENDED:
                assert time.monotonic() < until, "the job has not ended"

    def _prepare_shown(self, path: str, document: Any) -> None:
        """Create what a GET shows; a container follows its latest version."""
        if not isinstance(document, dict) or not isinstance(document.get("properties"), dict):
            return
        if BELOW.match(path) is None or "name" not in document:
            return
        listed = "/versions" not in path and not path.endswith(f"/{document['name']}")
        place = f"{path}/{document['name']}" if listed or path.endswith("/versions") else path
        self._put(place, _sendable(document))
        latest = document["properties"].get("latestVersion")
        if latest:
            self._need(f"{place}/versions/{latest}")

    def _prepare_references(self, body: Any) -> None:
        self._prepare_nodes(body)
        for place, text in texts(body):
            field = place.rsplit(".", 1)[-1]
            for match in _ARM_ID.finditer(text):
                self._need(_ROOT + match[1])
            for match in _IN_DATASTORE.finditer(text):
                self._upload(match[1], match[2], mlflow="mlflow" in json.dumps(body))
            named = _NAMED.match(text)
            if named and field in {"environment", "environmentId"}:
                self._need(f"{_ROOT}environments/{named[1]}/versions/{'1' if '@' in text else named[2]}")
            elif named and field == "uri":
                self._need(f"{_ROOT}data/{named[1]}/versions/{named[2]}")

    def _prepare_nodes(self, body: Any) -> None:
        """Components of steps that no recording shows, with the inputs and outputs that the steps use."""
        properties = (body or {}).get("properties") or {}
        definition = (properties.get("action") or {}).get("jobDefinition") or properties
        steps = definition.get("jobs") or (definition.get("componentSpec") or {}).get("jobs") or {}
        for step in steps.values():
            path = str(step.get("componentId") or "")
            if path.startswith("/subscriptions") and path.lower() not in self._bodies:
                inputs = {
                    name: {"type": _input_type(value, definition.get("inputs") or {}), "optional": True}
                    for name, value in (step.get("inputs") or {}).items()
                }
                outputs = {name: {"type": "uri_folder"} for name in step.get("outputs") or {}}
                named = "".join(re.findall(r"parent\.jobs\.\w+\.outputs\.\w+", json.dumps(steps)))
                for job, output in re.findall(r"parent\.jobs\.(\w+)\.outputs\.(\w+?)(?=parent|$)", named):
                    if steps.get(job) is step:
                        outputs[output] = {"type": "uri_folder"}
                self._put(path, _component(inputs, outputs))

    def _prepare_parent(self, path: str) -> None:
        above = re.match(r"(.+/(?:onlineEndpoints|batchEndpoints)/[^/]+)/deployments/", path)
        if above:
            self._need(above[1])

    def _need(self, path: str) -> None:
        """Create the resource at a path, from its recording or as the smallest of its kind."""
        below = BELOW.match(path)
        parts = below["rest"].split("/")[2:] if below else []
        if path.lower() in self._made or len(parts) % 2 or not parts:
            return
        kind = "/".join(parts[::2])
        body = self._code() if kind == "codes/versions" else self._bodies.get(path.lower(), _SMALLEST.get(kind))
        if kind == "components/versions" and body is None:
            body = _component({}, {})
        if body is not None:
            self._put(path, body)

    def _put(self, path: str, body: Any) -> None:
        self._made.add(path.lower())
        self._prepare_parent(path)
        self._prepare_references(body)
        answer = self.send("PUT", f"{path}?api-version=2023-04-01", body)
        if answer.status_code >= 300:
            self.refused.append(f"{path}: {answer.text}")

    def _code(self) -> dict[str, Any]:
        """The body of a code version with a file."""
        address = self._upload("workspaceblobstore", "code/hello.py", mlflow=False)
        return {"properties": {"codeUri": address.rpartition("/")[0]}}

    def _upload(self, datastore: str, name: str, *, mlflow: bool) -> str:
        """Put a file where a reference into a datastore expects it; returns its address."""
        if datastore not in self._stores:
            store = self.send("GET", f"{_ROOT}datastores/{datastore}", None).json()["properties"]
            token = self.send("POST", f"{_ROOT}datastores/{datastore}/listSecrets", {}).json()["sasToken"]
            self._stores[datastore] = (f"https://{store['accountName'].rstrip('?')}/{store['containerName']}", token)
        root, token = self._stores[datastore]
        path = name.rstrip("/")
        file = f"{path}/MLmodel" if mlflow else path if "." in path.rpartition("/")[2] else f"{path}/a.csv"
        address = f"{root}/{file}"
        self._client.put(f"{address}?{token}", content=b"flavors: {}\n", headers={"x-ms-blob-type": "BlockBlob"})
        return address

    def _here(self, text: str) -> str:
        text = text.replace("registries/azureml-dev/", "registries/azureml/")
        text = re.sub(r"(?<![\w-])registries/(?!azureml/)[\w-]+(?=/)", f"registries/r{self._number}", text)
        return re.sub(rf"workspaces/{NAME}(?=[/\"?]|$)", f"workspaces/w{self._number}", text)


def _input_type(value: Any, of_job: dict[str, Any]) -> str:
    """The type that an input of a step needs: data when it is bound to data."""
    text = json.dumps(value)
    bound = re.search(r"parent\.inputs\.(\w+)", text)
    data = "uri" in of_job.get(bound[1], {}) if bound else ".outputs." in text or '"uri"' in text
    return "uri_folder" if data else "string"


def _component(inputs: dict[str, Any], outputs: dict[str, Any]) -> dict[str, Any]:
    specification = {
        "type": "command",
        "command": "echo 1",
        "environment": "azureml:smallest:1",
        "inputs": inputs,
        "outputs": outputs,
    }
    return {"properties": {"componentSpec": specification}}


def _bodies(exchanges: list[Exchange]) -> Iterator[tuple[str, Any]]:
    """(path in lower case, body of a PUT) of every resource that a recording shows."""
    for exchange in exchanges:
        answer = exchange.response
        if exchange.status >= 300 or not isinstance(answer, dict):
            continue
        for document in answer.get("value", [answer]):
            if isinstance(document, dict) and "properties" in document and "id" in document:
                yield str(document["id"]).lower(), _sendable(document)
        if exchange.method == "PUT":
            yield exchange.path.lower(), exchange.request


def _sendable(document: dict[str, Any]) -> dict[str, Any]:
    """The body of a PUT that makes what a GET answered."""
    body = {key: value for key, value in document.items() if key not in {"id", "name", "type", "systemData"}}
    properties = document.get("properties") or {}
    body["properties"] = {key: value for key, value in properties.items() if key not in _READ_ONLY}
    return body


def texts(value: Any, place: str = "") -> Iterator[tuple[str, str]]:
    """(place, text) of every text in a document."""
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, dict):
        for key, part in value.items():
            yield from texts(part, f"{place}.{key}" if place else key)
    elif isinstance(value, list):
        for part in value:
            yield from texts(part, f"{place}[]")
