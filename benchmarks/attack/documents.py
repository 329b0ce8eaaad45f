"""Documents as clients send them, and mutations of them that none would send."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from copy import deepcopy
from typing import Any

_COMMAND = {
    "jobType": "Command",
    "command": "echo fuzz",
    "environmentId": "azureml://registries/azureml/environments/sklearn-1.5/versions/1",
    "inputs": {"rows": {"jobInputType": "literal", "value": "1"}},
    "outputs": {"out": {"jobOutputType": "uri_folder"}},
    "resources": {"instanceCount": 1},
    "limits": {"jobLimitsType": "Command", "timeout": "PT1M"},
}
_STEP = {
    "type": "command",
    "command": "echo ${{inputs.rows}}",
    "environment": "azureml:sklearn-1.5:1",
    "inputs": {"rows": {"job_input_type": "literal", "value": "${{parent.inputs.rows}}"}},
}
_SPECIFICATION = {
    "name": "fuzz",
    "version": "1",
    "type": "command",
    "command": "echo ${{inputs.rows}}",
    "environment": "azureml:sklearn-1.5:1",
    "inputs": {"rows": {"type": "integer", "default": "1"}},
    "outputs": {"out": {"type": "uri_folder"}},
}
_SWEEP = {
    "jobType": "Sweep",
    "trial": {"command": "echo ${{search_space.depth}}", "environmentId": _COMMAND["environmentId"]},
    "searchSpace": {"depth": ["choice", [[1, 2, 3]]]},
    "objective": {"goal": "Maximize", "primaryMetric": "auc"},
    "samplingAlgorithm": {"samplingAlgorithmType": "Random"},
    "limits": {"jobLimitsType": "Sweep", "maxTotalTrials": 1},
}
_URI = "azureml://datastores/workspaceblobstore/paths/fuzz/"
# The properties of a document of each kind.
PROPERTIES: dict[str, list[dict[str, Any]]] = {
    "batchendpoints": [{"authMode": "AADToken", "defaults": {"deploymentName": "d"}}],
    "batchendpoints/deployments": [
        {"model": {"referenceType": "Id", "assetId": "azureml:m:1"}, "miniBatchSize": 10, "retrySettings": {}}
    ],
    "codes/versions": [{"codeUri": "https://127.0.0.1:1/emu000000000000/snapshot-1"}],
    "components/versions": [{"componentSpec": _SPECIFICATION}],
    "computes": [{"computeType": "AmlCompute", "properties": {"vmSize": "Standard_DS2_v2", "scaleSettings": {}}}],
    "connections": [
        {"category": "AzureOpenAI", "authType": "ApiKey", "target": "https://x", "credentials": {"key": ""}}
    ],
    "data/versions": [{"dataUri": _URI, "dataType": "uri_folder", "tags": {"a": "b"}}],
    "datastores": [{"datastoreType": "AzureBlob", "accountName": "a", "containerName": "c", "credentials": {}}],
    "environments/versions": [{"image": "x", "condaFile": "name: a\ndependencies: [python=3.11]"}],
    "jobs": [
        _COMMAND,
        _SWEEP,
        {"jobType": "Pipeline", "jobs": {"one": _STEP}, "inputs": {"rows": _COMMAND["inputs"]["rows"]}, "settings": {}},
    ],
    "models/versions": [{"modelUri": _URI, "modelType": "custom_model", "flavors": {"python_function": {"data": {}}}}],
    "onlineendpoints": [{"authMode": "Key", "traffic": {"blue": 100}, "mirrorTraffic": {}}],
    "onlineendpoints/deployments": [
        {
            "endpointComputeType": "Managed",
            "model": "azureml:m:1",
            "codeConfiguration": {"codeId": "azureml:c:1", "scoringScript": "score.py"},
            "instanceType": "Standard_DS2_v2",
            "requestSettings": {"requestTimeout": "PT5S"},
            "livenessProbe": {"period": "PT10S"},
            "dataCollector": {"collections": {"request": {"dataCollectionMode": "Enabled", "samplingRate": 1}}},
        }
    ],
    "schedules": [
        {
            "trigger": {
                "triggerType": "Recurrence",
                "frequency": "Day",
                "interval": 1,
                "startTime": "2030-01-01T00:00:00",
            },
            "action": {"actionType": "CreateJob", "jobDefinition": _COMMAND},
        },
        {"trigger": {"triggerType": "Cron", "expression": "0 0 * * *"}, "action": {"jobDefinition": _COMMAND}},
    ],
    "workspaces": [{"friendlyName": "fuzz", "description": "", "storageAccount": "x"}],
}
# What other routes are sent.
OTHERS: list[dict[str, Any]] = [
    {"runId": "fuzz"},
    {"values": ["azureml://jobs/fuzz/outputs/out"]},
    {"experiment_ids": ["0"], "filter": "", "max_results": 10},
    {"name": "fuzz", "source": "runs:/fuzz/model", "run_id": "fuzz", "tags": [{"key": "a", "value": "b"}]},
    {"keyType": "Primary", "keyValue": "x"},
    {"containerType": "StorageInitializer", "tail": 10},
    {"properties": {"template": {"resources": []}, "parameters": {}, "mode": "Incremental"}},
    {"properties": {"destination": {"endpointType": "WebHook", "properties": {"endpointUrl": "http://127.0.0.1:1"}}}},
    {"displayName": "x", "tags": {"a": "b"}, "hidden": True},
]
_VALUES: list[Any] = [
    None,
    True,
    -1,
    0,
    10**400,
    1e308,
    -0.0,
    "",
    " ",
    "\x00",
    "a" * 100_000,
    "9" * 5_000,
    [],
    {},
    [[[]]],
    [None],
    {"": None},
    "../../../../etc/passwd",
    "azureml://",
    "azureml:",
    "PT99999999999H",
    "-P1D",
    "9999-99-99T99:99:99",
    "${{parent.inputs.none}}",
    "${{",
    "\ud800",
    "\u202e",
    {"$ref": "#"},
]


def mutated(document: dict[str, Any], rng: random.Random) -> bytes:
    """A document with one to three changes, or text that is hardly one."""
    if rng.random() < _BROKEN_SHARE:
        return rng.choice(_BROKEN)(json.dumps(document).encode(), rng)
    changed = json.loads(json.dumps(document))
    for _ in range(rng.randint(1, 3)):
        _change(changed, rng)
    return json.dumps(changed).encode()


def _change(document: Any, rng: random.Random) -> None:
    """Replace, add or delete one value somewhere."""
    places = list(_places(document))
    holder, key = rng.choice(places) if places else (document, "properties")
    match rng.randrange(4):
        case 0 if places:
            del holder[key]
        case 1 if isinstance(holder, dict):
            holder[rng.choice(["", "__class__", "a" * 300, "é", "name"])] = deepcopy(rng.choice(_VALUES))
        case _:
            holder[key] = deepcopy(rng.choice(_VALUES))


def _places(value: Any) -> list[tuple[Any, Any]]:
    found: list[tuple[Any, Any]] = []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        found += [(value, key), *_places(inner)]
    return found


def _nested(_: bytes, rng: random.Random) -> bytes:
    depth = rng.choice([500, 5_000, 100_000])
    return b'{"properties":' * depth + b"1" + b"}" * depth


def _flipped(text: bytes, rng: random.Random) -> bytes:
    flipped = bytearray(text)
    for _ in range(rng.randint(1, 8)):
        flipped[rng.randrange(len(flipped))] ^= 1 << rng.randrange(8)
    return bytes(flipped)


_BROKEN_SHARE = 0.3
_BROKEN: list[Callable[[bytes, random.Random], bytes]] = [
    _nested,
    _flipped,
    lambda text, rng: text[: rng.randrange(len(text))],
    lambda text, rng: text + rng.randbytes(rng.randint(1, 40)),
    lambda text, _: text.replace(b'"1"', b"NaN").replace(b"1", b"Infinity", 1),
    lambda text, _: text.replace(b"{", b'{"properties": 1, "properties": ', 1),
    lambda text, _: text.decode().encode("utf-16"),
    lambda text, _: b"\xef\xbb\xbf" + text,
    lambda _, rng: rng.choice([b"", b"null", b"[]", b"0", b'""', b"[" * 50_000, b"true", b"\xff\xfe", b"{}" * 2]),
    lambda _, rng: rng.choice([b"9" * 6_000, b"1e999", b"-" + b"0" * 100]),
]
