"""golden.json: requests with the answers that they must get, the smoke test of every deployment. Pure: no I/O."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from model_package.documents import Fields
from model_package.rows.encoding import ModelInput
from model_package.rows.requests import as_request
from model_package.schema import Schema
from model_package.tasks import task_of

SINGLE_ROWS = 5
BATCH_ROWS = 100


@dataclass(frozen=True, slots=True)
class GoldenCase:
    """A request, and what the model answered when it was packaged: each key of a reply, with a value per row."""

    request: dict[str, Any]
    answers: dict[str, list[Any]]

    @property
    def rows(self) -> int:
        """How many rows were answered."""
        return max(map(len, self.answers.values()), default=0)

    @classmethod
    def parse(cls, document: Fields) -> Self:
        """Read an entry of `cases`. Raises PackageError."""
        request = document.object("request").values
        answers = {name: value for name, value in document.values.items() if name != "request"}
        for name, value in answers.items():
            if not isinstance(value, list):
                raise document.wrong(name, f"must be a list, found {value!r}")
        if len({len(value) for value in answers.values()}) != 1:
            raise document.wrong("request", f"must have one answer per row, found {sorted(answers)} of other lengths")
        return cls(dict(request), answers)

    def as_document(self) -> dict[str, Any]:
        """Return the entry of `cases`."""
        return {"request": self.request, **self.answers}

    def replies(self) -> list[dict[str, Any]]:
        """Return the answer to each row as a reply holds it."""
        return [dict(zip(self.answers, row, strict=True)) for row in zip(*self.answers.values(), strict=True)]


@dataclass(frozen=True, slots=True)
class Golden:
    """Cases, and how far an answer may lie from the recorded one."""

    tolerance: float
    cases: tuple[GoldenCase, ...]

    @classmethod
    def build(cls, schema: Schema, rows: ModelInput, answer: npt.NDArray[np.float64], tolerance: float) -> Self:
        """Choose from rows and the model's answer to them: single ones spread over it, and a batch.

        `schema` is that of the trained model.
        """
        order = np.argsort(task_of(schema).represent(answer), kind="stable")
        singles = order[np.linspace(0, len(order) - 1, SINGLE_ROWS).astype(int)]
        chosen = [np.array([row]) for row in singles] + [np.arange(min(BATCH_ROWS, len(rows)))]
        return cls(tolerance, tuple(_case(schema, rows[each], answer[each]) for each in chosen))

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


def _case(schema: Schema, rows: ModelInput, answer: npt.NDArray[np.float64]) -> GoldenCase:
    replies = task_of(schema).predictions(answer)
    return GoldenCase(as_request(rows, schema), {name: [each[name] for each in replies] for name in replies[0]})
