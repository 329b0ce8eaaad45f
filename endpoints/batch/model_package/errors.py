"""Everything that this package refuses, as one tree of exceptions.

ModelPackageError
├── PackageError       the package is missing, ambiguous, broken, or not the one that was released
│   └── SchemaError    its columns are not described in a way that this version reads
├── ModelError         the model failed, or answered something that is no prediction
├── UnreadableRows     a request or a file holds no rows at all
│   └── InvalidRows    it holds rows with values that the model must not be given
├── ExtensionError     a file of extensions/ cannot be loaded, or its code failed
└── MeasurementError   what is to be measured is broken or contradicts itself
    └── NoData         nothing is broken, and there is too little to measure
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return a remark that names the known word that is spelt most alike, to follow `word`; "" if none is."""
    # Imported here: it is needed once something is wrong.
    from difflib import get_close_matches

    by_case = {each.lower(): each for each in known}
    close = get_close_matches(word.lower(), by_case, n=1) or [each for each in by_case if word.lower().startswith(each)]
    return f" (did you mean {by_case[close[0]]!r}?)" if close else ""


class ModelPackageError(Exception):
    """The base of all errors here; the message says what is wrong and what to do about it."""


class PackageError(ModelPackageError):
    """The model package is missing, ambiguous, broken, or not the one that was released."""


class SchemaError(PackageError):
    """schema.json or schema.yml does not describe columns in a way that this version reads."""


class ModelError(ModelPackageError):
    """The model failed or answered something that is no prediction: its own fault, not that of the rows."""


class UnreadableRows(ModelPackageError):
    """A request or a file that cannot be read as rows; the message says why."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing wrong with rows. `row` counts from 0; `row` or `field` is None where it concerns all of them."""

    row: int | None
    field: str | None
    reason: str


class InvalidRows(UnreadableRows):
    """Rows with values that the model must not be given: the first `findings` of at least `total`."""

    def __init__(self, message: str, findings: Sequence[Finding] = (), total: int = 0) -> None:
        super().__init__(message)
        self.findings = tuple(findings)
        self.total = total


class ExtensionError(ModelPackageError):
    """A file of extensions/ cannot be loaded, or its code failed: `reason` says why, and what to do."""

    def __init__(self, file: str, reason: str) -> None:
        super().__init__(f"extensions/{file}: {reason}")
        self.file = file
        self.reason = reason


class MeasurementError(ModelPackageError):
    """What a measure is to be taken from is broken, contradictory, or not there."""


class NoData(MeasurementError):
    """Nothing is broken, and there is too little to measure."""
