import dataclasses
from itertools import product

import pytest

from mlops.serving.rollout_decision import (
    Action,
    CreateEndpoint,
    Deploy,
    Done,
    SendTraffic,
    SmokeTest,
    Wait,
    next_action,
)
from mlops.serving.rollout_view import Deployment, Plan, View

PLAN = Plan("model", "2", "sha256:new", "configuration")
MOST_ACTIONS = 10


def deployment(name: str, *, new: bool, traffic: int = 0, state: str = "Succeeded") -> Deployment:
    digest = PLAN.digest if new else "sha256:old"
    return Deployment(name, state, traffic, "2" if new else "1", digest, PLAN.configuration)


def view(*deployments: Deployment, state: str = "Succeeded") -> View:
    return View(True, state, "https://address", deployments)


NO_TESTS: frozenset[str] = frozenset()
CASES: list[tuple[str, View, frozenset[str], type[Action], str | None]] = [
    ("nothing there", View(endpoint_exists=False), NO_TESTS, CreateEndpoint, None),
    ("endpoint busy", view(state="Creating"), NO_TESTS, Wait, None),
    ("first deployment", view(), NO_TESTS, Deploy, "blue"),
    ("up, not tested", view(deployment("blue", new=True)), NO_TESTS, SmokeTest, "blue"),
    ("up and tested", view(deployment("blue", new=True)), frozenset({"blue"}), SendTraffic, "blue"),
    ("live already", view(deployment("blue", new=True, traffic=100)), NO_TESTS, Done, "blue"),
    ("old one live", view(deployment("blue", new=False, traffic=100)), NO_TESTS, Deploy, "green"),
    (
        "the other way round",
        view(deployment("green", new=False, traffic=100), deployment("blue", new=False)),
        NO_TESTS,
        Deploy,
        "blue",
    ),
    (
        "idle one failed",
        view(deployment("blue", new=False, traffic=100), deployment("green", new=True, state="Failed")),
        NO_TESTS,
        Deploy,
        "green",
    ),
    (
        "somebody deploys",
        view(deployment("blue", new=False, traffic=100), deployment("green", new=True, state="Creating")),
        NO_TESTS,
        Wait,
        "green",
    ),
    (
        "interrupted before the traffic",
        view(deployment("blue", new=False, traffic=100), deployment("green", new=True)),
        frozenset({"green"}),
        SendTraffic,
        "green",
    ),
    (
        "the live one is broken",
        view(deployment("blue", new=True, traffic=100, state="Failed")),
        NO_TESTS,
        Deploy,
        "green",
    ),
]


@pytest.mark.parametrize(
    ("seen", "tested", "action", "name"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_next_action(seen: View, tested: frozenset[str], action: type[Action], name: str | None) -> None:
    decided = next_action(seen, PLAN, tested)

    assert isinstance(decided, action)
    assert getattr(decided, "deployment", None) == name
    assert decided.reason


def test_another_configuration_of_the_same_model_is_deployed() -> None:
    live = dataclasses.replace(deployment("blue", new=True, traffic=100), configuration="other")

    assert isinstance(next_action(view(live), PLAN, NO_TESTS), Deploy)


def carried_out(action: Action, seen: View) -> View:
    """The view after an action has succeeded."""
    match action:
        case CreateEndpoint():
            return view()
        case Wait(deployment=name):
            settled = [dataclasses.replace(one, state="Succeeded") for one in seen.deployments]
            return view(*(settled if name else seen.deployments))
        case Deploy(deployment=name):
            others = [one for one in seen.deployments if one.name != name]
            return view(*others, deployment(name, new=True))
        case SendTraffic(deployment=name):
            moved = [dataclasses.replace(one, traffic=100 if one.name == name else 0) for one in seen.deployments]
            return view(*moved)
        case _:
            return seen


STATES = ("Succeeded", "Failed", "Creating")
KINDS = [None, *product((True, False), STATES)]


@pytest.mark.parametrize("blue", KINDS, ids=str)
@pytest.mark.parametrize("green", KINDS, ids=str)
@pytest.mark.parametrize("traffic", [(0, 0), (100, 0), (0, 100), (50, 50)], ids=str)
def test_every_view_leads_to_done_and_the_live_one_is_never_touched(
    blue: tuple[bool, str] | None, green: tuple[bool, str] | None, traffic: tuple[int, int]
) -> None:
    # given
    kinds = zip(("blue", "green"), (blue, green), traffic, strict=True)
    seen = view(*(deployment(n, new=k[0], state=k[1], traffic=t) for n, k, t in kinds if k))
    tested: frozenset[str] = frozenset()

    for _ in range(MOST_ACTIONS):
        # when
        action = next_action(seen, PLAN, tested)

        # then
        if isinstance(action, Done):
            live = seen.live
            assert live
            assert PLAN.is_run_by(live)
            assert live.traffic == 100
            return
        if isinstance(action, Deploy) and seen.live:
            assert action.deployment != seen.live.name
        if isinstance(action, SendTraffic):
            target = seen.deployment(action.deployment)
            assert target
            assert target.state == "Succeeded"
            assert action.deployment in tested
        if isinstance(action, SmokeTest):
            tested |= {action.deployment}
        seen = carried_out(action, seen)
    pytest.fail(f"no end after {MOST_ACTIONS} actions: {seen}")
