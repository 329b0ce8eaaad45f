"""Gathers a rollout's evidence: golden requests, a load test, and the service level while traffic shifts.

The service level has two sources: synthetic callers, which measure the new deployment at once and exactly,
and Azure Monitor, which sees every caller, but late. Either can report a breach. Kubernetes has only the first.
"""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Final

from azure.core.exceptions import AzureError

from mlops.azure.errors import explain
from mlops.azure.service_health import Outcome, Verdict, combined, judge, unless_late
from mlops.azure.service_metrics import Monitor, Window
from mlops.cli.progress import say
from mlops.core.errors import EndpointUnreachable, RolloutFailed
from mlops.core.waiting import pause_after
from mlops.endpoint.client import Address, address_of
from mlops.endpoint.scoring import read_golden_cases, smoke_test
from mlops.endpoint.view import Progress, View
from mlops.rollout.decide import Evidence, Verify
from mlops.rollout.load import GoldenLoad
from mlops.rollout.plan import CREATE, LOAD, SMOKE, Target

# A load test that could not run proves nothing about the deployment.
LEAST_SHARE_OF_LOAD: Final = 0.8
# The shortest interval between queries to Azure Monitor, which updates no faster.
LONGEST_METRICS_PAUSE_SECONDS: Final = 15.0
Phase = tuple[str, str]
_AT_ONCE: Final = datetime.min.replace(tzinfo=UTC)


class EvidenceCollector:
    """The evidence of one run of a rollout. `close` it at the end."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._phase: Phase | None = None
        self._proof: Verdict | None = None
        self._load: GoldenLoad | None = None
        self._window: Window | None = None
        self._metrics: Verdict | None = None
        self._ask_metrics_at = _AT_ONCE
        self._entered = 0.0
        self._silent = False

    def close(self) -> None:
        """Stop the synthetic callers."""
        if self._load is not None:
            self._load.stop()
            self._load = None

    def prove(self, action: Verify, view: View) -> None:
        """Advance the test of a phase: all of smoke, or a part of a load test that runs in the background."""
        if action.phase == SMOKE:
            self._proof = self._smoke(self._address(view), action.to)
        elif self._load is None:
            self._start_load(view, action.to)

    def evidence(self, view: View, stop: str | None, now: datetime) -> Evidence:
        """The evidence as of `now`. Synthetic callers start and stop with a phase."""
        progress = view.in_progress
        self._enter(progress)
        if progress is None or stop is not None or progress.phase == CREATE:
            return Evidence(stop=stop)
        if progress.phase == LOAD and self._load is not None:
            self._proof = self._judge_load(self._load)
        if progress.phase in {SMOKE, LOAD}:
            return Evidence(proof=self._proof, pending="" if self._load is None else self._callers().reason)
        return Evidence(service=self._service(view, progress, now))

    @property
    def is_measured_elsewhere(self) -> bool:
        """Whether the service itself saw a breach, which no load of this machine explains."""
        return self._metrics is not None and self._metrics.outcome is Outcome.breached

    def breaks(self) -> bool:
        """Whether the synthetic callers see a breach now: a reason not to wait any longer."""
        return self._load is not None and self._callers().outcome is Outcome.breached

    def _enter(self, progress: Progress | None) -> None:
        phase = (progress.attempt, progress.phase) if progress else None
        if phase == self._phase:
            return
        self.close()
        self._phase, self._proof, self._window, self._metrics = phase, None, None, None
        self._entered, self._ask_metrics_at = time.monotonic(), _AT_ONCE

    def _address(self, view: View) -> Address:
        return address_of(self._target.client, self._target.stage.online_endpoint, view.scoring_uri)

    def _smoke(self, address: Address, deployment: str) -> Verdict | None:
        try:
            cases = smoke_test(address, deployment, self._target.package)
        except EndpointUnreachable as error:
            say(f"smoke test: {error.message}; trying again")
            return None
        except RolloutFailed as error:
            return Verdict(Outcome.breached, "; ".join((error.message, *error.details)))
        return Verdict(Outcome.passed, f"{cases} golden cases answered correctly")

    def _start_load(self, view: View, deployment: str) -> None:
        golden = read_golden_cases(self._target.package)
        bodies = [json.dumps(case.request).encode() for case in golden.cases]
        rate, sample = self._target.requests_per_second, self._target.objective.minimum_requests
        self._load = GoldenLoad(self._address(view), deployment, bodies, rate, sample)
        self._load.start()

    def _judge_load(self, load: GoldenLoad) -> Verdict | None:
        verdict = self._callers()
        if verdict.outcome is Outcome.breached:
            return verdict
        if load.seconds < self._target.plan.load_seconds or verdict.outcome is Outcome.unknown:
            return None
        wanted = self._target.requests_per_second
        if load.per_second < LEAST_SHARE_OF_LOAD * wanted:
            few = f"only {load.per_second:.0f} of {wanted:.0f} requests per second got through"
            return Verdict(Outcome.unknown, few, is_timing=True)
        return verdict

    def _callers(self) -> Verdict:
        load = self._load
        if load is None:
            return Verdict(Outcome.unknown, "no synthetic callers")
        verdict = judge(load.observation(), self._target.objective)
        notes = [verdict.reason]
        notes += [f"last: {load.last_failure}"] if load.last_failure else []
        notes += [f"{load.unreached} did not reach it: {load.last_miss}"] if load.unreached else []
        reason = f"synthetic callers: {', '.join(notes)}"
        named = Verdict(verdict.outcome, reason, verdict.is_timing)
        judged = unless_late(named, load.late_milliseconds, self._target.objective)
        if judged is not named:
            load.begin_again()
        return judged

    def _service(self, view: View, progress: Progress, now: datetime) -> Verdict:
        if self._target.plan.load_seconds and self._load is None:
            self._start_load(view, progress.to)
        if self._target.monitor is not None and now >= self._ask_metrics_at:
            self._metrics = self._ask_metrics(self._target.monitor(view.identifier), progress)
            self._ask_metrics_at = self._next_query(progress, now)
        return combined([self._callers(), *([self._metrics] if self._metrics else [])])

    def _next_query(self, progress: Progress, now: datetime) -> datetime:
        """When to query Azure Monitor again: at the latest when the phase may end, so that its metrics count."""
        pause = min(LONGEST_METRICS_PAUSE_SECONDS, 2 * pause_after(time.monotonic() - self._entered))
        end = progress.since + timedelta(seconds=self._target.plan.soak_seconds)
        usual = now + timedelta(seconds=pause)
        return min(usual, end) if now < end else usual

    def _ask_metrics(self, monitor: Monitor, progress: Progress) -> Verdict | None:
        try:
            if self._window is None:
                self._window = monitor.open(progress.to, progress.since)
            verdict = judge(self._window.observation(self._target.objective.minimum_requests), self._target.objective)
        except AzureError as error:
            explained = explain(error)
            self._say_once(f"no metrics: {explained.message if explained else error}")
            return Verdict(Outcome.unknown, "no metrics available")
        return Verdict(verdict.outcome, f"metrics: {verdict.reason}", verdict.is_timing)

    def _say_once(self, text: str) -> None:
        if not self._silent:
            say(text)
        self._silent = True
