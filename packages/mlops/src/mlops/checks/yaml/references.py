"""Whether references to assets and literals for inputs are well-formed. Pure: values in, reasons out."""

import re
from pathlib import Path
from typing import Final

from mlops.checks.pipelines.bindings import Port
from mlops.checks.yaml.document import Scalar

FILE_PREFIX: Final = "file:"
REMOTE: Final = re.compile(r"[a-z][a-z0-9+.-]+://.*|git\+.*|azureml:.*", re.IGNORECASE)
REGISTERED: Final = re.compile(
    r"azureml:[A-Za-z0-9_.-]+(:[A-Za-z0-9_.-]+|@[A-Za-z0-9_-]+)|azureml://\S+|azureml:/subscriptions/\S+"
)
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,254}")
COMPONENT_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,254}")
# A cluster by its name, or one of the service's built-in kinds.
COMPUTE: Final = re.compile(
    r"(azureml:)?[A-Za-z][A-Za-z0-9-]{0,30}[A-Za-z0-9]|(azureml:)?/subscriptions/\S+|\$\{\{\S+\}\}"
)
PORT_NAME: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*(\.[a-zA-Z_][a-zA-Z0-9_]*)*")
PORT_NAME_ADVICE: Final = "use letters, digits and `_`, and do not begin with a digit"
VERSION: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,29}")
SEMANTIC_VERSION: Final = re.compile(r"(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)(-[0-9A-Za-z.-]+)?")


def is_remote(text: str) -> bool:
    """Whether it names something that is not a file of this project."""
    return REMOTE.fullmatch(text) is not None


def is_registered(text: str) -> bool:
    """Whether it is well-formed as `azureml:name:version`, `azureml:name@label` or `azureml://…`."""
    return REGISTERED.fullmatch(text) is not None


def local_path(text: str, folder: Path) -> Path | None:
    """Return the path of `file:…` or of a relative path in a document in `folder`; None if it is remote."""
    if text.startswith(FILE_PREFIX):
        text = text.removeprefix(FILE_PREFIX)
    elif is_remote(text):
        return None
    return Path(folder, text).resolve()


_NUMBER: Final = re.compile(r"[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?")
SHOWN_CHARACTERS: Final = 40
NAMES: Final = {"str": "a string", "bool": "a boolean", "int": "an integer", "float": "a number"}


def refusal(value: Scalar, port: Port) -> str | None:
    """Return why the literal `value` is not valid for `port`, or None if it is."""
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
            return isinstance(value, bool) or (isinstance(value, str) and value.lower() in ("true", "false"))
        case "integer" | "number":
            # Literals travel as text, and Azure takes 7.5 for an integer: the step decides.
            return is_number or (isinstance(value, str) and _NUMBER.fullmatch(value) is not None)
        case _:
            # Literals are passed as text, so a number loses nothing as a string.
            return is_number or isinstance(value, str)


def _not_listed(value: Scalar, port: Port) -> str | None:
    if port.choices is None or value in port.choices or str(value) in map(str, port.choices):
        return None
    return f"{_shown(value)} is not one of {', '.join(map(str, port.choices))}"


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
