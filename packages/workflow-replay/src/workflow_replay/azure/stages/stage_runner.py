"""Runs the stages of a run and the jobs of a stage: dependencies, approvals, locks, results.

Before a stage starts, approval is requested once for each environment of its jobs; a rejection fails the stage, since
checks belong to the stage. Locks (`lockBehavior`) on these environments are held while the stage runs: with
`sequential` runs wait in order, with `runLatest` newer ones replace those that wait. `dependencies` and
`stageDependencies` have direct dependencies only.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from threading import Lock

from workflow_replay.approvals import ApprovalRequest
from workflow_replay.azure.expressions import CaseInsensitiveDict, Contexts, ExpressionError, Value, evaluate, to_text
from workflow_replay.azure.expressions.syntax import INNER_VARIABLE
from workflow_replay.azure.pipeline.graph import ancestors, job_dependencies, job_named, stage_dependencies
from workflow_replay.azure.pipeline.model import Job, Matrix, Stage
from workflow_replay.azure.pipeline.variables import runtime_expression
from workflow_replay.azure.stages.job_runner import JobResult, base_variables, job_display_name, job_id, run_job
from workflow_replay.azure.stages.scheduler import run_in_order
from workflow_replay.azure.state.conditions import DependencyResult, evaluate_job_condition
from workflow_replay.azure.state.job_instances import Instance, final_instance, hook_instances, instances
from workflow_replay.azure.state.results import Result, conclusion, worst
from workflow_replay.azure.state.session import Session
from workflow_replay.cancellation import Cancellation
from workflow_replay.concurrency import Superseded
from workflow_replay.errors import Limit, Unreplayable
from workflow_replay.result import JobRun


@dataclass
class _JobOutcome:
    """The outcome of a job of the file, with all jobs that ran for it; `outputs` have the keys that expressions use."""

    result: Result
    runs: list[JobRun] = field(default_factory=list)
    outputs: dict[str, str] = field(default_factory=dict)

    def outcome(self) -> DependencyResult:
        return DependencyResult(self.result, self.outputs)


@dataclass
class _StageOutcome:
    """The outcome of a stage and, by name, of its jobs."""

    result: Result
    jobs: dict[str, _JobOutcome]

    def outcome(self) -> DependencyResult:
        outputs = {f"{name}.{key}": value for name, job in self.jobs.items() for key, value in job.outputs.items()}
        return DependencyResult(self.result, outputs)

    def value(self) -> Value:
        return CaseInsensitiveDict({name: job.outcome().value() for name, job in self.jobs.items()})


def run_stages(session: Session) -> tuple[Result, tuple[JobRun, ...]]:
    """Run all stages; return the result of the run and its jobs in the order of the file.

    What cannot be replayed fails its step, job or stage. Raises WorkflowError for what the service would reject.
    """
    runner = _Stages(session)
    run_in_order(runner.dependencies, runner.run, session.cancellation.cancel, session.max_parallel)
    outcomes = [runner.outcomes[stage.name] for stage in session.pipeline.stages]
    runs = tuple(run for outcome in outcomes for job in outcome.jobs.values() for run in job.runs)
    return worst(outcome.result for outcome in outcomes), runs


class _Stages:
    def __init__(self, session: Session) -> None:
        self._session = session
        self._stages = {stage.name: stage for stage in session.pipeline.stages}
        self._lock = Lock()
        self.dependencies = stage_dependencies(session.pipeline.stages)
        self.outcomes: dict[str, _StageOutcome] = {}

    def run(self, name: str) -> None:
        outcome = self._run(self._stages[name])
        with self._lock:
            self.outcomes[name] = outcome

    def _run(self, stage: Stage) -> _StageOutcome:
        reason, result = self._skip_reason(stage)
        if reason:
            return _not_started(self._session, stage, result, reason)
        try:
            self._session.check_groups(stage.variables)
            with self._holding_locks(stage):
                rejection = self._rejection(stage)
                if rejection:
                    return _not_started(self._session, stage, Result.FAILED, rejection)
                return _Jobs(self._session, stage, self._known(stage)).run_all()
        except Superseded as error:
            return _not_started(self._session, stage, Result.CANCELED, str(error))
        except Unreplayable as error:
            return _not_started(self._session, stage, Result.FAILED, error.message, error.limit)

    def _skip_reason(self, stage: Stage) -> tuple[str, Result]:
        results = {name: self.outcomes[name].result for name in ancestors(stage.name, self.dependencies)}
        direct = {name: self.outcomes[name].outcome().value() for name in self.dependencies[stage.name]}
        variables = base_variables(self._session, self._session.pipeline.variables)
        names = {
            "variables": variables.context(),
            "dependencies": CaseInsensitiveDict(direct),
            "stagedependencies": CaseInsensitiveDict({}),
        }
        return _evaluate(self._session, stage.condition, results, names)

    def _known(self, stage: Stage) -> dict[str, Value]:
        return {name: self.outcomes[name].value() for name in self.dependencies[stage.name]}

    def _rejection(self, stage: Stage) -> str:
        for job in stage.jobs:
            if job.environment is not None:
                self._session.listener.job_waiting(job_id(stage, job.name), f"approval for {job.environment.name}")
        for name, job in {**_environments(stage), **({stage.name: stage.jobs[0]} if stage.is_manual else {})}.items():
            request = ApprovalRequest(name, job_id(stage, job.name), self._session.run_name)
            answer = self._session.host.approvals(request)
            if not answer.approved:
                return answer.comment or f"{name} was rejected"
        return ""

    @contextmanager
    def _holding_locks(self, stage: Stage) -> Generator[None]:
        behavior = stage.lock_behavior or self._session.pipeline.lock_behavior
        with ExitStack() as held:
            for name in sorted(_environments(stage)) if behavior else ():
                cancellation = Cancellation(self._session.cancellation)
                latest = behavior == "runLatest"
                if self._session.host.concurrency.is_held(name):
                    job = _environments(stage)[name]
                    self._session.listener.job_waiting(job_id(stage, job.name), f"the lock of {name}")
                groups = self._session.host.concurrency
                held.enter_context(groups.hold(name, cancellation, cancel_waiting=latest))
            yield


class _Jobs:
    """The jobs of a stage; `stages` has the outcomes of the stages that it depends on."""

    def __init__(self, session: Session, stage: Stage, stages: Mapping[str, Value]) -> None:
        self._session = session
        self._stage = stage
        self._stages = stages
        self._lock = Lock()
        self._dependencies = job_dependencies(stage)
        self._outcomes: dict[str, _JobOutcome] = {}

    def run_all(self) -> _StageOutcome:
        run_in_order(self._dependencies, self._run, self._session.cancellation.cancel, self._session.max_parallel)
        outcomes = {job.name: self._outcomes[job.name] for job in self._stage.jobs}
        return _StageOutcome(worst(outcome.result for outcome in outcomes.values()), outcomes)

    def _run(self, name: str) -> None:
        outcome = self._job(job_named(self._stage, name))
        with self._lock:
            self._outcomes[name] = outcome

    def _job(self, job: Job) -> _JobOutcome:
        names = self._names(job)
        results = {name: self._outcomes[name].result for name in ancestors(job.name, self._dependencies)}
        reason, result = _evaluate(self._session, job.condition, results, names)
        if reason:
            return _not_run(self._session, self._stage, job, result, reason)
        try:
            if job.limit is not None:
                raise Unreplayable(job.limit)
            self._session.check_groups(job.variables)
        except Unreplayable as error:
            return _not_run(self._session, self._stage, job, Result.FAILED, error.message, error.limit)
        outcome = _JobOutcome(Result.SUCCEEDED)
        if job.hooks is not None:
            self._run_deployment(job, names, outcome)
        else:
            self._run_parallel(job, names, outcome)
        if outcome.result is Result.FAILED and self._continues(job):
            outcome.result = Result.SUCCEEDED_WITH_ISSUES
            outcome.runs = [replace(run, conclusion=conclusion(outcome.result)) for run in outcome.runs]
        return outcome

    def _names(self, job: Job) -> dict[str, Value]:
        variables = base_variables(self._session, self._session.pipeline.variables, self._stage.variables)
        direct = {name: self._outcomes[name].outcome().value() for name in self._dependencies[job.name]}
        return {
            "variables": variables.context(),
            "dependencies": CaseInsensitiveDict(direct),
            "stagedependencies": CaseInsensitiveDict(self._stages),
            "resources": CaseInsensitiveDict(
                {"repositories": CaseInsensitiveDict({"self": _self_repository(self._session)})}
            ),
            "pipeline": CaseInsensitiveDict({"startTime": self._session.facts.started}),
        }

    def _continues(self, job: Job) -> bool:
        return base_variables(self._session, job.variables).expand(job.continue_on_error).lower() == "true"

    def _run_deployment(self, job: Job, names: Mapping[str, Value], outcome: _JobOutcome) -> None:
        hooks = job.hooks
        if hooks is None:
            return
        for instance in hook_instances(job, hooks):
            self._add(outcome, instance, run_job(self._session, self._stage, instance, names))
            if not outcome.result.is_success:
                break
        final = final_instance(job, hooks, succeeded=outcome.result.is_success)
        if final is not None and outcome.result is not Result.CANCELED:
            self._add(outcome, final, run_job(self._session, self._stage, final, names))

    def _run_parallel(self, job: Job, names: Mapping[str, Value], outcome: _JobOutcome) -> None:
        found = instances(job, self._legs(job, names))
        own = job.strategy.max_parallel if isinstance(job.strategy, Matrix) else 0
        max_parallel = min(own or len(found), self._session.max_parallel)
        done: dict[str, JobResult] = {}

        def run(number: str) -> None:
            done[number] = run_job(self._session, self._stage, found[int(number)], names)

        numbers = {str(number): () for number in range(len(found))}
        run_in_order(numbers, run, self._session.cancellation.cancel, max_parallel)
        for number, instance in enumerate(found):
            self._add(outcome, instance, done[str(number)])

    def _legs(self, job: Job, names: Mapping[str, Value]) -> dict[str, dict[str, str]] | None:
        if not isinstance(job.strategy, Matrix) or job.strategy.expression is None:
            return None
        location = job.strategy.location
        expression = runtime_expression(job.strategy.expression)
        try:
            text = to_text(evaluate(expression or "", INNER_VARIABLE, Contexts(names)))
            legs = json.loads(text or "{}")
        except (ExpressionError, json.JSONDecodeError) as error:
            raise location.error(f"The matrix is not valid JSON: {error}") from error
        if not isinstance(legs, dict) or not all(isinstance(leg, dict) for leg in legs.values()):
            raise location.error("The matrix must be a JSON object of objects")
        return {name: {key: to_text(value) for key, value in leg.items()} for name, leg in legs.items()}

    def _add(self, outcome: _JobOutcome, instance: Instance, done: JobResult) -> None:
        prefix = f"{instance.output_key}." if instance.output_key else ""
        outcome.runs.append(done.run)
        outcome.outputs |= {f"{prefix}{key}": value for key, value in done.outputs.items()}
        outcome.result = worst([outcome.result, done.result])


def _evaluate(
    session: Session, condition: str | None, results: Mapping[str, Result], names: Mapping[str, Value]
) -> tuple[str, Result]:
    """Return why a stage or job does not run (empty if it does), and its result in that case."""
    cancelled = session.cancellation.is_cancelled
    try:
        outcome = evaluate_job_condition(condition, results, names, is_cancelled=cancelled)
    except ExpressionError as error:
        return f"the condition cannot be evaluated: {error.message}", Result.ABANDONED
    if cancelled and not outcome.runs:
        return "the run was cancelled", Result.CANCELED
    return outcome.reason, Result.SKIPPED


def _environments(stage: Stage) -> dict[str, Job]:
    """Return the environments of a stage's jobs, each with the first job that uses it."""
    found: dict[str, Job] = {}
    for job in stage.jobs:
        if job.environment is not None:
            found.setdefault(job.environment.name, job)
    return found


def _not_started(
    session: Session, stage: Stage, result: Result, reason: str, limit: Limit | None = None
) -> _StageOutcome:
    jobs = {job.name: _not_run(session, stage, job, result, reason, limit) for job in stage.jobs}
    return _StageOutcome(result, jobs)


def _not_run(
    session: Session, stage: Stage, job: Job, result: Result, reason: str, limit: Limit | None = None
) -> _JobOutcome:
    run = JobRun(
        id=job_id(stage, job.name),
        name=job_display_name(stage, job.display_name or job.name),
        conclusion=conclusion(result),
        outcome=conclusion(result),
        environment=job.environment.name if job.environment else None,
        reason=reason,
        limit=limit,
    )
    session.listener.job_finished(run)
    return _JobOutcome(result, [run])


def _self_repository(session: Session) -> Value:
    facts = session.facts
    return CaseInsensitiveDict({
        "id": facts.project, "name": facts.repository.name, "ref": facts.ref, "type": "Git",
        "url": facts.collection, "version": facts.commit,
    })  # fmt: skip
