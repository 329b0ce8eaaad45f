"""Whether a provenance statement is valid for these bytes, this release, this git history and this policy.

Everything is checked, so that one answer names every problem. Uses git, and the git host if a signature is
required; only the two `require` functions raise.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mlops.core.documents import read_text
from mlops.core.errors import MlopsError, PromotionRefused, RolloutFailed
from mlops.core.git import DIRTY_SUFFIX, Repository
from mlops.githost.hosts import remote_of
from mlops.githost.interface import WORKSTATION, Attested, RemoteAddress
from mlops.models.registered import ModelVersion
from mlops.provenance.statement import PREDICATE_TYPE, Statement, parse_statement, statement_path
from mlops.settings.policies import POLICY_FILE, Demands, Policy, allows, read_policy
from mlops.settings.project import Project
from mlops.settings.releases import Release
from mlops.settings.stages import StageName
from mlops.stages.release_history import policy_to_deploy
from model_package.digest import DIGEST_PREFIX, checksums, file_digests

_FULL_HISTORY: Final = "In CI, check out the full history (fetch-depth: 0)."


@dataclass(frozen=True)
class ProvenanceSubject:
    """What a statement must describe: a model package for a stage; without a release in the training stage."""

    stage: StageName
    model: ModelVersion
    package: Path
    release: Release | None

    @property
    def name(self) -> str:
        """The model version, for people."""
        return f"{self.model.name} {self.model.version}"


def require_at_deployment(project: Project, subject: ProvenanceSubject) -> None:
    """Raise RolloutFailed if the policy does not allow the model in its stage, ProjectError for a broken policy."""
    problems = committed_problems(project, subject)
    if problems:
        raise RolloutFailed(
            f"{subject.name} may not run in {subject.stage}: its provenance is not accepted",
            f"Nothing was changed. {_advice(project, subject, problems)} "
            f"`mlops provenance --stage {subject.stage}` shows its statement.",
            tuple(problems),
        )


def require_at_promotion(
    project: Project, subject: ProvenanceSubject, statement: Statement, base: str, policy: Policy | None = None
) -> None:
    """Raise PromotionRefused for a statement that the target stage would refuse, once merged into `base`."""
    problems = statement_problems(project, subject, statement, base, policy=policy)
    if problems:
        message = f"{subject.stage} would refuse {subject.name}: its provenance is not accepted"
        raise PromotionRefused(message, _advice(project, subject, problems), tuple(problems))


def committed_problems(
    project: Project, subject: ProvenanceSubject, *, signed: bool = True, policy: Policy | None = None
) -> list[str]:
    """What is wrong with the committed statement, or that it is missing; `signed` includes its attestation.

    `policy` judges it, by default the one that judges the release at its deployment.
    """
    policy = policy or policy_to_deploy(project, subject.stage, subject.release)
    demands = policy.stages[subject.stage]
    path = statement_path(subject.model.name, subject.model.version)
    file = project.root / path
    if not file.is_file():
        return [f"there is no {path}"] if demands.statement == "required" else []
    statement = parse_statement(read_text(file), str(path))
    return statement_problems(project, subject, statement, signed=signed, policy=policy)


def statement_problems(
    project: Project,
    subject: ProvenanceSubject,
    statement: Statement,
    head: str = "HEAD",
    *,
    signed: bool = True,
    policy: Policy | None = None,
) -> list[str]:
    """What is wrong with a statement, in sentences; `head` is what is deployed, `policy` the project's by default."""
    demands = (policy or read_policy(project.root, project.order)).stages[subject.stage]
    remote = remote_of(project.root)
    return [
        *_subject_problems(subject, statement),
        *_release_problems(subject, statement),
        *_commit_problems(demands, Repository(project.root), statement, head),
        *_builder_problems(demands, remote, statement),
        *(_attestation_problems(demands, remote, subject, statement) if signed else ()),
    ]


def _subject_problems(subject: ProvenanceSubject, statement: Statement) -> Sequence[str]:
    model = subject.model
    whole, *files = statement.subject
    if whole.name != f"{model.name}:{model.version}":
        return [f"the statement is about {whole.name!r}, not {model.name}:{model.version}"]
    digest = DIGEST_PREFIX + whole.digest.get("sha256", "")
    if digest != model.digest:
        return [f"the statement is about {digest!r}, not {model.digest}"]
    stated = [(each.name, each.digest.get("sha256", "")) for each in files]
    found = file_digests(subject.package)
    differing = sorted({name for name, _ in set(stated) ^ set(found.items())})
    return [f"files differ from the statement: {', '.join(map(repr, differing))}"] if differing else []


def _release_problems(subject: ProvenanceSubject, statement: Statement) -> Sequence[str]:
    if subject.release is None:
        return []
    source = subject.release.source
    stated = {
        "git_commit": (statement.commit, source.git_commit),
        "job": (statement.predicate.buildDefinition.internalParameters.get("job", ""), source.job),
    }
    return [
        f"{key} is {said!r} in the statement and '{released}' in releases/{subject.stage}.yml"
        for key, (said, released) in stated.items()
        if said != released
    ]


def _commit_problems(demands: Demands, repository: Repository, statement: Statement, head: str) -> Sequence[str]:
    commit = statement.commit
    if demands.commit == "any":
        return []
    if commit.endswith(DIRTY_SUFFIX):
        where = commit.removesuffix(DIRTY_SUFFIX)
        return [f"the model was trained from uncommitted changes of commit {where!r}: commit them, and train again"]
    if not commit or repository.resolve(commit) != commit:
        return [f"the model was trained from commit {commit!r}, which git does not have. {_FULL_HISTORY}"]
    if demands.commit == "merged" and repository.merge_base(head, commit) != commit:
        return [f"commit {commit!r}, from which the model was trained, is not in the history of what is deployed"]
    return []


def _builder_problems(demands: Demands, remote: RemoteAddress | None, statement: Statement) -> Sequence[str]:
    if allows(demands.builders, statement.builder, remote.origin if remote else None):
        return []
    where = f"{{origin}} is {remote.origin}" if remote else "{origin} matches nothing: the remote is on no git host"
    return [f"builder {statement.builder!r} is not one of {', '.join(demands.builders)}; {where}"]


def _attestation_problems(
    demands: Demands, remote: RemoteAddress | None, subject: ProvenanceSubject, statement: Statement
) -> Sequence[str]:
    if demands.attestation == "none":
        return []
    if remote is None:
        return ["an attestation is required, but the remote is on no git host that could hold one"]
    predicate = json.loads(statement.predicate.model_dump_json(exclude_none=True))
    attested = Attested(checksums(file_digests(subject.package)), PREDICATE_TYPE, predicate, statement.builder)
    try:
        problem = remote.host.attestation_problem(remote, attested)
    except MlopsError as error:
        return [f"the attestation could not be verified: {error.message}", *error.details]
    return [problem] if problem else []


def _advice(project: Project, subject: ProvenanceSubject, problems: Sequence[str]) -> str:
    remote = remote_of(project.root)
    train = f"`{remote.host.training_command}`" if remote else "`mlops train --fresh` in your CI system"
    again = (
        "Train it again in a builder that the stage accepts, without reusing steps that ran elsewhere: "
        f"{train}; then promote the new version."
    )
    if not any(WORKSTATION in each for each in problems):
        return again
    return (
        f"{again} To promote what was trained on this machine instead, add `- {WORKSTATION}` to the `builders` of "
        f"{subject.stage} in {POLICY_FILE.as_posix()}, commit and push (docs/by-hand.md)."
    )
