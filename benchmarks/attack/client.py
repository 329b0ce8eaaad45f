"""A client that works until it is killed: uploads, registers, submits, and prints a line for all that was acknowledged.

Started by kills.py, which writes the address of the emulator to its standard input.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from itertools import count
from pathlib import Path

import httpx

from attack.kills import client_of

BLOB_BYTES = 300_000
_ENVIRONMENT = "azureml://registries/azureml/environments/sklearn-1.5/versions/1"


def main(name: str) -> None:
    """Work for ever."""
    given = json.loads(sys.stdin.readline())
    workspace = given["workspace"]
    with client_of(given["base"], given["token"], Path(given["bundle"])) as client:
        store = client.get(f"{workspace}/datastores/workspaceblobstore").raise_for_status().json()["properties"]
        account = store["accountName"].rstrip("?").rpartition("/")[2]
        for number in count():
            asset, content = f"attack-{name}-{number}", os.urandom(BLOB_BYTES)
            path = f"/{account}/{store['containerName']}/attack/{asset}.bin"
            _told("blob", path, client.put(path, content=content), hashlib.sha256(content).hexdigest())
            uri = f"azureml://datastores/workspaceblobstore/paths/attack/{asset}.bin"
            version = f"{workspace}/models/{asset}/versions/1"
            model = {"properties": {"modelUri": uri, "modelType": "custom_model"}}
            _told("model", version, client.put(version, json=model))
            job = {"jobType": "Command", "command": "sleep 1", "environmentId": _ENVIRONMENT, "computeId": ""}
            path = f"{workspace}/jobs/{asset}"
            if number == 0:
                _told("job", path, client.put(path, json={"properties": job}))


def _told(kind: str, path: str, reply: httpx.Response, digest: str = "") -> None:
    reply.raise_for_status()
    print(json.dumps({"kind": kind, "path": path, "digest": digest}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
