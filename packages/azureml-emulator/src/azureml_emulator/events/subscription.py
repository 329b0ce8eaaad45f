"""One event subscription, parsed and checked: destination, filters, retry policy. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from azureml_emulator.events.cloud_event import CloudEvent
from azureml_emulator.kernel.errors import BadRequest, NotModelled

_SCHEMA: Final = "CloudEventSchemaV1_0"
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
_MAX_ATTEMPTS: Final = 30
_MAX_LIFETIME_MINUTES: Final = 1440
_BOOLEAN: Final = "boolequals"
_OPERATORS: Final[dict[str, Callable[[str, str], bool]]] = {
    "stringin": lambda value, expected: value == expected,
    "stringbeginswith": lambda value, expected: value.startswith(expected),
    "stringendswith": lambda value, expected: value.endswith(expected),
    "stringcontains": lambda value, expected: expected in value,
}


@dataclass(frozen=True)
class DeadLetters:
    """The blob container for events that could not be delivered."""

    account: str
    container: str


@dataclass(frozen=True)
class Subscription:
    """Destination and filters of events; `attempts` and `lifetime_minutes` limit the retries."""

    name: str
    url: str
    types: tuple[str, ...]
    subject_prefix: str
    subject_suffix: str
    is_case_sensitive: bool
    advanced_filters: tuple[tuple[str, str, tuple[str, ...]], ...]
    attempts: int
    lifetime_minutes: int
    dead_letters: DeadLetters | None

    def matches(self, event: CloudEvent) -> bool:
        """Whether an event passes every filter."""
        fold = str if self.is_case_sensitive else str.lower
        subject = fold(str(event.get("subject", "")))
        return (
            (not self.types or event["type"] in self.types)
            and subject.startswith(fold(self.subject_prefix))
            and subject.endswith(fold(self.subject_suffix))
            and all(_passes(event, *each) for each in self.advanced_filters)
        )


def read_subscription(name: str, properties: dict[str, Any]) -> Subscription:
    """Parse and check the properties of a PUT. Raises BadRequest or NotModelled."""
    schema = properties.get("eventDeliverySchema") or "EventGridSchema"
    if schema != _SCHEMA:
        raise NotModelled(f"The emulator delivers the schema {_SCHEMA}, not {schema}: set eventDeliverySchema.")
    filters = properties.get("filter") or {}
    retries = properties.get("retryPolicy") or {}
    return Subscription(
        name=name,
        url=_url(properties.get("destination")),
        types=tuple(filters.get("includedEventTypes") or ()),
        subject_prefix=filters.get("subjectBeginsWith") or "",
        subject_suffix=filters.get("subjectEndsWith") or "",
        is_case_sensitive=bool(filters.get("isSubjectCaseSensitive")),
        advanced_filters=tuple(_advanced(each) for each in filters.get("advancedFilters") or ()),
        attempts=_bounded(retries, "maxDeliveryAttempts", _MAX_ATTEMPTS),
        lifetime_minutes=_bounded(retries, "eventTimeToLiveInMinutes", _MAX_LIFETIME_MINUTES),
        dead_letters=_dead_letters(properties.get("deadLetterDestination")),
    )


def _url(destination: Any) -> str:
    kind = (destination or {}).get("endpointType")
    if kind != "WebHook":
        raise NotModelled(f"The emulator delivers to webhooks (WebHook), not to '{kind}'.")
    given = destination.get("properties") or {}
    url = str(given.get("endpointUrl") or "")
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise BadRequest("destination.properties.endpointUrl is not a valid URL.", target="endpointUrl")
    if parts.hostname not in _LOOPBACK:
        raise NotModelled(f"The emulator delivers to addresses on loopback only, not to '{parts.hostname}'.")
    if (given.get("maxEventsPerBatch") or 1) != 1:
        raise NotModelled("The emulator delivers one event per request: maxEventsPerBatch must be 1.")
    return url


def _advanced(document: Any) -> tuple[str, str, tuple[str, ...]]:
    operator = str((document or {}).get("operatorType") or "")
    key = str(document.get("key") or "") if document else ""
    if operator.lower() == _BOOLEAN:
        value = document.get("value")
        if not isinstance(value, bool):
            raise BadRequest(f"The filter {operator} needs `value`: true or false.", target="value")
        return key, _BOOLEAN, (_json_boolean(value),)
    if operator.lower() not in _OPERATORS:
        known = ", ".join((_BOOLEAN, *_OPERATORS))
        raise NotModelled(f"The emulator models the advanced filters {known}, not '{operator}'.")
    values = document.get("values") or ()
    return key, operator.lower(), tuple(str(value) for value in values)


def _json_boolean(value: bool) -> str:  # noqa: FBT001 - the only argument
    return str(value).lower()


def _passes(event: CloudEvent, key: str, operator: str, values: tuple[str, ...]) -> bool:
    found: Any = event
    for part in key.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    if operator == _BOOLEAN:
        return isinstance(found, bool) and _json_boolean(found) in values
    # Azure compares strings without case.
    return isinstance(found, str) and any(_OPERATORS[operator](found.lower(), value.lower()) for value in values)


def _bounded(retries: dict[str, Any], name: str, maximum: int) -> int:
    value = retries.get(name)
    if value is None:
        return maximum
    if not isinstance(value, int) or not 1 <= value <= maximum:
        raise BadRequest(f"retryPolicy.{name} must be an integer from 1 to {maximum}, not {value!r}.", target=name)
    return value


def _dead_letters(destination: Any) -> DeadLetters | None:
    if not destination:
        return None
    given = destination.get("properties") or {}
    account = str(given.get("resourceId") or "").rstrip("/").rpartition("/")[2]
    container = str(given.get("blobContainerName") or "")
    if destination.get("endpointType") != "StorageBlob" or not account or not container:
        raise BadRequest("deadLetterDestination must be a StorageBlob with resourceId and blobContainerName.")
    return DeadLetters(account, container)
