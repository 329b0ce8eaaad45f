"""`mlops deploy --batch`: the released model of a stage behind its batch endpoint, from the YAML in endpoints/batch/.

There is no traffic to split: callers get the endpoint's default deployment, which is set last. The deployment of an
earlier model is kept, and costs nothing.
"""

from __future__ import annotations

import hashlib
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from azure.ai.ml import MLClient, load_batch_endpoint, load_component
from azure.ai.ml.entities import BatchEndpoint, PipelineComponent, PipelineComponentBatchDeployment
from azure.ai.ml.entities._load_functions import load_pipeline_component_batch_deployment
from azure.core.exceptions import ResourceNotFoundError

from mlops.audit.announcement import announce
from mlops.audit.log import AuditLog, anchor_tag
from mlops.audit.record import FINISH, IMAGE, Event, Record, of_model
from mlops.azure.sdk_output import suppress_output
from mlops.batch.score import score_files
from mlops.checks.project import Project as CheckedProject
from mlops.checks.project import versioned
from mlops.cli.progress import say
from mlops.core.documents import require_yaml
from mlops.core.environments import job_image
from mlops.core.errors import MlopsError, ProjectError, RolloutFailed
from mlops.core.layout import BATCH_DEPLOYMENT_FILE, BATCH_ENDPOINT_FILE, SCORING_PIPELINE_FILE, SCORING_STEP
from mlops.core.results import Block, Line, Result, Table
from mlops.endpoint.scoring import difference, read_golden_cases
from mlops.endpoint.view import CONFIGURATION_TAG, DIGEST_TAG, FULL, VERSION_TAG, observe_batch
from mlops.models.facts import Subject, subject_of_package
from mlops.rollout.deploy import DeployResult, deploy
from mlops.rollout.execute import write_default
from mlops.rollout.release import VerifiedModel, find_model
from mlops.settings.project import BATCH, Project, Stage
from mlops.settings.releases import SkippedPhase, skipped_phases
from mlops.settings.stages import StageName
from mlops.stages.release_history import manifest_to_roll_out
from model_package.digest import DIGEST_PREFIX
from model_package.package import read_schema
from model_package.rows.requests import ROWS_KEY
from model_package.tasks import task_of

MODEL_TAG: Final = "model"
_FINGERPRINT_CHARACTERS: Final = 12
_NAME_CHARACTERS: Final = 6
_MODEL_TYPE: Final = "custom_model"
_SUCCEEDED: Final = "Succeeded"
_BEGIN: Final = "begin"
_GOLDEN: Final = "golden rows"
_ADVICE: Final = "The default deployment was not changed. Compare components/score_batch with the model package."


@dataclass(frozen=True)
class ReleasedModel:
    """The model that files are scored with; `reference` is how a job refers to it."""

    name: str
    version: str
    digest: str
    reference: str


@dataclass(frozen=True)
class BatchDeployResult(Result):
    """What a stage's batch endpoint runs now, and what was changed for it."""

    stage: str
    endpoint: str
    deployment: str
    model: ReleasedModel
    actions: tuple[str, ...]
    seconds: float
    subject: Subject
    skipped_phases: tuple[str, ...] = ()
    # As of an online endpoint: every call goes to the default deployment, and there is no address for single requests.
    scoring_uri: str | None = None

    @property
    def traffic(self) -> dict[str, int]:
        """Every call goes to the default deployment."""
        return {self.deployment: FULL}

    def document(self) -> dict[str, Any]:
        """Everything."""
        lists = {"actions": list(self.actions), "skipped_phases": list(self.skipped_phases)}
        return asdict(self) | lists | {"traffic": self.traffic, "seconds": round(self.seconds, 3)}

    def blocks(self) -> Sequence[Block]:
        """The endpoint and its model."""
        rows = (
            ("batch endpoint", self.endpoint),
            ("deployment", self.deployment),
            *self.subject.rows(),
        )
        done = f"done in {self.seconds:.1f} s" if self.actions else "no changes: it was deployed before"
        return [
            Table(f"stage {self.stage}", (), rows),
            *(Line(f"skipped: {each}") for each in self.skipped_phases),
            Line(done, "good"),
            Line(f"Next: `mlops score --stage {self.stage} --batch FOLDER --output FOLDER`", "hint"),
        ]


def deploy_stage(
    client: MLClient, project: Project, stage_name: StageName, version: str | None = None, *, take_over: bool = False
) -> DeployResult | BatchDeployResult:
    """Roll out a stage's model to what the stage runs it on: its online endpoint, else its batch endpoint."""
    if project.settings.stage(stage_name).serving == BATCH:
        return deploy_batch(client, project, stage_name, version)
    return deploy(client, project, stage_name, version, take_over=take_over)


def deploy_batch(
    client: MLClient, project: Project, stage_name: StageName, version: str | None = None
) -> BatchDeployResult:
    """Deploy a stage's released model behind its batch endpoint, and make that deployment the default.

    Steps that are already done are skipped, so that an interrupted run continues when it is run again. Where files are
    all that the stage scores, this is its rollout: the deployment must first score the golden rows of its package, and
    the audit log says what became of it. Raises RolloutFailed, with the default unchanged, if it does not.
    """
    begun = time.monotonic()
    stage = project.settings.stage(stage_name)
    endpoint = stage.files_endpoint
    manifest = manifest_to_roll_out(project, stage_name)
    found = find_model(client, project, stage_name, version, manifest)
    model = ReleasedModel(**asdict(found.model), reference=found.reference)
    is_rollout = stage.serving == BATCH
    skipped = skipped_phases(manifest.rollout, stage.serving) if is_rollout else ()
    actions = []
    configuration = configuration_of(project, model)
    name = deployment_name(model, configuration if is_rollout else "")
    audit = _Audit(client, found, stage, name, skipped) if is_rollout else None
    if audit:
        audit.begun(observe_batch(client, endpoint).live)
    say(f"deploying {model.name} {model.version} to the batch endpoint {endpoint} …")
    with suppress_output():
        if _ensure_endpoint(client, project, endpoint):
            actions.append(f"created the endpoint {endpoint}")
        if not _is_deployed(client, endpoint, name, configuration):
            deployment = load_deployment(project, stage, endpoint, model, name)
            client.batch_deployments.begin_create_or_update(deployment).result()
            actions.append(f"deployed {name}")
    before = observe_batch(client, endpoint).live
    if audit and before != name:
        say(f"golden test: {name} scores the golden rows …")
        try:
            actions.append(f"{name} scored {_scored_golden_rows(client, project, stage_name, name, found.package)}")
        except RolloutFailed as error:
            audit.refused(before, error.message)
            raise
    if write_default(client, endpoint, name, f"{name} runs {model.name} {model.version}"):
        actions.append(f"made {name} the default")
    if audit:
        audit.finished(before)
    for action in actions:
        say(action)
    return BatchDeployResult(
        stage=stage_name,
        endpoint=endpoint,
        deployment=name,
        model=model,
        actions=tuple(actions),
        seconds=time.monotonic() - begun,
        subject=subject_of_package(found.model, found.package),
        skipped_phases=tuple(f"{each.phase}: {each.reason}" for each in skipped),
    )


@dataclass(frozen=True)
class _Audit:
    """Records what becomes of a rollout to a batch endpoint."""

    client: MLClient
    found: VerifiedModel
    stage: Stage
    deployment: str
    skipped: tuple[SkippedPhase, ...]

    def begun(self, before: str | None) -> None:
        """Record the rollout before anything is changed. Raises RolloutFailed if that is not possible."""
        if before == self.deployment:
            return
        try:
            AuditLog(self.client).append_if(self._event(_BEGIN, before), lambda records: not self._is_last(records))
        except MlopsError as error:
            raise RolloutFailed(
                f"{self.found.model.name} {self.found.model.version} is not rolled out to {self.stage.name}: it cannot "
                f"be recorded in the audit log ({error.message})",
                f"Nothing was changed. `mlops history --stage {self.stage.name}` shows the log.",
            ) from error

    def finished(self, before: str | None) -> None:
        """The deployment is the default; recorded once, also if an earlier run was killed before it could."""
        record = AuditLog(self.client).append_if(self._event(FINISH, before), self._is_news)
        if record is None:
            return
        announce(self.stage, record)
        registered = self.found.source.models.get(self.found.model.name, self.found.model.version)
        noted = f"{record.time.isoformat(timespec='seconds')} released as {self.deployment}"
        anchor = anchor_tag(self.client, self.stage.name, record)
        registered.tags = {**(registered.tags or {}), f"stage_{self.stage.name}": noted, **anchor}
        self.found.source.models.create_or_update(registered)

    def refused(self, before: str | None, reason: str) -> None:
        """The deployment did not become the default."""
        event = self._event(_GOLDEN, self.deployment).model_copy(
            update={"kind": "rollback", "verdict": "failed", "reason": reason, "target": before}
        )
        announce(self.stage, AuditLog(self.client).append(event))

    def _event(self, step: str, origin: str | None) -> Event:
        is_done = step != _BEGIN
        return Event(
            kind="rollout",
            stage=self.stage.name,
            step=step,
            model=self.found.model.name,
            version=self.found.model.version,
            digest=self.found.model.digest,
            origin=None if origin == self.deployment else origin,
            target=self.deployment,
            verdict="passed" if is_done else "none",
            reason="it scored the golden rows, and is the default of the batch endpoint" if is_done else "",
            traffic={self.deployment: FULL} if is_done else {},
            evidence={each.phase: each.reason for each in self.skipped},
        )

    def _is_news(self, records: Sequence[Record]) -> bool:
        return not self._is_last(records, FINISH)

    def _is_last(self, records: Sequence[Record], step: str = _BEGIN) -> bool:
        """Whether a step of this rollout is the last that is recorded."""
        mine = of_model(records, self.found.model.name)
        events = [each.event for each in mine if each.event.kind in ("rollout", "rollback")]
        last = events[-1] if events else None
        return last is not None and (last.kind, last.step, last.target) == ("rollout", step, self.deployment)


def _scored_golden_rows(client: MLClient, project: Project, stage_name: StageName, name: str, package: Path) -> str:
    """Have a deployment score the rows of all golden cases as one file. Raises RolloutFailed at a wrong answer."""
    import polars as pl

    golden, task = read_golden_cases(package), task_of(read_schema(package))
    rows = [row for case in golden.cases for row in case.request[ROWS_KEY]]
    with tempfile.TemporaryDirectory() as folder:
        file, output = Path(folder) / "golden.csv", Path(folder) / "scored"
        pl.DataFrame(rows, infer_schema_length=None).write_csv(file)
        result = score_files(client, project, stage_name, str(file), output, name)
        outcome = result.outcomes[0]
        if outcome.output is None:
            raise RolloutFailed(f"{name} refuses the golden rows: {outcome.reason}", _ADVICE)
        scored = pl.read_parquet(output / outcome.output)
    answer = task.answer_of({column: scored[column].to_numpy() for column in task.column_kinds})
    predictions = task.predictions(answer)
    for number, case in enumerate(golden.cases, 1):
        mine, predictions = predictions[: case.rows], predictions[case.rows :]
        wrong = difference(task, case, mine, golden.tolerance)
        if wrong:
            raise RolloutFailed(f"{name} scores the rows of golden case {number} wrongly", _ADVICE, wrong)
    return f"{len(rows)} golden rows as recorded"


def deployment_name(model: ReleasedModel, configuration: str) -> str:
    """Return the deployment of a model version: each has its own, so that a rollback changes only the default.

    With a fingerprint, so has each configuration: changed code is then verified before callers get it.
    """
    plain = "".join(letter if letter.isalnum() else "-" for letter in model.version)
    return f"model-{plain}-{configuration[:_NAME_CHARACTERS]}" if configuration else f"model-{plain}"


def load_endpoint(project: Project, name: str) -> BatchEndpoint:
    """Return the endpoint as it should be."""
    return load_batch_endpoint(
        require_yaml(project.required_file(BATCH_ENDPOINT_FILE)), params_override=[{"name": name}]
    )


def load_deployment(
    project: Project, stage: Stage, endpoint: str, model: ReleasedModel, name: str
) -> PipelineComponentBatchDeployment:
    """Return the deployment as it should be: the scoring pipeline with the model, on the stage's cluster."""
    deployment = load_pipeline_component_batch_deployment(
        require_yaml(project.required_file(BATCH_DEPLOYMENT_FILE)),
        params_override=[
            {"name": name},
            {"endpoint_name": endpoint},
            {"settings.default_compute": stage.compute},
        ],
    )
    fingerprint = configuration_of(project, model)
    deployment.component = _load_pipeline(project, model, fingerprint)
    deployment.tags = {
        MODEL_TAG: model.name,
        VERSION_TAG: model.version,
        DIGEST_TAG: model.digest,
        CONFIGURATION_TAG: fingerprint,
        # What a promotion compares, where stages share images.
        IMAGE: job_image(project.path(SCORING_PIPELINE_FILE)),
    }
    return deployment


def configuration_of(project: Project, model: ReleasedModel) -> str:
    """Return a fingerprint of all that a deployment runs: model, components with their code, environments."""
    content = [model.reference, model.digest]
    for folder, items in versioned(CheckedProject(project.root)):
        content += sorted(f"{folder}/{item.name}:{item.version} {item.digest}" for item in items)
    return hashlib.sha256("\n".join(content).encode()).hexdigest()[:_FINGERPRINT_CHARACTERS]


def _ensure_endpoint(client: MLClient, project: Project, name: str) -> bool:
    try:
        client.batch_endpoints.get(name)
    except ResourceNotFoundError:
        client.batch_endpoints.begin_create_or_update(load_endpoint(project, name)).result()
        return True
    return False


def _is_deployed(client: MLClient, endpoint: str, name: str, configuration: str) -> bool:
    try:
        found = client.batch_deployments.get(name, endpoint)
    except ResourceNotFoundError:
        return False
    return found.provisioning_state == _SUCCEEDED and (found.tags or {}).get(CONFIGURATION_TAG) == configuration


def _load_pipeline(project: Project, model: ReleasedModel, fingerprint: str) -> PipelineComponent:
    file = require_yaml(project.required_file(SCORING_PIPELINE_FILE))
    written = load_component(file)
    inputs = f"jobs.{SCORING_STEP}.inputs"
    overrides: list[dict[str, Any]] = [
        # One version per content: Azure keeps what a version was first registered with.
        {"version": f"{written.version}-{model.digest.removeprefix(DIGEST_PREFIX)[:8]}-{fingerprint}"},
        {f"{inputs}.model.type": _MODEL_TYPE},
        {f"{inputs}.model.path": model.reference},
        {f"{inputs}.model_name": model.name},
        {f"{inputs}.model_version": model.version},
        {f"{inputs}.model_digest": model.digest},
    ]
    component = load_component(file, params_override=overrides)
    if not isinstance(component, PipelineComponent):
        raise ProjectError(
            f"{SCORING_PIPELINE_FILE} does not define a pipeline component", "It needs `type: pipeline`."
        )
    return component
