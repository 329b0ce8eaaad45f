"""Where runs may keep artifacts: below MLflow's own folder, and nowhere else. Pure: no I/O.

MLflow reads and writes the location of an experiment or a trace as its own user. Another one than its proxy's would
make any folder of this machine, or of a cloud, a folder of artifacts.
"""

from __future__ import annotations

import json
import re
from typing import Any

from azureml_emulator.kernel.errors import BadRequest

_OWN = re.compile(r"mlflow-artifacts:/(?:[^/\\?#%][^\\?#%]*)?")
# As protobuf reads names of fields: artifact_location and artifactLocation; and the tag of a trace.
_NAMES = ("artifactlocation", "artifacturi")


def check_locations(body: bytes) -> None:
    """Raise BadRequest where a request to MLflow names a location that is not its proxy's."""
    try:
        document = json.loads(body) if body else None
        if isinstance(document, str):
            # MLflow decodes the bodies of old clients twice.
            document = json.loads(document)
    except (ValueError, RecursionError):
        # MLflow refuses it as well.
        return
    _check(document)


def _check(value: Any) -> None:
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting.extend(value)
        elif isinstance(value, dict):
            if _is_location(value.get("key")):
                _refuse_foreign(value.get("value"))
            for name, content in value.items():
                if _is_location(name):
                    _refuse_foreign(content)
                waiting.append(content)


def _is_location(name: Any) -> bool:
    return isinstance(name, str) and name.replace("_", "").lower().endswith(_NAMES)


def _refuse_foreign(location: Any) -> None:
    if location in (None, ""):
        return
    if not isinstance(location, str) or not _OWN.fullmatch(location) or ".." in location.split("/"):
        raise BadRequest(
            f"The artifact location '{location}' is refused: MLflow keeps artifacts below 'mlflow-artifacts:/' only. "
            "Leave artifact_location out."
        )
