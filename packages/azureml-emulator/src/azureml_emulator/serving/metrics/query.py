"""Parses a query for Azure Monitor's metrics: metrics, timespan, interval, aggregations, filter. Pure: no I/O.

Refuses what Azure refuses, and names what Azure has and the emulator does not model.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from azureml_emulator.kernel.errors import BadRequest, NotModelled
from azureml_emulator.serving.metrics.definitions import AGGREGATIONS, INTERVALS, Definition

FULL = "FULL"
_DEFAULT_WINDOW = timedelta(hours=1)
_DEFAULT_TOP = 10
_MAX_WINDOW_DAYS = 31
_CONDITION = re.compile(r"^\(*\s*(?P<name>\w+)\s+(?P<operator>\w+)\s+'(?P<value>[^']*)'\s*\)*$")
_CONNECTIVE = re.compile(r"\s+(and|or)\s+(?=\(*\s*\w+\s+\w+\s+')", re.IGNORECASE)
_NOT_MODELLED = ("orderby", "rollupby")
_ANY = "*"

DimensionFilters = dict[str, frozenset[str] | None]
"""The requested values by dimension, in lower case; None stands for every value, each by itself."""


@dataclass(frozen=True)
class Query:
    """One query: [start, end) in seconds of the epoch, in bins of `seconds` (the whole timespan when None)."""

    definitions: tuple[Definition, ...]
    start: float
    end: float
    interval: str
    seconds: int | None
    aggregations: tuple[str, ...]
    filters: DimensionFilters
    top: int


def read_query(given: Mapping[str, str], known: Sequence[Definition], now: datetime) -> Query:
    """Parse the query parameters of a request. Raises BadRequest or NotModelled."""
    parameters = {name.lower(): value for name, value in given.items()}
    refused = [name for name in _NOT_MODELLED if parameters.get(name)]
    if refused or parameters.get("resulttype", "Data").lower() != "data":
        raise NotModelled(f"The emulator's metrics do not model {refused or 'resultType'}: leave it out.")
    definitions = _definitions(parameters.get("metricnames", ""), known)
    start, end = _timespan(parameters.get("timespan"), now)
    interval = (parameters.get("interval") or next(iter(INTERVALS))).upper()
    if interval != FULL and interval not in INTERVALS:
        raise BadRequest(f"The interval '{interval}' is not one of {', '.join(INTERVALS)} and {FULL}.")
    filters = _read_filter(parameters.get("$filter") or "")
    if parameters.get("validatedimensions", "true").lower() != "false":
        _check_dimensions(filters, definitions)
    return Query(
        definitions,
        start.timestamp(),
        end.timestamp(),
        interval,
        INTERVALS.get(interval),
        _aggregations(parameters.get("aggregation") or AGGREGATIONS[0]),
        filters,
        _top(parameters.get("top")),
    )


def _definitions(names: str, known: Sequence[Definition]) -> tuple[Definition, ...]:
    by_name = {definition.name.lower(): definition for definition in known}
    asked = [name.strip() for name in names.split(",") if name.strip()]
    for name in asked:
        if name.lower() not in by_name:
            valid = ",".join(definition.name for definition in known)
            raise BadRequest(f"Failed to find metric configuration for metric: {name}. Valid metrics: {valid}")
    return tuple(by_name[name.lower()] for name in asked) or tuple(known[:1])


def _timespan(given: str | None, now: datetime) -> tuple[datetime, datetime]:
    if not given:
        return now - _DEFAULT_WINDOW, now
    first, slash, last = given.partition("/")
    try:
        # An unescaped plus sign arrives as a space.
        start, end = (datetime.fromisoformat(part.strip().replace(" ", "+")) for part in (first, last))
    except ValueError as error:
        raise BadRequest(f"The timespan '{given}' is not '<start>/<end>' in ISO 8601: {error}.") from error
    start, end = (each if each.tzinfo else each.replace(tzinfo=UTC) for each in (start, end))
    if not slash or start >= end:
        raise BadRequest(f"The timespan '{given}' must begin before it ends.")
    if end - start > timedelta(days=_MAX_WINDOW_DAYS):
        raise BadRequest(f"The timespan '{given}' is longer than {_MAX_WINDOW_DAYS} days.")
    return start, end


def _aggregations(given: str) -> tuple[str, ...]:
    names = {name.lower(): name for name in AGGREGATIONS}
    asked = [part.strip().lower() for part in given.split(",")]
    for name in asked:
        if name not in names:
            raise BadRequest(f"The aggregation '{name}' is not one of {', '.join(AGGREGATIONS)}.")
    return tuple(dict.fromkeys(asked))


def _top(given: str | None) -> int:
    if given is None:
        return _DEFAULT_TOP
    if not given.isdigit() or int(given) < 1:
        raise BadRequest(f"top is '{given}'; it must be a positive integer.", target="top")
    return int(given)


def _read_filter(text: str) -> DimensionFilters:
    filters: dict[str, set[str]] = {}
    if not text.strip():
        return {}
    parts = _CONNECTIVE.split(text.strip())
    before: str | None = None
    for connective, condition in zip(["and", *parts[1::2]], parts[::2], strict=True):
        name, value = _condition(condition, text)
        if connective.lower() == "or" and name != before:
            raise BadRequest(
                f"The filter \"{text}\" joins two dimensions with 'or', which can only join values of one dimension."
            )
        filters.setdefault(name, set()).add(value)
        before = name
    return {name: None if _ANY in values else frozenset(values) for name, values in filters.items()}


def _condition(condition: str, text: str) -> tuple[str, str]:
    match = _CONDITION.match(condition.strip())
    if match is None:
        raise BadRequest(f"The filter \"{text}\" must consist of conditions such as deployment eq 'blue'.")
    if match["operator"].lower() != "eq":
        raise NotModelled(f"The emulator's metrics do not model '{match['operator']}' in a filter, only 'eq'.")
    return match["name"].lower(), match["value"].lower()


def _check_dimensions(filters: DimensionFilters, definitions: Sequence[Definition]) -> None:
    for definition in definitions:
        has = {name.lower() for name in definition.dimensions}
        missing = [name for name in filters if name not in has]
        if missing:
            raise BadRequest(
                f"Metric: {definition.name} does not support requested dimension combination: "
                f"{','.join(missing)}, supported ones are: {','.join(definition.dimensions) or 'none'}."
            )
