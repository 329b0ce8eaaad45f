"""Whether a statement holds: for these bytes, this release, this git history, this policy. Pure but for git and `gh`.

Every question is asked, so that one answer names all that is wrong. Raising is left to whoever asks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mlops.core.errors import MlopsError, PromotionRefused, RolloutFailed
from mlops.core.git import REMOTE, Repository
from mlops.core.remote_address import RemoteAddress, parse_remote
from mlops.models.package import DIGEST_PREFIX, file_digests
from mlops.models.registration import ModelVersion
from mlops.provenance.attestation import attestation_problem
from mlops.provenance.statement import Statement, parse_statement, statement_path
from mlops.settings.project import Project
from mlops.settings.provenance import POLICY_FILE, Demands, allows, read_policy
from mlops.settings.releases import Release
from mlops.settings.stages import StageName

_DEEP = "In CI, check out the whole history (fetch-depth: 0)."


@dataclass(frozen=True)
class Evidence:
    """What a statement is held against; no release in the stage that trains."""

    stage: StageName
    model: ModelVersion
    package: Path
    release: Release | None


def require_at_deployment(project: Project, evidence: Evidence) -> None:
    """Raise RolloutFailed when the stage's policy lets the model not be deployed; a broken policy is ProjectError."""
    problems = committed_problems(project, evidence)
    if problems:
        raise RolloutFailed(
            f"{_named(evidence)} may not run in {evidence.stage}: its provenance does not hold",
            f"Nothing was changed. {_advice(project, evidence)}",
            tuple(problems),
        )


def require_at_promotion(project: Project, evidence: Evidence, statement: Statement, base: str) -> None:
    """Raise PromotionRefused for a statement that the target stage would refuse, once merged into `base`."""
    problems = statement_problems(project, evidence, statement, base)
    if problems:
        message = f"{evidence.stage} would refuse {_named(evidence)}: its provenance does not hold"
        raise PromotionRefused(message, _advice(project, evidence), tuple(problems))


def committed_problems(project: Project, evidence: Evidence, *, signed: bool = True) -> list[str]:
    """What is wrong with the statement in the project's folder, or with its absence; `signed` asks for signatures."""
    demands = read_policy(project.root, project.order).stages[evidence.stage]
    place = statement_path(evidence.model.name, evidence.model.version)
    file = project.root / place
    if not file.is_file():
        return [f"there is no {place}"] if demands.statement == "required" else []
    statement = parse_statement(file.read_text(encoding="utf-8"), str(place))
    return statement_problems(project, evidence, statement, signed=signed)


def statement_problems(
    project: Project, evidence: Evidence, statement: Statement, head: str = "HEAD", *, signed: bool = True
) -> list[str]:
    """What is wrong with a statement, in sentences; `head` is what is deployed."""
    demands = read_policy(project.root, project.order).stages[evidence.stage]
    repository = Repository(project.root)
    remote = _remote(project.root)
    return [
        *_subject_problems(evidence, statement),
        *_release_problems(evidence, statement),
        *_commit_problems(demands, repository, statement, head),
        *_builder_problems(demands, remote, statement),
        *(_attestation_problems(demands, remote, evidence, statement) if signed else ()),
    ]


def _subject_problems(evidence: Evidence, statement: Statement) -> Sequence[str]:
    model = evidence.model
    whole, *files = statement.subject
    if whole.name != f"{model.name}:{model.version}":
        return [f"the statement is about {whole.name!r}, not {model.name}:{model.version}"]
    digest = DIGEST_PREFIX + whole.digest.get("sha256", "")
    if digest != model.digest:
        return [f"the statement is about {digest!r}, not {model.digest}"]
    stated = [(each.name, each.digest.get("sha256", "")) for each in files]
    found = file_digests(evidence.package)
    differing = sorted({name for name, _ in set(stated) ^ set(found)})
    return [f"files differ from the statement: {', '.join(map(repr, differing))}"] if differing else []


def _release_problems(evidence: Evidence, statement: Statement) -> Sequence[str]:
    if evidence.release is None:
        return []
    source = evidence.release.source
    stated = {
        "git_commit": (statement.commit, source.git_commit),
        "job": (statement.predicate.buildDefinition.internalParameters.get("job", ""), source.job),
    }
    return [
        f"{key} is {said!r} in the statement and '{released}' in releases/{evidence.stage}.yml"
        for key, (said, released) in stated.items()
        if said != released
    ]


def _commit_problems(demands: Demands, repository: Repository, statement: Statement, head: str) -> Sequence[str]:
    commit = statement.commit
    if demands.commit == "any":
        return []
    if not commit or repository.resolve(commit) != commit:
        return [f"git knows no commit {commit!r}, from which the model was trained. {_DEEP}"]
    if demands.commit == "merged" and repository.merge_base(head, commit) != commit:
        return [f"commit {commit!r}, from which the model was trained, is not in the history of what is deployed"]
    return []


def _builder_problems(demands: Demands, remote: RemoteAddress | None, statement: Statement) -> Sequence[str]:
    if allows(demands.builders, statement.builder, remote):
        return []
    where = f"; {{origin}} is {remote.origin}" if remote else "; {origin} is nowhere: the remote is no forge"
    return [f"builder {statement.builder!r} is none of {', '.join(demands.builders)}{where}"]


def _attestation_problems(
    demands: Demands, remote: RemoteAddress | None, evidence: Evidence, statement: Statement
) -> Sequence[str]:
    if demands.attestation == "none":
        return []
    if remote is None or remote.kind != "github":
        return ["an attestation of GitHub is asked for, but the remote is not on GitHub"]
    try:
        problem = attestation_problem(remote, evidence.package, statement)
    except MlopsError as error:
        return [f"the attestation could not be verified: {error.message}", *error.details]
    return [problem] if problem else []


def _named(evidence: Evidence) -> str:
    return f"{evidence.model.name} {evidence.model.version}"


def _advice(project: Project, evidence: Evidence) -> str:
    return (
        "Train it anew where the stage expects it, with no step that somebody else has run: "
        f"{_train_anew(_remote(project.root))}; that makes a new version, to be promoted. "
        f"Or change what the stage asks, in a reviewed change of {POLICY_FILE.as_posix()}: "
        f"`mlops provenance --stage {evidence.stage}` shows both."
    )


def _train_anew(remote: RemoteAddress | None) -> str:
    """The command that has the CI system train without reuse."""
    match remote.kind if remote else None:
        case "github":
            return "`gh workflow run train.yml -f fresh=true`"
        case "azure":
            return "`az pipelines run --name train --parameters fresh=true`"
        case _:
            return "`mlops train --fresh` in your CI system"


def _remote(root: Path) -> RemoteAddress | None:
    url = Repository(root).remote_url(REMOTE)
    return parse_remote(url) if url else None
