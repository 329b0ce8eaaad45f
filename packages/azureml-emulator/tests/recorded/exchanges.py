"""Recorded exchanges with Azure, and the shape of an answer compared with the recorded one. Pure: no I/O but reading.

A shape is the status, the fields with nulls included, the types, and the texts that do not differ by nature.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

PROVIDER = "Microsoft.MachineLearningServices"
BELOW = re.compile(
    rf"^(?:/mferp/managementfrontend)?/subscriptions/[^/]+/resourceGroups/[^/]+/providers/{PROVIDER}/(?P<rest>.+)$"
)
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(\+00:00|Z)?")
_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_HOST = re.compile(r"(?<=://)[^/]+")
_WORKSPACE = re.compile(r"(?<=workspaces/)(00000|w\d+)(?=[/?]|$)")
_REGISTRY = re.compile(r"(?<=registries/)[^/]+(?=/)")


@dataclass(frozen=True)
class Exchange:
    """One line of the recordings."""

    method: str
    route: str
    status: int
    request: Any
    response: Any

    @property
    def path(self) -> str:
        return self.route.partition("?")[0]

    @property
    def kind(self) -> str:
        """The types in the address: "workspaces/models/versions"; an action is the last of them."""
        below = BELOW.match(self.path) or re.search(rf"/providers/{PROVIDER}/(?P<rest>.+)$", self.path)
        return "/".join(below["rest"].split("/")[::2]) if below else self.path.split("/")[1]


@dataclass(frozen=True)
class Difference:
    """One difference between the recorded answer and the emulator's."""

    kind: str
    place: str
    what: str
    recorded: Any = None
    answered: Any = None

    def __str__(self) -> str:
        shown = f"Azure {str(self.recorded)[:150]}, emulator {str(self.answered)[:150]}"
        return f"{self.kind} {self.place}: {self.what} ({shown})"


@dataclass(frozen=True)
class Allowed:
    """A kind of difference that is right, and why. Alternatives are separated by " | ", and may have wildcards.

    One that is `planned` to go may have gone already.
    """

    where: str
    place: str
    what: str
    why: str
    planned: bool = False

    def covers(self, difference: Difference) -> bool:
        sides = (
            (self.where, difference.kind),
            (self.place, difference.place.replace("[]", "")),
            (self.what, difference.what),
        )
        return all(any(fnmatchcase(value, one) for one in pattern.split(" | ")) for pattern, value in sides)


def read(file: Path) -> list[Exchange]:
    """Every recorded exchange."""
    names = ("method", "route", "status", "request", "response")
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    return [Exchange(*(line[name] for name in names)) for line in lines]


def differences(exchange: Exchange, status: int, body: Any) -> list[Difference]:
    """Every difference of an answer from the recorded one; of answers with another status only that."""
    kind = f"{exchange.method} {exchange.kind}"
    if status != exchange.status:
        return [Difference(kind, "status", f"{exchange.status} as {status}", exchange.response, body)]
    return [
        Difference(kind, place, what, recorded, answered)
        for place, what, recorded, answered in _compared(exchange.response, body, "")
    ]


def _compared(recorded: Any, answered: Any, place: str) -> Iterator[tuple[str, str, Any, Any]]:
    if isinstance(recorded, dict) and isinstance(answered, dict):
        yield from _compared_objects(recorded, answered, place)
    elif isinstance(recorded, list) and isinstance(answered, list):
        if len(recorded) != len(answered):
            yield place, "length", recorded, answered
        for one, other in zip(recorded, answered, strict=False):
            yield from _compared(one, other, f"{place}[]")
    elif type(recorded) is not type(answered):
        yield place, f"{_type(recorded)} as {_type(answered)}", recorded, answered
    elif _plain(recorded) != _plain(answered):
        same = str(_plain(recorded)).lower() == str(_plain(answered)).lower()
        yield place, "casing" if same else "value", recorded, answered


def _compared_objects(
    recorded: dict[str, Any], answered: dict[str, Any], place: str
) -> Iterator[tuple[str, str, Any, Any]]:
    for key in sorted({*recorded, *answered}):
        where = f"{place}.{key}" if place else key
        if key not in answered:
            yield where, "missing", recorded[key], None
        elif key not in recorded:
            yield where, "extra null" if answered[key] is None else "extra", None, answered[key]
        else:
            yield from _compared(recorded[key], answered[key], where)


def _type(value: Any) -> str:
    return {dict: "object", list: "list", str: "text", type(None): "null"}.get(type(value), type(value).__name__)


def _plain(value: Any) -> Any:
    """A text without what differs by nature: times, unique ids, hosts, and the names of workspaces and registries."""
    if not isinstance(value, str):
        return value
    plain = _GUID.sub("<guid>", _TIME.sub("<time>", value))
    plain = _REGISTRY.sub("<registry>", _WORKSPACE.sub("<workspace>", plain))
    return _HOST.sub("<host>", plain) if urlsplit(value).scheme == "https" else unquote(plain)
