"""Whether a literal fits the input it is given to. Pure: values in, reasons out."""

from typing import Final

from mlops.checks.pipelines.bindings import Port
from mlops.checks.yaml.document import Scalar

SHOWN_CHARACTERS: Final = 40
NAMES: Final = {"str": "a string", "bool": "a boolean", "int": "an integer", "float": "a number"}


def refusal(value: Scalar, port: Port) -> str | None:
    """Say why the literal `value` does not fit `port`, or return None when it does."""
    return _wrong_type(value, port) or _not_listed(value, port) or _out_of_range(value, port)


def _wrong_type(value: Scalar, port: Port) -> str | None:
    if port.type is None:
        return None
    if port.is_data:
        return f"{_shown(value)} is a literal, not data of type {port.type}"
    if not _fits(value, port.type):
        return f"{_shown(value)} is {_named(value)}, not of type {port.type}"
    return None


def _fits(value: Scalar, wanted: str) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    match wanted:
        case "boolean":
            return isinstance(value, bool)
        case "integer":
            return is_number and isinstance(value, int)
        case "number":
            return is_number
        case _:
            # Literals travel as text, so a number loses nothing as a string.
            return is_number or isinstance(value, str)


def _not_listed(value: Scalar, port: Port) -> str | None:
    if port.choices is None or value in port.choices or str(value) in map(str, port.choices):
        return None
    return f"{_shown(value)} is none of {', '.join(map(str, port.choices))}"


def _out_of_range(value: Scalar, port: Port) -> str | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if port.minimum is not None and not value >= port.minimum:
        return f"{value} is below the minimum {port.minimum}"
    if port.maximum is not None and not value <= port.maximum:
        return f"{value} is above the maximum {port.maximum}"
    return None


def _shown(value: Scalar) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"


def _named(value: Scalar) -> str:
    return NAMES.get(type(value).__name__, "empty")
