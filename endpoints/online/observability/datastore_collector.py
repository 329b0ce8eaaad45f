"""Writes collected requests straight to the stage's datastore, as the identity of the endpoint, where Azure's collector
does not run beside the server.

The files have the folders and lines of Azure's collector, so that readers see no difference: a file per
worker, collection and hour, which grows by one committed block per batch.
"""

import base64
import json
import logging
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Self

from azure.core import PipelineClient
from azure.core.credentials import TokenCredential
from azure.core.exceptions import AzureError
from azure.core.pipeline.policies import BearerTokenCredentialPolicy, RetryPolicy
from azure.core.rest import HttpRequest
from azure.identity import DefaultAzureCredential

from model_package.rows.collected_columns import (
    CORRELATION_ID,
    INPUTS,
    MODEL_VERSION,
    OUTPUTS,
    ROW,
    TIME,
    collected_name,
)
from model_package.rows.encoding import cells
from model_package.schema import Schema
from model_package.tasks import task_of
from observability.collector_messages import CollectedRequest, Message, split_into_messages
from observability.deployment_variables import COLLECTED_DATA_URL

CLIENT_ID = "AZURE_CLIENT_ID"
SCOPE = "https://storage.azure.com/.default"
API_VERSION = "2023-11-03"
SECONDS_PER_BATCH = 5.0
RETRIES = 2
TIMEOUT_SECONDS = 10
CREATED = 201
QUIET_LOGGERS = ("azure.identity", "azure.core")


class DatastoreCollector:
    """Appends batches to the files of this worker. Not safe to use from several threads."""

    def __init__(self, folder: str, credential: TokenCredential, schema: Schema, version: str) -> None:
        """`folder` is the address of the deployment's folder, which its identity may write to."""
        self._folder = folder.rstrip("/")
        policies = [RetryPolicy(retry_total=RETRIES), BearerTokenCredentialPolicy(credential, SCOPE)]
        self._client: PipelineClient[Any, Any] = PipelineClient(self._folder, policies=policies)
        self._schema = schema
        self._task = task_of(schema)
        self._names = [collected_name(name, self._task) for name in schema.names]
        self._version = version
        self._name = uuid.uuid4().hex
        # The committed blocks of each file of the current hour.
        self._blocks: dict[str, list[str]] = {}
        self._reason = ""
        for name in QUIET_LOGGERS:
            logging.getLogger(name).setLevel(logging.ERROR)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str], schema: Schema, version: str) -> Self:
        """The collector for the folder that the deployment names, as the identity that it names."""
        credential = DefaultAzureCredential(managed_identity_client_id=environment.get(CLIENT_ID) or None)
        return cls(environment[COLLECTED_DATA_URL], credential, schema, version)

    def send(self, batch: Sequence[CollectedRequest]) -> int:
        """Write a batch; returns how many rows were refused."""
        texts: dict[str, list[str]] = {}
        rows = 0
        for message in split_into_messages(batch):
            rows += len(message.ids)
            hour = datetime.fromtimestamp(message.timestamp, UTC)
            for collection, columns in ((INPUTS, self._inputs(message)), (OUTPUTS, self._outputs(message))):
                file = f"{collection}/{hour:%Y/%m/%d/%H}/{self._name}.jsonl"
                texts.setdefault(file, []).append(_line(collection, hour, columns))
        try:
            for file, lines in texts.items():
                self._append(file, "".join(lines).encode())
        except AzureError as error:
            self._reason = str(error).partition("\n")[0]
            return rows
        finally:
            self._blocks = {file: blocks for file, blocks in self._blocks.items() if file in texts}
        return 0

    def delivery_failures(self) -> tuple[int, str]:
        """Always 0, because send() already knows of every failure; and the reason of the last one."""
        return 0, self._reason

    def _inputs(self, message: Message) -> dict[str, Any]:
        columns = cells(message.rows, self._schema)
        return {**dict(zip(self._names, columns.values(), strict=True)), **_identity(message)}

    def _outputs(self, message: Message) -> dict[str, Any]:
        columns = {name: _plain(values) for name, values in self._task.columns(message.answer).items()}
        return {**columns, MODEL_VERSION: [self._version] * len(message.ids), **_identity(message)}

    def _append(self, file: str, content: bytes) -> None:
        """Add a block to a file and commit it: readers see whole lines only. Raises AzureError."""
        blocks = self._blocks.get(file, [])
        block = base64.b64encode(b"%08d" % len(blocks)).decode()
        self._put(f"{file}?comp=block&blockid={block}", content)
        listed = "".join(f"<Latest>{each}</Latest>" for each in [*blocks, block])
        document = f'<?xml version="1.0" encoding="utf-8"?><BlockList>{listed}</BlockList>'
        self._put(f"{file}?comp=blocklist", document.encode())
        self._blocks[file] = [*blocks, block]

    def _put(self, address: str, content: bytes) -> None:
        headers = {"x-ms-version": API_VERSION, "content-length": str(len(content))}
        request = HttpRequest("PUT", f"{self._folder}/{address}", headers=headers, content=content)
        response = self._client.send_request(request, connection_timeout=TIMEOUT_SECONDS, read_timeout=TIMEOUT_SECONDS)
        if response.status_code != CREATED:
            raise AzureError(f"storage answered {response.status_code} {response.reason}")


def _identity(message: Message) -> dict[str, Any]:
    return {CORRELATION_ID: message.ids, ROW: message.indices, TIME: message.times}


def _plain(values: Any) -> list[Any]:
    return values.tolist() if hasattr(values, "tolist") else list(values)


def _line(collection: str, moment: datetime, columns: Mapping[str, Sequence[Any]]) -> str:
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    event = {
        "specversion": "1.0",
        "id": str(uuid.uuid4()),
        "type": f"azureml.inference.{collection}",
        "time": f"{moment:%Y-%m-%dT%H:%M:%SZ}",
        "datacontenttype": "application/json",
        "data": rows,
    }
    return json.dumps(event, separators=(",", ":")) + "\n"
