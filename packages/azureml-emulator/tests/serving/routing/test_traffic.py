"""The rules of a traffic split, and where it sends requests."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from azureml_emulator.kernel.errors import InvalidTraffic
from azureml_emulator.serving.routing.traffic import Split, read_split

BOTH = ("blue", "green")


@pytest.mark.parametrize(
    ("traffic", "mirror", "words"),
    [
        pytest.param({"blue": 60, "green": 30}, {}, "add up to 90", id="adds up to 90"),
        pytest.param({"blue": 100, "green": 10}, {}, "add up to 110", id="adds up to 110"),
        pytest.param({"blue": 101}, {}, "from 0 to 100", id="over 100"),
        pytest.param({"blue": 110, "green": -10}, {}, "from 0 to 100", id="negative"),
        pytest.param({"blue": 99.5, "green": 0.5}, {}, "an integer", id="not an integer"),
        pytest.param({"blue": "100"}, {}, "an integer", id="text"),
        pytest.param({"blue": True}, {}, "an integer", id="a boolean"),
        pytest.param({"red": 100}, {}, "'red'", id="unknown deployment"),
        pytest.param({"red": 0}, {}, "'red'", id="unknown deployment with 0"),
        pytest.param({"waiting": 100}, {}, "has not succeeded", id="not ready"),
        pytest.param({"blue": 100}, {"green": 51}, "at most 50", id="mirrors 51"),
        pytest.param({"blue": 50, "green": 50}, {"green": 10}, "live traffic", id="mirrors to a live one"),
        pytest.param({"blue": 100}, {"green": 10, "waiting": 10}, "has not succeeded", id="mirror that is not ready"),
        pytest.param({}, {"blue": 10, "green": 10}, "only one", id="two mirrors"),
        pytest.param({"blue": 100}, {"red": 10}, "'red'", id="mirrors to an unknown deployment"),
    ],
)
def test_refused(traffic: dict[str, int], mirror: dict[str, int], words: str) -> None:
    with pytest.raises(InvalidTraffic, match=words):
        read_split(traffic, mirror, existing=(*BOTH, "waiting"), serving=BOTH)


@pytest.mark.parametrize(
    ("traffic", "mirror", "split"),
    [
        pytest.param(None, None, Split(), id="none"),
        pytest.param({"blue": 0, "green": 0}, {}, Split(), id="all 0"),
        pytest.param({"blue": 0, "waiting": 0}, {}, Split(), id="0 to one that is not ready"),
        pytest.param({"blue": 100, "green": 0}, {"green": 50}, Split((("blue", 100),), ("green", 50)), id="mirror"),
        pytest.param({"blue": 90, "green": 10}, {}, Split((("blue", 90), ("green", 10))), id="90 to 10"),
    ],
)
def test_accepted(traffic: dict[str, int] | None, mirror: dict[str, int] | None, split: Split) -> None:
    assert read_split(traffic, mirror, existing=(*BOTH, "waiting"), serving=BOTH) == split


def test_requests_follow_the_weights() -> None:
    chance = random.Random(7).random  # noqa: S311
    split = Split((("blue", 90), ("green", 10)))
    picked = Counter(split.pick(chance) for _ in range(10_000))
    assert picked.keys() == {"blue", "green"}
    assert picked["green"] == pytest.approx(1000, abs=120)


@pytest.mark.parametrize(("point", "name"), [(0.0, "blue"), (0.8999, "blue"), (0.9, "green"), (0.9999, "green")])
def test_the_edges_of_the_weights(point: float, name: str) -> None:
    assert Split((("blue", 90), ("green", 10))).pick(lambda: point) == name


def test_without_traffic_nothing_is_picked() -> None:
    assert Split().pick(random.random) is None
    assert Split((("blue", 100),)).pick_mirror(random.random) is None


def test_mirroring_follows_its_percentage() -> None:
    chance = random.Random(7).random  # noqa: S311
    split = Split((("blue", 100),), ("green", 20))
    copied = Counter(split.pick_mirror(chance) for _ in range(10_000))
    assert copied["green"] == pytest.approx(2000, abs=160)
    assert copied[None] == 10_000 - copied["green"]
