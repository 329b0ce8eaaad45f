"""Why to retrain, as it is given: an event, a verdict of `mlops monitor --json`, or STAGE/RECORD. It is only a pointer.

Anybody can write an event. What it points to in the audit log is believed, and nothing else of it.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, ValidationError

from mlops.audit.announcement import DRIFT_FOUND, Announcement
from mlops.core.errors import InputError
from mlops.githost.hosts import event_payload
from mlops.settings.stages import StageName

_SHORT: Final = re.compile(r"(\w+)/([1-9]\d{0,8})")
_LARGEST_BYTES: Final = 1_000_000
_ADVICE: Final = (
    "Give an event of the stage's topic, what `mlops monitor --json` printed, or STAGE/RECORD, as in prod/17."
)


@dataclass(frozen=True)
class TriggerReference:
    """A record of a stage's audit log; with its hash where the one who points knows it."""

    stage: StageName
    record: int
    hash: str | None = None


class _Noted(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)
    record: int


class _Verdict(BaseModel):
    """What this needs of a verdict of `mlops monitor --json`."""

    model_config = ConfigDict(extra="ignore", strict=True)
    stage: StageName
    audit: _Noted


def read_trigger(given: str) -> TriggerReference:
    """Read what was given, or the file that it names. Raises InputError."""
    text = given.strip()
    short = _SHORT.fullmatch(text)
    if short:
        return TriggerReference(short[1], int(short[2]))
    document = _parsed(text if text.startswith(("{", "[")) else _read(Path(text)))
    # A broker delivers a list of one event.
    if isinstance(document, list) and len(document) == 1:
        document = document[0]
    document = event_payload(document)
    try:
        if isinstance(document, dict) and "audit" in document:
            verdict = _Verdict.model_validate(document)
            return TriggerReference(verdict.stage, verdict.audit.record)
        event = Announcement.model_validate(document)
    except ValidationError as error:
        first: Any = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the whole"
        raise InputError(f"this is no reason to retrain: {place}: {first['msg']}", _ADVICE) from error
    if event.type != DRIFT_FOUND:
        raise InputError(f"{event.type} is no reason to retrain, only {DRIFT_FOUND} is", _ADVICE)
    return TriggerReference(event.data.stage, event.data.record, event.id)


def _read(file: Path) -> str:
    try:
        with file.open(encoding="utf-8") as stream:
            return stream.read(_LARGEST_BYTES)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{str(file)[:200]} cannot be read: {error}", _ADVICE) from error


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise InputError(f"this is no JSON: {error}", _ADVICE) from error
