"""Random sequences of deploy, fault, kill, resume, revert and rollback on an endpoint in memory, and what always holds.

The decisions and the changes are the real ones; only the endpoint is not. Real ones: tests/e2e/rollout.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from mlops.azure.service_health import Outcome, Verdict
from mlops.endpoint.view import FULL, Deployment, View
from mlops.rollout.decide import Action, Create, CreateEndpoint, Done, Evidence, Halt, RollBack, Wait, next_action
from mlops.rollout.lease import Lease, change_of, held_by_another, lease_from, renewed
from mlops.rollout.plan import Plan

VERDICTS = {outcome: Verdict(outcome, outcome.value) for outcome in Outcome}
ENOUGH_ROUNDS = 200
# No process of this machine has such a number: what it left behind can be taken over at once.
OWNER = "someone@elsewhere:1:{}"
VERSIONS = ("1", "2", "3")


def plan_of(version: str) -> Plan:
    return Plan("m", version, f"sha256:{version}", mirror_percentage=10, load_seconds=1, soak_seconds=20)


class Stage(RuleBasedStateMachine):
    """One endpoint; rollouts come and go, die and come back."""

    @initialize()
    def begin(self) -> None:
        self.view = View(exists=False)
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        self.wanted = "1"
        self.runs = 0
        self.was_live = False
        self.good: set[str] = set()
        self.last: Action | None = None

    @rule(version=st.sampled_from(VERSIONS))
    def release_or_revert(self, version: str) -> None:
        """Git says another version from now on."""
        self.wanted = version

    @rule(
        rounds=st.integers(1, 40),
        proof=st.sampled_from([Outcome.passed, Outcome.passed, Outcome.passed, Outcome.breached]),
        service=st.sampled_from([Outcome.passed, Outcome.passed, Outcome.breached, Outcome.unknown]),
        stop=st.booleans(),
    )
    def run_for_a_while(self, rounds: int, proof: Outcome, service: Outcome, *, stop: bool) -> None:
        """A rollout runs, and is killed after some rounds where it has not ended."""
        self.runs += 1
        for index in range(rounds):
            wish = "Ctrl-C" if stop and index == rounds - 1 else None
            if self.round(Evidence(VERDICTS[proof], VERDICTS[service], wish)):
                break

    @rule(colour=st.sampled_from(["blue", "green"]))
    def server_dies(self, colour: str) -> None:
        """A deployment without traffic fails, for instance while it is made."""
        if colour in self.view.deployments and not self.view.traffic.get(colour):
            self.set_state(colour, "Failed")

    @precondition(lambda self: self.view.before is not None and self.view.deployments[self.view.before].ready)
    @rule()
    def roll_back(self) -> None:
        """`mlops rollback`, which goes only to what was live before."""
        back = self.view.before
        assert back is not None
        assert self.view.deployments[back].model_version in self.good
        change = change_of(RollBack("by hand", back), self.view, plan_of(self.wanted), self.lease(), self.now)
        assert change is not None
        self.view = replace(self.view, traffic=change.traffic, mirror=change.mirror, tags=change.tags)

    @rule()
    def deploy_to_the_end(self) -> None:
        """Left alone with good fortune, the stage comes to what git says, whole.

        Where the rollout before was killed and its deployment failed meanwhile, the next one says so and ends;
        the one after it makes the deployment anew.
        """
        self.run_with_good_fortune()
        if self.view.live is None or self.view.deployments[self.view.live].model_version != self.wanted:
            self.run_with_good_fortune()
        progress = self.view.in_progress
        if isinstance(self.last, Halt):
            # Right only where the way back is gone and the new one is not whole; then a person must look.
            assert progress is not None
            assert progress.origin is not None
            assert not self.view.deployments[progress.origin].ready
            assert not self.view.deployments[progress.to].ready or self.view.traffic.get(progress.to) != FULL
            return
        live = self.view.live
        assert live is not None
        assert self.view.deployments[live].model_version == self.wanted
        assert self.view.traffic[live] == FULL
        assert self.view.in_progress is None

    def run_with_good_fortune(self) -> None:
        """One rollout to its end: what is being made comes up, what serves is well, every proof passes."""
        self.runs += 1
        for _ in range(ENOUGH_ROUNDS):
            for name, deployment in self.view.deployments.items():
                if deployment.busy or self.view.traffic.get(name):
                    self.set_state(name, "Succeeded")
            if self.round(Evidence(VERDICTS[Outcome.passed], VERDICTS[Outcome.passed])):
                break

    @invariant()
    def traffic_is_whole_and_goes_to_what_exists(self) -> None:
        shares = {name: share for name, share in self.view.traffic.items() if share}
        assert sum(shares.values()) in ({FULL} if self.was_live else {0, FULL})
        assert shares.keys() <= self.view.deployments.keys()

    @invariant()
    def nobody_is_served_by_what_was_never_proved(self) -> None:
        progress = self.view.in_progress
        for name, share in self.view.traffic.items():
            if share and (progress is None or name != progress.to):
                assert self.view.deployments[name].model_version in self.good

    def round(self, evidence: Evidence) -> bool:
        """One round of a rollout; whether it has ended."""
        self.now += timedelta(seconds=7)
        owner = OWNER.format(self.runs)
        if self.view.in_progress is not None and held_by_another(self.view.tags, owner, self.now):
            # What a killed one left is waited out.
            self.now += timedelta(seconds=400)
            self.view = replace(self.view, tags=renewed(self.view, self.lease()).tags)
        plan = plan_of(self.wanted)
        action = self.last = next_action(self.view, plan, evidence, self.now)
        before = self.view
        change = change_of(action, self.view, plan, self.lease(), self.now)
        if change is not None:
            self.view = replace(self.view, traffic=change.traffic, mirror=change.mirror, tags=change.tags)
        match action:
            case CreateEndpoint():
                self.view = View()
            case Create(to=to, attempt=attempt):
                assert not before.traffic.get(to)
                made = Deployment(to, plan.version, plan.digest, "Creating", attempt=attempt)
                self.view = replace(self.view, deployments={**self.view.deployments, to: made})
            case Wait():
                for name, deployment in self.view.deployments.items():
                    if deployment.busy:
                        self.set_state(name, "Succeeded")
        self.learn(action)
        return isinstance(action, Done | Halt) or (isinstance(action, RollBack) and not action.cleared)

    def learn(self, action: object) -> None:
        live = self.view.live
        if (
            live is not None
            and self.view.in_progress is None
            and not (isinstance(action, RollBack) and not action.cleared)
        ):
            self.good.add(self.view.deployments[live].model_version)
        settled = self.view.in_progress is None or self.view.in_progress.origin is not None
        self.was_live = self.was_live or (live is not None and settled)

    def set_state(self, name: str, state: str) -> None:
        changed = {**self.view.deployments, name: replace(self.view.deployments[name], state=state)}
        self.view = replace(self.view, deployments=changed)

    def lease(self) -> Lease:
        return lease_from(OWNER.format(self.runs), self.now)


Stage.TestCase.settings = settings(max_examples=150, stateful_step_count=25, deadline=None)
TestSequences = Stage.TestCase
