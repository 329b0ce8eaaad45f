"""Values in the wire format of jobs: inputs, durations, literals, booleans, ids. Pure: no I/O.

Pipeline nodes use snake_case (job_input_type) where jobs use camelCase (jobInputType); both are read here.
"""

from __future__ import annotations

import math
import re
from typing import Any

from azureml_emulator.jobs.definitions.steps import DATA_TYPES, Data, Literal
from azureml_emulator.kernel.clock import parse_duration
from azureml_emulator.kernel.errors import BadRequest

_NUMBER = re.compile(r"\d+(\.\d+)?")
_BOOLEANS = frozenset({"true", "false"})


def refuse(message: str, target: str | None = None) -> BadRequest:
    """The error for a job that cannot run, as the service has it."""
    return BadRequest(message, code="UserError", target=target)


def field_of(document: dict[str, Any], name: str) -> Any:
    """A field in camelCase or in snake_case, or None."""
    value = document.get(name)
    return document.get(in_snake_case(name)) if value is None else value


def in_snake_case(name: str) -> str:
    """A field's name as pipeline nodes and authors spell it."""
    return re.sub(r"([A-Z])", r"_\1", name).lower()


def read_input(name: str, value: Any) -> Literal | Data:
    """The value of an input. Raises BadRequest when it has neither a value nor a uri."""
    if not isinstance(value, dict):
        return Literal(as_text(value))
    kind = (field_of(value, "jobInputType") or value.get("type") or "literal").lower()
    if kind == "literal" or ("uri" not in value and "value" in value):
        if value.get("value") is None:
            raise refuse(f"The input '{name}' has no value.", f"inputs.{name}")
        return Literal(as_text(value["value"]))
    if not value.get("uri"):
        raise refuse(f"The input '{name}' of type {kind} has no path.", f"inputs.{name}")
    return Data(value["uri"], kind, str(value.get("mode") or "").lower())


def as_text(value: Any) -> str:
    """A literal as the service writes it: booleans are True and False."""
    return str(value)


def bool_of(value: Any, *, default: bool) -> bool:
    """A boolean, which may be a string on the wire."""
    return default if value is None else str(value).lower() == "true"


def seconds(value: Any, target: str) -> float | None:
    """A duration in seconds: a number, also as text, or ISO 8601 (PT1M30S). None stays None. Raises BadRequest."""
    if value is None:
        return None
    if isinstance(value, int | float) or _NUMBER.fullmatch(str(value)):
        return float(value)
    try:
        return parse_duration(str(value))
    except ValueError as error:
        raise refuse(f"{error}.", target) from error


def number(value: Any, default: float, where: str, minimum: float = -math.inf) -> float:
    """A finite number, also as text; None is the default. Raises BadRequest for anything else, or below the minimum."""
    if value is None:
        return float(default)
    try:
        found = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        found = math.nan
    if not math.isfinite(found) or found < minimum:
        bound = "" if math.isinf(minimum) else f" of at least {minimum:g}"
        raise refuse(f"'{where}': '{value}' must be a number{bound}.", where)
    return found


def whole_number(value: Any, default: int, where: str, minimum: int = 1, maximum: int | None = None) -> int:
    """A whole number in a range, also as text; None is the default. Raises BadRequest for anything else."""
    if value is None:
        return default
    found = number(value, default, where)
    if found % 1 or found < minimum or (maximum is not None and found > maximum):
        bounds = f"of at least {minimum}" if maximum is None else f"from {minimum} to {maximum}"
        raise refuse(f"'{where}': '{value}' must be an integer {bounds}.", where)
    return int(found)


def check_literal(text: str, declared: dict[str, Any], where: str) -> None:
    """Raise BadRequest when a literal does not have the declared type, range or enumeration."""
    kind = str(declared.get("type", "string")).lower()
    if kind in DATA_TYPES:
        raise refuse(f"{where} is of type {kind} and needs data, not the value '{text}'.", where)
    if kind == "boolean" and text.lower() not in _BOOLEANS:
        raise refuse(f"{where} must be a boolean, not '{text}'.", where)
    if kind in {"number", "integer"}:
        _check_number(text, kind, declared, where)
    allowed = declared.get("enum")
    if allowed and text not in {str(choice) for choice in allowed}:
        raise refuse(f"{where} must be one of {', '.join(map(str, allowed))}, not '{text}'.", where)


def _check_number(text: str, kind: str, declared: dict[str, Any], where: str) -> None:
    try:
        # The service takes any number for an integer.
        number = float(text)
    except ValueError as error:
        raise refuse(f"{where} must be of type {kind}, not '{text}'.", where) from error
    low, high = declared.get("min"), declared.get("max")
    if low is not None and number < float(low):
        raise refuse(f"{where} must be at least {low}, not {text}.", where)
    if high is not None and number > float(high):
        raise refuse(f"{where} must be at most {high}, not {text}.", where)


def arm_id(text: Any) -> str | None:
    """A reference without the prefix of its short form (`azureml:name`, not `azureml://…`); None when empty."""
    reference = str(text or "")
    return (reference if reference.startswith("azureml://") else reference.removeprefix("azureml:")) or None
