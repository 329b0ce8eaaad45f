"""`mlops provenance`: a model's provenance statement, whether its stage accepts it, and files to sign."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from mlops.azure.workspace import WorkspaceClients
from mlops.core.documents import read_text
from mlops.core.errors import MlopsError, ProjectError
from mlops.core.results import Block, Line, Result, Table
from mlops.models.registered import (
    ModelVersion,
    fetch_package,
    find_builder,
    find_version,
    package_of_model,
    read_provenance,
    release_of,
)
from mlops.provenance.statement import PREDICATE_TYPE, Statement, parse_statement, state_provenance, statement_path
from mlops.provenance.verification import ProvenanceSubject, committed_problems, statement_problems
from mlops.settings.releases import manifest_file, nothing_released, read_manifest
from mlops.settings.stages import StageName
from model_package.digest import checksums, file_digests

STATEMENT_FILE: Final = "statement.json"
PREDICATE_FILE: Final = "predicate.json"
CHECKSUM_FILE: Final = "SHA256SUMS"


@dataclass(frozen=True)
class ProvenanceResult(Result):
    """A statement, what is wrong with it, and the files written for signing."""

    stage: StageName
    model: ModelVersion
    statement: Statement
    problems: tuple[str, ...]
    folder: Path | None

    @property
    def exit_code(self) -> int:
        """1 if the stage would refuse it."""
        return MlopsError.exit_code if self.problems else 0

    @property
    def outputs(self) -> dict[str, str]:
        """Outputs for a signing step."""
        if self.folder is None:
            return {}
        return {
            "subject_name": f"{self.model.name}:{self.model.version}",
            "subject_digest": self.model.digest,
            "predicate_type": PREDICATE_TYPE,
            "predicate_path": str(self.folder / PREDICATE_FILE),
        }

    def document(self) -> dict[str, Any]:
        """The statement as it is committed, and the problems."""
        return {
            "stage": self.stage,
            "statement": self.statement.model_dump(mode="json", by_alias=True, exclude_none=True),
            "problems": list(self.problems),
            "folder": str(self.folder) if self.folder else None,
        }

    def blocks(self) -> Sequence[Block]:
        """Where the model comes from, and whether the stage accepts that."""
        made = self.statement.predicate
        rows = (
            ("digest", self.model.digest),
            ("builder", self.statement.builder),
            ("run", made.runDetails.metadata.invocationId),
            ("finished", made.runDetails.metadata.finishedOn),
            *(
                (each.name, ", ".join(f"{name} {value}" for name, value in each.digest.items()))
                for each in made.buildDefinition.resolvedDependencies
            ),
        )
        blocks: list[Block] = [Table(f"{self.model.name} version {self.model.version}", (), rows)]
        if self.folder:
            blocks.append(Line(f"written to {self.folder}"))
        blocks += [Line(problem, "bad") for problem in self.problems]
        verdict = f"{self.stage} would refuse it" if self.problems else f"{self.stage} accepts it"
        return [*blocks, Line(verdict, "bad" if self.problems else "good")]


def inspect(clients: WorkspaceClients, stage: StageName, version: str | None, folder: Path | None) -> ProvenanceResult:
    """In the training stage, state the provenance of `version` or the newest; elsewhere, read the committed statement.

    Raises ProjectError for a stage without a release or statement, WorkspaceError for an unknown model.
    """
    is_training = stage == clients.project.order.training
    subject, statement, problems = _stated(clients, stage, version) if is_training else _committed(clients, stage)
    if folder is not None:
        _write(folder, statement, subject.package)
    return ProvenanceResult(stage, subject.model, statement, tuple(problems), folder)


def _stated(
    clients: WorkspaceClients, stage: StageName, version: str | None
) -> tuple[ProvenanceSubject, Statement, list[str]]:
    model = find_version(clients.training, clients.project.settings.model, version)
    package = package_of_model(clients.training, clients.project, model)
    provenance = read_provenance(package)
    statement = state_provenance(model, package, provenance, find_builder(clients.training, model))
    subject = ProvenanceSubject(stage, model, package, release_of(provenance, model, stage))
    return subject, statement, statement_problems(clients.project, subject, statement)


def _committed(clients: WorkspaceClients, stage: StageName) -> tuple[ProvenanceSubject, Statement, list[str]]:
    subject = _released(clients, stage)
    path = statement_path(subject.model.name, subject.model.version)
    file = clients.project.root / path
    if not file.is_file():
        raise ProjectError(f"there is no {path}", f"Promote the model again: `mlops promote --to {stage}`.")
    statement = parse_statement(read_text(file), str(path))
    return subject, statement, committed_problems(clients.project, subject)


def _released(clients: WorkspaceClients, stage: StageName) -> ProvenanceSubject:
    release = read_manifest(manifest_file(clients.project.root, stage)).release
    if release is None:
        raise nothing_released(clients.project.root, stage)
    package, _ = fetch_package(clients.models(stage), clients.project, release.model.name, release.model.version)
    return ProvenanceSubject(stage, ModelVersion(**release.model.model_dump()), package, release)


def _write(folder: Path, statement: Statement, package: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / STATEMENT_FILE).write_text(statement.text(), encoding="utf-8")
    predicate = statement.predicate.model_dump_json(indent=2, exclude_none=True)
    (folder / PREDICATE_FILE).write_text(predicate + "\n", encoding="utf-8")
    (folder / CHECKSUM_FILE).write_bytes(checksums(file_digests(package)))
