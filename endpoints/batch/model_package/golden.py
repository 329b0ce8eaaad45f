"""golden.json: requests with the answers that they must get, the smoke test of every deployment. Pure: no I/O."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from model_package.binary_classification import DECISION, PROBABILITY, decide
from model_package.documents import Fields
from model_package.rows.encoding import ModelInput
from model_package.rows.requests import as_request
from model_package.schema import Schema

SINGLE_ROWS = 5
BATCH_ROWS = 100


@dataclass(frozen=True, slots=True)
class GoldenCase:
    """A request, and what the model answered when it was packaged, row by row."""

    request: dict[str, Any]
    probability: tuple[float, ...]
    decision: tuple[int, ...]

    @classmethod
    def parse(cls, document: Fields) -> Self:
        """Read an entry of `cases`. Raises PackageError."""
        request = document.object("request").values
        return cls(dict(request), document.numbers(PROBABILITY), document.counts(DECISION))

    def as_document(self) -> dict[str, Any]:
        """Return the entry of `cases`."""
        return {"request": self.request, PROBABILITY: list(self.probability), DECISION: list(self.decision)}


@dataclass(frozen=True, slots=True)
class Golden:
    """Cases, and how far an answer may lie from the recorded one."""

    tolerance: float
    cases: tuple[GoldenCase, ...]

    @classmethod
    def build(cls, schema: Schema, rows: ModelInput, probability: npt.NDArray[np.float64], tolerance: float) -> Self:
        """Choose from rows with their answers [rows]: single ones spread over the scores, and a batch.

        `schema` has the decision threshold.
        """
        order = np.argsort(probability, kind="stable")
        singles = order[np.linspace(0, len(order) - 1, SINGLE_ROWS).astype(int)]
        chosen = [np.array([row]) for row in singles] + [np.arange(min(BATCH_ROWS, len(rows)))]
        return cls(tolerance, tuple(_case(schema, rows[each], probability[each]) for each in chosen))

    @classmethod
    def parse(cls, document: Fields) -> Self:
        """Read the content of golden.json. Raises PackageError, also for a file without cases."""
        cases = [GoldenCase.parse(each) for each in document.objects("cases")]
        if not cases:
            raise document.wrong("cases", "must hold at least one case")
        return cls(document.number("tolerance"), tuple(cases))

    def as_document(self) -> dict[str, Any]:
        """Return the content of golden.json."""
        return {"tolerance": self.tolerance, "cases": [case.as_document() for case in self.cases]}


def _case(schema: Schema, rows: ModelInput, probability: npt.NDArray[np.float64]) -> GoldenCase:
    decisions: Sequence[int] = decide(probability, schema.threshold).tolist()
    return GoldenCase(as_request(rows, schema), tuple(probability.tolist()), tuple(decisions))
