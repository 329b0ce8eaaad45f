"""`mlops tune`: sweep over the train step's parameters, and compare the best trial with the parameters of train.yml.

pipelines/tune.yml is the pipeline; what must not differ from training is set here. The change of train.yml is shown,
and proposed on a branch when asked for, never made silently.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

from azure.ai.ml import MLClient, load_job
from azure.ai.ml.constants import AssetTypes
from azure.ai.ml.entities import PipelineJob
from azure.core.exceptions import ResourceNotFoundError

from mlops.azure.sdk_output import suppress_output
from mlops.cli.progress import RUNNING, Step, say, step_board
from mlops.core.documents import merged, parse_yaml, read_yaml
from mlops.core.edits import Edit, diff
from mlops.core.errors import InputError, Interrupted, JobFailed, ProjectError
from mlops.core.git import REMOTE, Repository
from mlops.core.layout import PIPELINE_FILE, REPORT_FOLDER, TUNING_PIPELINE_FILE, private_folder
from mlops.core.results import Block, Line, Raw, Result, Table
from mlops.githost.hosts import pull_requests_of
from mlops.githost.interface import PullRequest
from mlops.models.facts import Subject, facts_of
from mlops.promotion.branch import find_base, publish
from mlops.settings.policies import read_search_space
from mlops.settings.project import Project, read_project_schema
from mlops.settings.stages import StageName
from mlops.training.following import COMPLETED, FAILED, TERMINAL, StepRun, follow, job_failure
from mlops.training.submission import Order, training_order
from mlops.tuning.report import Comparison, Trial, write_report
from model_package.tasks import task_of

_SWEEP: Final = "sweep"
_PURPOSE: Final = "purpose"
_TUNE: Final = "tune"
_COMMIT, _DATA = "git_commit", "data"
_BRANCHES: Final = "tune"
_PARENT_INPUT: Final = re.compile(r"\$\{\{\s*parent\.inputs\.([\w-]+)\s*\}\}")
# The tag of a sweep with the parameters of one trial, as the service writes it.
_TRIAL_TAG: Final = "_aml_system_{}"
_SHOWN_TRIALS: Final = 5
_SAME: Final = 1e-12


@dataclass(frozen=True)
class Tuning:
    """A submitted tuning: its job, its steps, and what it compares."""

    name: str
    steps: tuple[str, ...]
    baseline: str
    sweep: str
    metric: str
    maximize: bool
    studio_url: str | None
    subject: Subject


@dataclass(frozen=True)
class Proposed:
    """The branch that changes train.yml, and its pull request if there is one."""

    branch: str
    commit: str
    is_pushed: bool
    pull_request: PullRequest


@dataclass(frozen=True)
class TuneResult(Result):
    """The result of a tuning; `edit` is the change of train.yml, None where its parameters are as good."""

    job: str
    found: Comparison
    edit: Edit | None
    proposed: Proposed | None
    report: Path
    studio_url: str | None

    @property
    def outputs(self) -> dict[str, str]:
        """The job, and the pull request if one was opened."""
        opened = self.proposed.pull_request.url if self.proposed else None
        return {"job": self.job, "pull_request": opened or ""}

    def document(self) -> dict[str, Any]:
        """Everything."""
        best = self.found.best
        return {
            "job": self.job,
            "metric": self.found.metric,
            "current": self.found.current,
            "best": asdict(best) if best else None,
            "gain": self.found.gain,
            "trials": [asdict(trial) for trial in self.found.trials],
            "change": diff(self.edit) if self.edit else None,
            "branch": self.proposed.branch if self.proposed else None,
            "pull_request": self.proposed.pull_request.url if self.proposed else None,
            "report": str(self.report),
        }

    def blocks(self) -> Sequence[Block]:
        """The best trials, how they compare, and the change."""
        found, names = self.found, list(self.found.trials[0].parameters)
        rows = [
            (str(trial.number), f"{trial.score:.4f}", *(_written(trial.parameters[name]) for name in names))
            for trial in found.ranked()[:_SHOWN_TRIALS]
        ]
        title = f"the best of {len(found.trials)} trials"
        blocks: list[Block] = [Table(title, ("trial", found.metric, *names), tuple(rows))]
        failed = sum(trial.state == FAILED for trial in found.trials)
        if failed:
            blocks.append(Line(f"{failed} of {len(found.trials)} trials failed; their logs say why: job below", "bad"))
        current = "-" if found.current is None else f"{found.current:.4f}"
        blocks.append(Line(f"parameters of {PIPELINE_FILE.as_posix()}: {current}"))
        blocks.append(Line(f"report  {self.report}"))
        if self.studio_url:
            blocks.append(Line(f"job     {self.studio_url}"))
        if self.edit is None:
            return [*blocks, Line("no trial is better than the parameters of train.yml: nothing to change", "good")]
        if self.proposed is None:
            hint = f"Next: `mlops tune --job {self.job} --propose` puts this change on a branch, for review."
            return [*blocks, Raw(diff(self.edit)), Line(hint, "hint")]
        pull_request = self.proposed.pull_request
        where = f", pushed to {REMOTE}" if self.proposed.is_pushed else ""
        rows = [("branch", f"{self.proposed.branch}{where}"), ("commit", self.proposed.commit)]
        rows += [("pull request", pull_request.url)] if pull_request.url else []
        return [*blocks, Table("the change is proposed", (), tuple(rows)), Line(pull_request.advice, "hint")]


def tune(
    client: MLClient,
    project: Project,
    stage_name: StageName,
    data: Path | str | None,
    trials: int | None = None,
    *,
    fresh: bool = False,
    propose: bool = False,
) -> TuneResult:
    """Submit pipelines/tune.yml in a stage's workspace, wait, and compare. `trials` replaces the file's number.

    Interrupted, the job goes on. Raises JobFailed when it fails.
    """
    order, _ = training_order(client, project, data, fresh=fresh)
    job = tuning_job(project, project.settings.stage(stage_name).compute, order, trials)
    with suppress_output():
        client.jobs.create_or_update(job)
    return finish_tuning(client, project, order.job_name, propose=propose)


def finish_tuning(client: MLClient, project: Project, job_name: str, *, propose: bool = False) -> TuneResult:
    """Wait for a submitted tuning and compare its trials; safe to repeat. Raises InputError for another job."""
    tuning = _find(client, project, job_name)
    say(f"job {job_name}")
    try:
        with step_board() as board:
            finished = follow(client, tuning, board, _trials_so_far(client, tuning))
    except KeyboardInterrupt:
        advice = f"`mlops tune --job {job_name}` continues to wait."
        raise Interrupted(f"job {job_name} is still running in the workspace", advice) from None
    if finished.status != COMPLETED:
        raise job_failure(client, project, finished, None)
    names = {run.step.name: run.job for run in finished.runs}
    found = _comparison(client, tuning, names)
    folder = private_folder(project.path(REPORT_FOLDER))
    facts = facts_of(project, tuning.subject, "compared", job_url=tuning.studio_url)
    report = write_report(folder / f"tune-{job_name}.html", found, facts).resolve()
    edit = _edit(project, found)
    proposed = _propose(project, found, edit, job_name) if edit and propose else None
    return TuneResult(job_name, found, edit, proposed, report, finished.studio_url)


def tuning_job(project: Project, compute: str, order: Order, trials: int | None) -> PipelineJob:
    """pipelines/tune.yml with the inputs of train.yml, the search space, and the objective of the task."""
    training = read_yaml(project.required_file(PIPELINE_FILE)).value
    document = read_yaml(project.required_file(TUNING_PIPELINE_FILE)).value
    sweep, baseline = _steps(document)
    space = read_search_space(project.root)
    bound = {name: training["jobs"][name].get("inputs") or {} for name in document["jobs"] if name in training["jobs"]}
    bound[sweep] = {name: value for name, value in bound[baseline].items() if name not in space}
    used = {
        found for inputs in bound.values() for value in inputs.values() for found in _PARENT_INPUT.findall(f"{value}")
    }
    metric, goal = objective(project)
    overrides: list[dict[str, Any]] = [
        *({f"inputs.{name}": merged(document["inputs"].get(name), training["inputs"][name])} for name in sorted(used)),
        *({f"jobs.{step}.inputs": inputs} for step, inputs in bound.items()),
        {f"jobs.{sweep}.search_space": space},
        {f"jobs.{sweep}.objective": {"primary_metric": metric, "goal": goal}},
        *([{f"jobs.{sweep}.limits.max_total_trials": trials}] if trials else ()),
        {"name": order.job_name},
        {"experiment_name": project.settings.name},
        {"settings.default_compute": f"azureml:{compute}"},
        # What else the files say of the data stays, such as a mode.
        {"inputs.data.type": AssetTypes.URI_FILE},
        {"inputs.data.path": order.data.reference},
        {f"tags.{_COMMIT}": order.git_commit},
        {f"tags.{_DATA}": f"{order.data.name} {order.data.version}"},
        *([{"settings.force_rerun": True}] if order.fresh else ()),
    ]
    job = load_job(project.path(TUNING_PIPELINE_FILE), params_override=overrides)
    if not isinstance(job, PipelineJob):
        raise ProjectError(f"{TUNING_PIPELINE_FILE} is not a pipeline job", "It needs `type: pipeline`.")
    return job


def objective(project: Project) -> tuple[str, str]:
    """The metric that trials are compared by, as the train step reports it, and whether to maximize it."""
    task = task_of(read_project_schema(project.root))
    better = task.metric(task.main_metric).better
    return f"held_out_{task.main_metric}", "minimize" if better == "lower" else "maximize"


def _steps(document: Any) -> tuple[str, str]:
    """The names of the sweep, and of the step that runs its component with the current parameters."""
    jobs: dict[str, Any] = document.get("jobs") or {}
    for name, step in jobs.items():
        same = [other for other in jobs if jobs[other].get("component") == step.get("trial")]
        if step.get("type") == _SWEEP and same:
            return name, same[0]
    raise ProjectError(
        f"{TUNING_PIPELINE_FILE} has no sweep beside a step of the same component",
        "It needs a step of `type: sweep`, and one whose `component` is the sweep's `trial`.",
    )


def _find(client: MLClient, project: Project, job_name: str) -> Tuning:
    try:
        job = client.jobs.get(job_name)
    except ResourceNotFoundError as error:
        raise InputError(f"there is no job '{job_name}' in the workspace", "`mlops tune` starts one.") from error
    if not isinstance(job, PipelineJob) or (job.tags or {}).get(_PURPOSE) != _TUNE:
        raise InputError(f"job {job_name} was not submitted by `mlops tune`", "Give the name of one that was.")
    sweep, baseline = _steps(read_yaml(project.required_file(TUNING_PIPELINE_FILE)).value)
    metric, goal = objective(project)
    tags = job.tags or {}
    subject = Subject(project.settings.model, "", "", job_name, tags.get(_COMMIT, ""), tags.get(_DATA, ""))
    return Tuning(job_name, tuple(job.jobs), baseline, sweep, metric, goal == "maximize", job.studio_url, subject)


def _trials_so_far(client: MLClient, tuning: Tuning) -> Callable[[Sequence[StepRun]], Sequence[Step]]:
    def trials(runs: Sequence[StepRun]) -> Sequence[Step]:
        sweep = next((run for run in runs if run.step.name == tuning.sweep), None)
        if sweep is None or sweep.step.status != RUNNING:
            return ()
        states = [child.status for child in client.jobs.list(parent_job_name=sweep.job) if child is not None]
        ended = sum(1 for state in states if state in TERMINAL)
        return (Step("  trials", f"{ended} ended, {len(states) - ended} running"),)

    return trials


def _comparison(client: MLClient, tuning: Tuning, jobs: Mapping[str, str]) -> Comparison:
    """Read what was reported. Raises JobFailed for a sweep without trials."""
    from mlflow.tracking import MlflowClient

    sweep = jobs[tuning.sweep]
    address = client.workspaces.get(client.workspace_name).mlflow_tracking_uri
    runs = MlflowClient(tracking_uri=address)
    tags = client.jobs.get(sweep).tags or {}
    trials = []
    for child in client.jobs.list(parent_job_name=sweep):
        parameters = tags.get(_TRIAL_TAG.format(child.name))
        if parameters is not None:
            reported = [each.value for each in runs.get_metric_history(child.name, tuning.metric)]
            numbers = [value for value in reported if math.isfinite(value)]
            score = (max if tuning.maximize else min)(numbers, default=None)
            number = int(str(child.name).rpartition("_")[2])
            trials.append(Trial(number, str(child.name), str(child.status), json.loads(parameters), score))
    if not trials:
        raise JobFailed(f"the sweep {sweep} of job {tuning.name} has no trials", "Run the command again.")
    current = runs.get_run(jobs[tuning.baseline]).data.metrics.get(tuning.metric)
    ordered = tuple(sorted(trials, key=lambda trial: trial.number))
    return Comparison(tuning.metric, tuning.maximize, current, ordered)


def _edit(project: Project, found: Comparison) -> Edit | None:
    """The change of train.yml to the best trial's parameters; None where it is not better."""
    if found.best is None or (found.gain is not None and found.gain <= 0):
        return None
    before = project.required_file(PIPELINE_FILE).read_text(encoding="utf-8")
    _, baseline = _steps(read_yaml(project.required_file(TUNING_PIPELINE_FILE)).value)
    after = with_parameters(before, baseline, found.best.parameters)
    return Edit(PurePosixPath(PIPELINE_FILE.as_posix()), before, after) if after != before else None


def with_parameters(text: str, step: str, parameters: Mapping[str, Any]) -> str:
    """The text of train.yml with other parameters of a step, its comments kept.

    Raises ProjectError for a parameter that the file does not set.
    """
    document = parse_yaml(text)
    given = document.value["jobs"][step].get("inputs") or {}
    lines = text.splitlines(keepends=True)
    for name, value in parameters.items():
        bound = _PARENT_INPUT.fullmatch(str(given.get(name, "")))
        path = ("inputs", bound[1]) if bound else ("jobs", step, "inputs", name)
        if name not in given or path not in document.lines:
            raise ProjectError(
                f"{PIPELINE_FILE} does not set `{name}` of the step {step}",
                "Give it a value there, so that tuning can change it.",
            )
        at = document.lines[path] - 1
        line = re.fullmatch(r"(\s*[\w-]+:\s*)([^#\n]*?)(\s*(?:#.*)?\n?)", lines[at])
        if line is None:
            raise ProjectError(
                f"{PIPELINE_FILE}, line {at + 1}: `{path[-1]}` is not a plain value", "Write it on one line."
            )
        lines[at] = f"{line[1]}{_written(value)}{line[3]}"
    return "".join(lines)


def _written(value: Any) -> str:
    """A value for YAML: a sampled number without the noise of its last digits."""
    if isinstance(value, float):
        short = f"{value:.6g}"
        return short if math.isclose(float(short), value, rel_tol=_SAME) else repr(value)
    return json.dumps(value) if isinstance(value, str | bool) else str(value)


def _propose(project: Project, found: Comparison, edit: Edit, job: str) -> Proposed:
    """Commit the change on a branch from the remote's default branch, push it, and open a pull request."""
    repository = Repository(project.root)
    base = find_base(repository)
    best = found.best
    text = repository.read(base.commit, edit.path)
    if text is None or best is None:
        raise ProjectError(f"{edit.path} is not on {base.branch}", "Commit it first.")
    if text != edit.before:
        raise ProjectError(
            f"{edit.path} is another one on {base.branch} than here: the trials were not compared with its parameters",
            f"Tune where {edit.path} is that of {base.branch}, or bring the file here into {base.branch} first.",
        )
    title = "Train with tuned parameters"
    current = "-" if found.current is None else f"{found.current:.5f}"
    table = "".join(f"| {name} | {_written(value)} |\n" for name, value in best.parameters.items())
    body = (
        f"`mlops tune`, job {job}: {found.metric} {best.score:.5f} in trial {best.number} of {len(found.trials)}, "
        f"{current} with the parameters so far, on the same held-out rows.\n\n| parameter | value |\n|---|---|\n{table}"
    )
    branch = f"{_BRANCHES}/{job}"
    commit = publish(repository, base, branch, {edit.path: (edit.after or "").encode()}, f"{title}\n\n{body}")
    if base.remote is None:
        opened = PullRequest(None, f"There is no remote. Review the branch, then: git merge --no-ff {branch}")
    else:
        opened = pull_requests_of(base.remote, repository.folder).propose(branch, base.branch, title, body)
    return Proposed(branch, commit, base.remote is not None, opened)
