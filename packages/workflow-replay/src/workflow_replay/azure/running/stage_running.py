"""The stages of a run and the jobs of a stage: who waits for whom, who is let in, and what they come to together.

Before a stage begins, each environment of its jobs is asked for approval once; one refusal fails the stage, since
checks are the stage's. A lock (`lockBehavior`) is held on those environments for as long as the stage runs: with
`sequential` all wait in order, with `runLatest` those that wait give way to newer ones. `dependencies` and
`stageDependencies` hold what is waited for directly, nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from threading import Lock

from workflow_replay.approvals import ApprovalRequest
from workflow_replay.azure.expressions import Contexts, ExpressionError, Folded, Value, evaluate, to_text
from workflow_replay.azure.expressions.syntax import INNER_VARIABLE
from workflow_replay.azure.pipeline.graph import ancestors, job_dependencies, job_named, stage_dependencies
from workflow_replay.azure.pipeline.model import Job, Matrix, Stage
from workflow_replay.azure.pipeline.variables import runtime_expression
from workflow_replay.azure.running.conditions import Outcome, judge_job
from workflow_replay.azure.running.instances import Instance, ending_instance, hook_instances, instances
from workflow_replay.azure.running.job_running import JobEnd, base_variables, job_id, run_job, shown_job
from workflow_replay.azure.running.results import Result, conclusion, worst
from workflow_replay.azure.running.session import Session
from workflow_replay.azure.running.waiting import in_order
from workflow_replay.queues import Superseded
from workflow_replay.record import JobRun
from workflow_replay.stopping import Cancellation


@dataclass
class _JobEnd:
    """What a job of the file came to, with all that ran for it; `outputs` have the keys that expressions use."""

    result: Result
    runs: list[JobRun] = field(default_factory=list)
    outputs: dict[str, str] = field(default_factory=dict)

    def outcome(self) -> Outcome:
        return Outcome(self.result, self.outputs)


@dataclass
class _StageEnd:
    """What a stage came to, with its jobs by name."""

    result: Result
    jobs: dict[str, _JobEnd]

    def outcome(self) -> Outcome:
        outputs = {f"{name}.{key}": value for name, job in self.jobs.items() for key, value in job.outputs.items()}
        return Outcome(self.result, outputs)

    def value(self) -> Value:
        return Folded({name: job.outcome().value() for name, job in self.jobs.items()})


def run_stages(session: Session) -> tuple[Result, tuple[JobRun, ...]]:
    """Run all stages; returns the run's result and its jobs in the file's order.

    Raises WorkflowError and UnknownStep for what cannot be replayed.
    """
    runner = _Stages(session)
    in_order(runner.waits, runner.run, session.cancellation.cancel, session.most_at_once)
    ends = [runner.ends[stage.name] for stage in session.pipeline.stages]
    runs = tuple(run for end in ends for job in end.jobs.values() for run in job.runs)
    return worst(end.result for end in ends), runs


class _Stages:
    def __init__(self, session: Session) -> None:
        self._session = session
        self._stages = {stage.name: stage for stage in session.pipeline.stages}
        self._lock = Lock()
        self.waits = stage_dependencies(session.pipeline.stages)
        self.ends: dict[str, _StageEnd] = {}

    def run(self, name: str) -> None:
        end = self._run(self._stages[name])
        with self._lock:
            self.ends[name] = end

    def _run(self, stage: Stage) -> _StageEnd:
        reason, result = self._why_not(stage)
        if reason:
            return _passed_over(self._session, stage, result, reason)
        try:
            with self._locked(stage):
                refused = self._refused(stage)
                if refused:
                    return _passed_over(self._session, stage, Result.FAILED, refused)
                return _Jobs(self._session, stage, self._known(stage)).run_all()
        except Superseded as error:
            return _passed_over(self._session, stage, Result.CANCELED, str(error))

    def _why_not(self, stage: Stage) -> tuple[str, Result]:
        before = {name: self.ends[name].result for name in ancestors(stage.name, self.waits)}
        direct = {name: self.ends[name].outcome().value() for name in self.waits[stage.name]}
        variables = base_variables(self._session, self._session.pipeline.variables)
        names = {"variables": variables.context(), "dependencies": Folded(direct), "stagedependencies": Folded({})}
        return _judged(self._session, stage.condition, before, names)

    def _known(self, stage: Stage) -> dict[str, Value]:
        return {name: self.ends[name].value() for name in self.waits[stage.name]}

    def _refused(self, stage: Stage) -> str:
        for job in stage.jobs:
            if job.environment is not None:
                self._session.listener.job_waits(job_id(stage, job.name), f"approval for {job.environment.name}")
        for name, job in {**_environments(stage), **({stage.name: stage.jobs[0]} if stage.is_manual else {})}.items():
            request = ApprovalRequest(name, job_id(stage, job.name), self._session.run_name)
            answer = self._session.surroundings.approvals(request)
            if not answer.approved:
                return f"{name} was rejected{f': {answer.comment}' if answer.comment else ''}"
        return ""

    @contextmanager
    def _locked(self, stage: Stage) -> Generator[None]:
        behavior = stage.lock_behavior or self._session.pipeline.lock_behavior
        with ExitStack() as held:
            for name in sorted(_environments(stage)) if behavior else ():
                cancellation = Cancellation(self._session.cancellation)
                latest = behavior == "runLatest"
                if self._session.surroundings.queues.is_taken(name):
                    job = _environments(stage)[name]
                    self._session.listener.job_waits(job_id(stage, job.name), f"the lock of {name}")
                held.enter_context(self._session.surroundings.queues.place(name, cancellation, cancels_waiting=latest))
            yield


class _Jobs:
    """The jobs of one stage that runs; `stages` is what the stages that it waits for left."""

    def __init__(self, session: Session, stage: Stage, stages: Mapping[str, Value]) -> None:
        self._session = session
        self._stage = stage
        self._stages = stages
        self._lock = Lock()
        self._waits = job_dependencies(stage)
        self._ends: dict[str, _JobEnd] = {}

    def run_all(self) -> _StageEnd:
        in_order(self._waits, self._run, self._session.cancellation.cancel, self._session.most_at_once)
        ends = {job.name: self._ends[job.name] for job in self._stage.jobs}
        return _StageEnd(worst(end.result for end in ends.values()), ends)

    def _run(self, name: str) -> None:
        end = self._job(job_named(self._stage, name))
        with self._lock:
            self._ends[name] = end

    def _job(self, job: Job) -> _JobEnd:
        names = self._names(job)
        before = {name: self._ends[name].result for name in ancestors(job.name, self._waits)}
        reason, result = _judged(self._session, job.condition, before, names)
        if reason:
            return _not_run(self._session, self._stage, job, result, reason)
        end = _JobEnd(Result.SUCCEEDED)
        if job.hooks is not None:
            self._deployment(job, names, end)
        else:
            self._side_by_side(job, names, end)
        if end.result is Result.FAILED and self._continues(job):
            end.result = Result.SUCCEEDED_WITH_ISSUES
            end.runs = [replace(run, conclusion=conclusion(end.result)) for run in end.runs]
        return end

    def _names(self, job: Job) -> dict[str, Value]:
        variables = base_variables(self._session, self._session.pipeline.variables, self._stage.variables)
        direct = {name: self._ends[name].outcome().value() for name in self._waits[job.name]}
        return {
            "variables": variables.context(),
            "dependencies": Folded(direct),
            "stagedependencies": Folded(self._stages),
            "resources": Folded({"repositories": Folded({"self": _self_repository(self._session)})}),
            "pipeline": Folded({"startTime": self._session.facts.started}),
        }

    def _continues(self, job: Job) -> bool:
        return base_variables(self._session, job.variables).expand(job.continue_on_error).lower() == "true"

    def _deployment(self, job: Job, names: Mapping[str, Value], end: _JobEnd) -> None:
        hooks = job.hooks
        if hooks is None:
            return
        for instance in hook_instances(job, hooks):
            self._add(end, instance, run_job(self._session, self._stage, instance, names))
            if not end.result.is_good:
                break
        ending = ending_instance(job, hooks, good=end.result.is_good)
        if ending is not None and end.result is not Result.CANCELED:
            self._add(end, ending, run_job(self._session, self._stage, ending, names))

    def _side_by_side(self, job: Job, names: Mapping[str, Value], end: _JobEnd) -> None:
        found = instances(job, self._legs(job, names))
        own = job.strategy.most_at_once if isinstance(job.strategy, Matrix) else 0
        most = min(own or len(found), self._session.most_at_once)
        done: dict[str, JobEnd] = {}

        def run(number: str) -> None:
            done[number] = run_job(self._session, self._stage, found[int(number)], names)

        numbers = {str(number): () for number in range(len(found))}
        in_order(numbers, run, self._session.cancellation.cancel, most)
        for number, instance in enumerate(found):
            self._add(end, instance, done[str(number)])

    def _legs(self, job: Job, names: Mapping[str, Value]) -> dict[str, dict[str, str]] | None:
        if not isinstance(job.strategy, Matrix) or job.strategy.expression is None:
            return None
        place = job.strategy.place
        expression = runtime_expression(job.strategy.expression)
        try:
            text = to_text(evaluate(expression or "", INNER_VARIABLE, Contexts(names)))
            legs = json.loads(text or "{}")
        except (ExpressionError, json.JSONDecodeError) as error:
            raise place.wrong(f"The matrix is no JSON that can be read: {error}") from error
        if not isinstance(legs, dict) or not all(isinstance(leg, dict) for leg in legs.values()):
            raise place.wrong("The matrix must be a JSON object of objects")
        return {name: {key: to_text(value) for key, value in leg.items()} for name, leg in legs.items()}

    def _add(self, end: _JobEnd, instance: Instance, done: JobEnd) -> None:
        prefix = f"{instance.output_key}." if instance.output_key else ""
        end.runs.append(done.run)
        end.outputs |= {f"{prefix}{key}": value for key, value in done.outputs.items()}
        end.result = worst([end.result, done.result])


def _judged(
    session: Session, condition: str | None, before: Mapping[str, Result], names: Mapping[str, Value]
) -> tuple[str, Result]:
    """Return why a stage or job does not run, empty when it does, and what it comes to then."""
    cancelled = session.cancellation.is_cancelled
    try:
        verdict = judge_job(condition, before, names, is_cancelled=cancelled)
    except ExpressionError as error:
        return f"its condition cannot be evaluated: {error.message}", Result.ABANDONED
    if cancelled and not verdict.runs:
        return "the run was cancelled", Result.CANCELED
    return verdict.reason, Result.SKIPPED


def _environments(stage: Stage) -> dict[str, Job]:
    """Return the environments of a stage's jobs, each with the first job that needs it."""
    found: dict[str, Job] = {}
    for job in stage.jobs:
        if job.environment is not None:
            found.setdefault(job.environment.name, job)
    return found


def _passed_over(session: Session, stage: Stage, result: Result, reason: str) -> _StageEnd:
    jobs = {job.name: _not_run(session, stage, job, result, reason) for job in stage.jobs}
    return _StageEnd(result, jobs)


def _not_run(session: Session, stage: Stage, job: Job, result: Result, reason: str) -> _JobEnd:
    run = JobRun(
        id=job_id(stage, job.name),
        name=shown_job(stage, job.display_name or job.name),
        conclusion=conclusion(result),
        outcome=conclusion(result),
        environment=job.environment.name if job.environment else None,
        reason=reason,
    )
    session.listener.job_ended(run)
    return _JobEnd(result, [run])


def _self_repository(session: Session) -> Value:
    facts = session.facts
    return Folded({
        "id": facts.project, "name": facts.repository.name, "ref": facts.ref, "type": "Git",
        "url": facts.collection, "version": facts.commit,
    })  # fmt: skip
