"""Azure's recorded answers as an oracle: each exchange is replayed, and every difference of shape must be allowed.

The recordings are not part of the repository; `allowed.yml` says which differences are right, and why.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from azureml_emulator.testing import RunningEmulator

HERE = Path(__file__).parent
RECORDINGS = "azure-answers.jsonl"
# Of 452 exchanges, those whose answer has another status, for an allowed reason; the others are compared in full.
MOST_OF_ANOTHER_STATUS = 190


@pytest.fixture(scope="module")
def exchanges(module_of: Callable[[Path], Any]) -> Any:
    return module_of(HERE / "exchanges.py")


@pytest.fixture(scope="module")
def replay(module_of: Callable[[Path], Any], exchanges: Any) -> Any:
    assert exchanges
    return module_of(HERE / "replay.py")


@pytest.fixture(scope="module")
def allowed(exchanges: Any) -> list[Any]:
    rows = yaml.safe_load((HERE / "allowed.yml").read_text(encoding="utf-8"))
    return [exchanges.Allowed(**row) for row in rows]


def test_every_answer_has_the_recorded_shape(
    schemas: Path,
    exchanges: Any,
    replay: Any,
    allowed: list[Any],
    fresh_emulator: Callable[..., RunningEmulator],
    client_of: Callable[[RunningEmulator], httpx.Client],
) -> None:
    # given the recorded exchanges, and an emulator
    recorded = exchanges.read(schemas / RECORDINGS)
    replayed = replay.Replay(client_of(fresh_emulator()), recorded)

    # when each is replayed
    found = [
        difference
        for number, exchange in enumerate(recorded)
        for difference in exchanges.differences(exchange, *_answer(replayed, exchange, number))
    ]

    # then its answer differs from the recorded one in allowed ways only, and every allowed way is needed
    other = Counter(str(difference) for difference in found if not any(row.covers(difference) for row in allowed))
    assert not other, "\n".join(f"{count}x {text}" for text, count in other.most_common())
    stale = [row for row in allowed if not row.planned and not any(row.covers(difference) for difference in found)]
    assert not stale, f"Nothing needs these rows of allowed.yml any more: {stale}"
    assert sum(difference.place == "status" for difference in found) <= MOST_OF_ANOTHER_STATUS


CASES = {
    "the same": ({"a": {"b": None}, "c": ["x"]}, []),
    "a missing null": ({"a": {}, "c": ["x"]}, [("a.b", "missing")]),
    "another type": ({"a": {"b": 1}, "c": ["x"]}, [("a.b", "null as int")]),
    "a field more": ({"a": {"b": None, "d": 1}, "c": ["x"]}, [("a.d", "extra")]),
    "a capital": ({"a": {"b": None}, "c": ["X"]}, [("c[]", "casing")]),
    "a shorter list": ({"a": {"b": None}, "c": []}, [("c", "length")]),
}


@pytest.mark.parametrize(("answered", "expected"), CASES.values(), ids=CASES.keys())
def test_a_difference_of_shape_is_found(exchanges: Any, answered: Any, expected: list[tuple[str, str]]) -> None:
    exchange = exchanges.Exchange("GET", "/x", 200, None, {"a": {"b": None}, "c": ["x"]})
    found = exchanges.differences(exchange, 200, answered)
    assert [(difference.place, difference.what) for difference in found] == expected


def test_what_differs_by_nature_is_no_difference(exchanges: Any) -> None:
    def answer(time: str, guid: str, workspace: str) -> dict[str, str]:
        return {"at": time, "id": f"/workspaces/{workspace}/jobs/{guid}"}

    recorded = answer("2023-03-09T00:22:12.0720532+00:00", "2c437327-f707-4c0d-8af2-eae19d1999b5", "00000")
    answered = answer("2026-11-30T11:52:04.910343+00:00", "dd10fe25-95fa-c380-9a31-f64e03c499a9", "w7")
    assert not exchanges.differences(exchanges.Exchange("GET", "/x", 200, None, recorded), 200, answered)


def _answer(replayed: Any, exchange: Any, number: int) -> tuple[int, Any]:
    reply = replayed.answer(exchange, number)[0]
    if not reply.content:
        return reply.status_code, None
    return reply.status_code, reply.json() if "json" in reply.headers.get("content-type", "") else reply.text
