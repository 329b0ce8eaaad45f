"""The rollout's decisions: a table of situations, and properties over every world that can be reached."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops.azure.service_health import Outcome, Verdict
from mlops.endpoint.view import (
    ROLLOUT_TAGS,
    TAG_ATTEMPT,
    TAG_FROM,
    TAG_PHASE,
    TAG_REVISION,
    TAG_SINCE,
    TAG_TO,
    Deployment,
    View,
)
from mlops.rollout.decide import (
    Action,
    Begin,
    Create,
    CreateEndpoint,
    Done,
    EnterPhase,
    Evidence,
    Finish,
    Halt,
    RollBack,
    Verify,
    Wait,
    expected_mirror,
    expected_traffic,
    next_action,
)
from mlops.rollout.lease import change_of, lease_from
from mlops.rollout.plan import CREATE, LOAD, MIRROR, SMOKE, Plan, step_phase
from mlops.rollout.run import ProgressReporter

NOW = datetime(2026, 1, 1, tzinfo=UTC)
OLD = Deployment("blue", "1", "sha256:old", "Succeeded")
NEW = Deployment("green", "2", "sha256:new", "Succeeded")
PLAN = Plan(
    "credit", "2", "sha256:new", mirror_percentage=10, load_seconds=5, soak_seconds=60, progress_deadline_seconds=600
)
ATTEMPT = "this rollout"
PASSED = Verdict(Outcome.passed, "fine")
BREACHED = Verdict(Outcome.breached, "too slow")
UNKNOWN = Verdict(Outcome.unknown, "too few")


def tags(phase: str, *, origin: str = "blue", digest: str = "sha256:new", age: float = 0) -> dict[str, str]:
    since = (NOW - timedelta(seconds=age)).isoformat()
    return {
        TAG_PHASE: phase,
        TAG_TO: "green",
        TAG_FROM: origin,
        TAG_REVISION: digest,
        TAG_SINCE: since,
        TAG_ATTEMPT: ATTEMPT,
    }


def both(phase: str, *, digest: str = "sha256:new", age: float = 0) -> View:
    """Blue is live, green is up, and the traffic is that of the phase."""
    return View(
        {"blue": OLD, "green": NEW},
        expected_traffic(phase, "green", "blue"),
        expected_mirror(PLAN, phase, "green"),
        tags(phase, digest=digest, age=age),
    )


SITUATIONS = {
    "nothing is there": (View(), Evidence(), Begin),
    "the old one is live": (View({"blue": OLD}, {"blue": 100}), Evidence(), Begin),
    "it is live already": (View({"green": NEW}, {"green": 100}), Evidence(), Done),
    "it is live but mirrored": (View({"green": NEW}, {"green": 100}, {"blue": 5}), Evidence(), RollBack),
    "split by hand": (View({"blue": OLD, "green": NEW}, {"blue": 60, "green": 40}), Evidence(), RollBack),
    "split by hand, unhealthy": (
        View({"blue": replace(OLD, state="Failed"), "green": NEW}, {"blue": 60, "green": 40}),
        Evidence(),
        Halt,
    ),
    "traffic to nobody known": (View({}, {"blue": 60, "green": 40}), Evidence(), Halt),
    "interrupted before it began": (View({"blue": OLD}, {"blue": 100}), Evidence(stop="Ctrl-C"), Done),
    "to be created": (View({"blue": OLD}, {"blue": 100}, {}, tags(CREATE)), Evidence(), Create),
    "the idle colour has an older model": (
        View({"blue": OLD, "green": replace(NEW, digest="x")}, {"blue": 100}, {}, tags(CREATE)),
        Evidence(),
        Create,
    ),
    "being created": (
        View({"blue": OLD, "green": replace(NEW, state="Creating")}, {"blue": 100}, {}, tags(CREATE)),
        Evidence(),
        Wait,
    ),
    "never becomes healthy": (
        View({"blue": OLD, "green": replace(NEW, state="Creating")}, {"blue": 100}, {}, tags(CREATE, age=601)),
        Evidence(),
        RollBack,
    ),
    "failed to start": (
        View({"blue": OLD, "green": replace(NEW, state="Failed", attempt=ATTEMPT)}, {"blue": 100}, {}, tags(CREATE)),
        Evidence(),
        RollBack,
    ),
    "failed in an earlier rollout": (
        View({"blue": OLD, "green": replace(NEW, state="Failed", attempt="earlier")}, {"blue": 100}, {}, tags(CREATE)),
        Evidence(),
        Create,
    ),
    "another operation on the idle colour": (
        View({"blue": OLD, "green": replace(NEW, digest="x", state="Deleting")}, {"blue": 100}, {}, tags(CREATE)),
        Evidence(),
        Wait,
    ),
    "what is to be replaced has traffic": (
        View({"blue": OLD, "green": replace(NEW, digest="x")}, {"blue": 50, "green": 50}, {}, tags(CREATE)),
        Evidence(),
        RollBack,
    ),
    "no endpoint": (View(exists=False), Evidence(), CreateEndpoint),
    "the endpoint is being updated": (View({"blue": OLD}, {"blue": 100}, state="Updating"), Evidence(), Wait),
    "the same model in another configuration": (
        View({"blue": replace(OLD, digest="sha256:new", configuration="x")}, {"blue": 100}),
        Evidence(),
        Begin,
    ),
    "the live one is broken": (View({"green": replace(NEW, state="Failed")}, {"green": 100}), Evidence(), Begin),
    "a load without a result": (both(LOAD, age=606), Evidence(), RollBack),
    "up": (both(CREATE), Evidence(), EnterPhase),
    "smoke not run": (both(SMOKE), Evidence(), Verify),
    "smoke passed": (both(SMOKE), Evidence(proof=PASSED), EnterPhase),
    "smoke failed": (both(SMOKE), Evidence(proof=BREACHED), RollBack),
    "smoke without an answer": (both(SMOKE), Evidence(proof=UNKNOWN), RollBack),
    "load failed": (both(LOAD), Evidence(proof=BREACHED), RollBack),
    "mirror soaking": (both(MIRROR, age=10), Evidence(service=PASSED), Wait),
    "mirror soaked": (both(MIRROR, age=61), Evidence(service=PASSED), EnterPhase),
    "breach while it soaks": (both(step_phase(10), age=1), Evidence(service=BREACHED), RollBack),
    "soaked without figures": (both(step_phase(10), age=61), Evidence(service=UNKNOWN), Wait),
    "no figures for too long": (both(step_phase(10), age=601), Evidence(service=UNKNOWN), RollBack),
    "no figures at all for too long": (both(step_phase(10), age=601), Evidence(), RollBack),
    "step soaked": (both(step_phase(50), age=61), Evidence(service=PASSED), EnterPhase),
    "last step soaked": (both(step_phase(100), age=61), Evidence(service=PASSED), Finish),
    "interrupted at half": (both(step_phase(50)), Evidence(stop="Ctrl-C"), RollBack),
    "another rollout was left": (both(step_phase(50), digest="sha256:other"), Evidence(), RollBack),
    "another was left, and its way back is gone": (
        replace(
            both(step_phase(100), digest="sha256:other"),
            deployments={"blue": replace(OLD, state="Failed"), "green": replace(NEW, digest="sha256:other")},
        ),
        Evidence(),
        RollBack,
    ),
    "another was left at half, and its way back is gone": (
        replace(
            both(step_phase(50), digest="sha256:other"),
            deployments={"blue": replace(OLD, state="Failed"), "green": replace(NEW, digest="sha256:other")},
        ),
        Evidence(),
        Halt,
    ),
    "a phase the plan does not have": (both(step_phase(33)), Evidence(), RollBack),
    "traffic changed by hand": (
        replace(both(step_phase(50), age=1), traffic={"blue": 70, "green": 30}),
        Evidence(service=PASSED),
        RollBack,
    ),
    "the new one vanished": (replace(both(step_phase(50)), deployments={"blue": OLD}), Evidence(), RollBack),
    "the old one is gone when the new one fails": (
        replace(both(step_phase(50)), deployments={"green": NEW}),
        Evidence(service=BREACHED),
        Halt,
    ),
}


@pytest.mark.parametrize(("view", "evidence", "expected"), SITUATIONS.values(), ids=SITUATIONS.keys())
def test_each_situation_has_its_action(view: View, evidence: Evidence, expected: type[Action]) -> None:
    action = next_action(view, PLAN, evidence, NOW)
    assert type(action) is expected
    assert action.reason


@pytest.mark.parametrize("gone", [{}, {"blue": replace(OLD, state="Failed")}], ids=["deleted", "failed"])
def test_what_another_release_left_whole_is_built_upon_when_its_way_back_is_gone(gone: dict[str, Deployment]) -> None:
    # given a release that was killed in its last step, and the deployment it came from gone
    other = replace(NEW, digest="sha256:other", model_version="9")
    world = World(replace(both(step_phase(100), digest=other.digest), deployments={**gone, "green": other}))

    # when the next release begins
    action = next_action(world.view, PLAN, Evidence(), NOW)
    world.apply(action, PLAN)

    # then nobody's traffic moved, and it begins beside it
    assert world.view.traffic == {"green": 100}
    assert "counts as finished" in action.reason
    assert next_action(world.view, PLAN, Evidence(), NOW) == Begin("blue is free; green is live", "blue", "green")


def test_a_first_release_skips_mirror_and_steps() -> None:
    assert PLAN.phases(champion=False) == (CREATE, SMOKE, LOAD, "traffic-100")


@pytest.mark.parametrize("steps", [(), (50,), (50, 10, 100), (0, 100), (10, 10, 100), (10, 120)])
def test_steps_that_do_not_rise_to_100_are_refused(steps: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="must increase to 100"):
        Plan("m", "1", "d", steps=steps)


@dataclass
class World:
    """An endpoint in memory, on which actions and misfortunes happen."""

    view: View
    now: datetime = NOW
    kinds: list[str] = field(default_factory=list)

    def apply(self, action: Action, plan: Plan) -> None:
        self.kinds.append(type(action).__name__)
        change = change_of(action, self.view, plan, lease_from("me", self.now), self.now)
        if change is not None:
            self.view = replace(self.view, traffic=change.traffic, mirror=change.mirror, tags=change.tags)
        match action:
            case CreateEndpoint():
                self.view = replace(self.view, exists=True)
            case Create(to=to, attempt=attempt):
                made = Deployment(to, plan.version, plan.digest, "Creating", attempt=attempt)
                self.view = replace(self.view, deployments={**self.view.deployments, to: made})
            case Wait():
                self.now += timedelta(seconds=30)

    def change_state(self, name: str, state: str) -> None:
        deployments = dict(self.view.deployments)
        if name in deployments:
            deployments[name] = replace(deployments[name], state=state)
        self.view = replace(self.view, deployments=deployments)


VERDICTS = st.sampled_from([None, PASSED, BREACHED, UNKNOWN])
WORLDS = st.sampled_from(
    [
        View(),
        View(exists=False),
        View({"blue": OLD}, {"blue": 100}),
        View({"blue": OLD, "green": replace(NEW, digest="x")}, {"blue": 100}),
        View({"blue": OLD, "green": NEW}, {"blue": 100}),
        View({"blue": OLD, "green": replace(NEW, state="Failed")}, {"blue": 100}),
    ]
)
MISFORTUNES = st.sampled_from(["none", "none", "none", "green up", "green fails", "stop", "other plan"])
ENOUGH_DECISIONS = 200


@settings(max_examples=300, deadline=None)
@given(start=WORLDS, script=st.lists(st.tuples(MISFORTUNES, VERDICTS, VERDICTS), max_size=40))
def test_whatever_happens_traffic_is_whole_and_the_rollout_ends(
    start: View, script: list[tuple[str, Verdict | None, Verdict | None]]
) -> None:
    # given a world, and a script of misfortunes and verdicts
    world = World(start)
    had_live = bool(start.traffic)
    plan = PLAN
    # when decisions are taken and carried out one after another
    for happening, proof, service in script:
        if happening == "green up":
            world.change_state("green", "Succeeded")
        if happening == "green fails":
            world.change_state("green", "Failed")
        plan = replace(PLAN, digest="sha256:newer", version="3") if happening == "other plan" else plan
        stop = "Ctrl-C" if happening == "stop" else None
        world.apply(next_action(world.view, plan, Evidence(proof, service, stop), world.now), plan)
        # then traffic is always all or nothing, and once something was live something is
        assert sum(world.view.traffic.values()) in ({100} if had_live else {0, 100})
        assert all(name in world.view.deployments for name, share in world.view.traffic.items() if share)
        assert world.view.tags.keys() <= set(ROLLOUT_TAGS)
    # and left alone with good fortune, it ends
    for _ in range(ENOUGH_DECISIONS):
        for name in world.view.deployments:
            world.change_state(name, "Succeeded")
        action = next_action(world.view, plan, Evidence(PASSED, PASSED), world.now)
        if isinstance(action, Done | Halt):
            break
        world.apply(action, plan)
    assert isinstance(action, Done)
    live = world.view.live
    assert live is not None
    assert world.view.deployments[live].digest == plan.digest
    assert world.view.traffic == {live: 100} or world.view.traffic[live] == 100


@settings(max_examples=200, deadline=None)
@given(verdicts=st.lists(VERDICTS, min_size=1, max_size=60))
def test_traffic_never_goes_to_what_is_not_healthy(verdicts: list[Verdict | None]) -> None:
    # given a rollout whose new deployment fails at once and stays so
    world = World(View({"blue": OLD}, {"blue": 100}))
    for verdict in verdicts:
        action = next_action(world.view, PLAN, Evidence(verdict, verdict), world.now)
        world.apply(action, PLAN)
        world.change_state("green", "Failed")
        # then it never gets a request
        assert not world.view.traffic.get("green")
        assert not world.view.mirror.get("green")


@pytest.mark.parametrize(
    ("verdict", "timing"), [(Verdict(Outcome.breached, "slow", is_timing=True), True), (BREACHED, False)]
)
def test_a_rollback_says_whether_a_figure_of_time_decided(verdict: Verdict, *, timing: bool) -> None:
    action = next_action(both("traffic-10"), PLAN, Evidence(service=verdict), NOW)
    assert isinstance(action, RollBack)
    assert action.is_timing is timing


def test_a_rollout_is_reported_in_plain_words(capsys: pytest.CaptureFixture[str]) -> None:
    view = both(step_phase(10))
    reporter = ProgressReporter(PLAN)

    for action in (
        Begin("green is free; blue is live", "green", "blue"),
        Create("green will run credit 2", "green", ATTEMPT, replaces=False),
        EnterPhase("deployment green is ready", SMOKE, "green", "blue"),
        Verify("smoke test of green", SMOKE, "green"),
        EnterPhase("load test passed: 40 requests", MIRROR, "green", "blue"),
        EnterPhase("SLO met with mirrored traffic: 40 requests", step_phase(10), "green", "blue"),
        Wait("10 % of traffic: soaking for another 50 s"),
        RollBack("SLO not met with 10 % of traffic: p95 latency 300 ms is over 150 ms", "blue"),
        Finish("SLO met with 100 % of traffic: 40 requests", "green"),
    ):
        reporter.tell(action, view)

    assert capsys.readouterr().err.splitlines() == [
        "rolling out credit 2 as deployment green, beside blue, which is live",
        "creating deployment green …",
        "✓ deployment green is ready",
        "running the smoke test of green",
        "✓ load test passed: 40 requests",
        "mirroring 10 % of the requests to green",
        "✓ SLO met with mirrored traffic: 40 requests",
        "shifting traffic: blue 90 %, green 10 %",
        "  10 % of traffic: soaking for another 50 s",
        "✗ SLO not met with 10 % of traffic: p95 latency 300 ms is over 150 ms",
        "rolling back: all traffic to blue; it was blue 90 %, green 10 %",
        "✓ SLO met with 100 % of traffic: 40 requests",
        "✓ credit 2 is released: green serves all traffic",
    ]
