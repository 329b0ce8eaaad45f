"""The configuration of a deployment's data collector, and the format of a collected event. Pure: no I/O.

Events are CloudEvents in JSON, one per line, with the attribute names of Azure's data collector.
"""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from azureml_emulator.kernel.errors import BadRequest

# The collections of these names hold the payloads, which the router collects; scripts fill all others.
REQUEST = "request"
RESPONSE = "response"
_ROLLING = {
    "year": "%Y",
    "month": "%Y/%m",
    "day": "%Y/%m/%d",
    "hour": "%Y/%m/%d/%H",
    "minute": "%Y/%m/%d/%H/%M",
}
_DEFAULT_ROLLING = "hour"
_ENABLED = "enabled"


@dataclass(frozen=True)
class Collection:
    """One collection: its sampling rate (0 to 1), and the data asset that it belongs to, if any."""

    name: str
    sampling_rate: float
    data_id: str | None


@dataclass(frozen=True)
class CollectorConfig:
    """The enabled collections, and the strftime pattern of their folders."""

    collections: dict[str, Collection]
    folders: str

    def folder(self, moment: datetime) -> str:
        """The folder for a point in time, below the folder of the collection."""
        return moment.strftime(self.folders)


@dataclass(frozen=True)
class CollectedEvent:
    """One collected event: its collection, time, attributes, and unparsed data."""

    collection: str
    moment: datetime
    attributes: Mapping[str, str]
    body: bytes

    def line(self, source: str) -> bytes:
        """The event as one line of JSON, without a line break."""
        document: dict[str, Any] = {
            "specversion": "1.0",
            "id": str(uuid.uuid4()),
            "source": source,
            "type": f"azureml.inference.{self.collection}",
            "time": self.moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            **_data(self.body),
            "contentrange": f"bytes 0-{max(0, len(self.body) - 1)}/{len(self.body)}",
            **self.attributes,
        }
        return json.dumps(document, separators=(",", ":")).encode()


def read_collector_config(properties: Mapping[str, Any]) -> CollectorConfig | None:
    """The configuration in a deployment's properties; None when nothing is collected. Raises BadRequest."""
    asked = properties.get("dataCollector") or {}
    rolling = str(asked.get("rollingRate") or _DEFAULT_ROLLING).lower()
    if rolling not in _ROLLING:
        raise BadRequest(
            f"rollingRate is '{asked['rollingRate']}'; it must be one of {', '.join(_ROLLING)}.", target="rollingRate"
        )
    found = {}
    for name, given in (asked.get("collections") or {}).items():
        if given is not None and str(given.get("dataCollectionMode", "")).lower() == _ENABLED:
            # Azure's library looks names up in lower case.
            found[name.lower()] = Collection(name, _rate(name, given.get("samplingRate")), given.get("dataId"))
    return CollectorConfig(found, _ROLLING[rolling]) if found else None


def _rate(name: str, given: Any) -> float:
    rate = 1.0 if given is None else given
    if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 <= rate <= 1:
        raise BadRequest(
            f"samplingRate of the collection '{name}' is {given!r}; it must be between 0 and 1.", target="samplingRate"
        )
    return float(rate)


def _data(body: bytes) -> dict[str, Any]:
    try:
        return {"datacontenttype": "application/json", "data": json.loads(body)}
    except ValueError:
        pass
    try:
        return {"datacontenttype": "text/plain", "data": body.decode()}
    except UnicodeDecodeError:
        return {"datacontenttype": "application/octet-stream", "data_base64": base64.b64encode(body).decode()}
