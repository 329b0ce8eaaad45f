"""The provenance of a model, as an in-toto statement (v1) with SLSA provenance (v1) as its predicate.

The same model version always gives the same bytes, so that every promotion commits the same file.
Formats: https://in-toto.io/Statement/v1 and https://slsa.dev/spec/v1.0/provenance.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mlops.core.errors import ProjectError
from mlops.core.layout import PIPELINE_FILE
from mlops.githost.interface import Builder
from mlops.models.registered import ModelVersion
from mlops.settings.releases import RELEASE_FOLDER
from model_package.digest import DIGEST_PREFIX, file_digests
from model_package.provenance import Provenance

STATEMENT_TYPE: Final = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE: Final = "https://slsa.dev/provenance/v1"
BUILD_TYPE: Final = "urn:mlops:azure-ml-pipeline:1"
STATEMENT_FOLDER: Final = PurePosixPath(RELEASE_FOLDER.as_posix()) / "provenance"
_COMMIT_KEY: Final = "gitCommit"
_SHA256: Final = "sha256"

Digests = Annotated[dict[Literal["sha256", "gitCommit"], str], Field(min_length=1)]


class _Part(BaseModel):
    # Keys are those of the formats; this project neither writes nor accepts any others.
    model_config = ConfigDict(frozen=True, extra="forbid")


class Subject(_Part):
    """What the statement is about."""

    name: str
    digest: Digests


class Dependency(_Part):
    """An input of the build."""

    name: str
    uri: str | None = None
    digest: Digests


class BuildDefinition(_Part):
    """What was run, and on what."""

    buildType: str  # noqa: N815 - the format's name
    externalParameters: dict[str, Any]  # noqa: N815 - the format's name
    internalParameters: dict[str, Any]  # noqa: N815 - the format's name
    resolvedDependencies: tuple[Dependency, ...]  # noqa: N815 - the format's name


class BuilderId(_Part):
    """The builder."""

    id: str


class Metadata(_Part):
    """The run, and when it ended."""

    invocationId: str  # noqa: N815 - the format's name
    finishedOn: str  # noqa: N815 - the format's name


class RunDetails(_Part):
    """The builder and the run."""

    builder: BuilderId
    metadata: Metadata


class Predicate(_Part):
    """SLSA's provenance."""

    buildDefinition: BuildDefinition  # noqa: N815 - the format's name
    runDetails: RunDetails  # noqa: N815 - the format's name


class Statement(_Part):
    """A model package by its digest and the digests of its files, and its provenance."""

    type: Annotated[Literal["https://in-toto.io/Statement/v1"], Field(alias="_type")]
    subject: Annotated[tuple[Subject, ...], Field(min_length=1)]
    predicateType: Literal["https://slsa.dev/provenance/v1"]  # noqa: N815 - the format's name
    predicate: Predicate

    def text(self) -> str:
        """The text that is committed."""
        return self.model_dump_json(by_alias=True, indent=2, exclude_none=True) + "\n"

    @property
    def builder(self) -> str:
        """The builder that trained the model."""
        return self.predicate.runDetails.builder.id

    @property
    def commit(self) -> str:
        """The commit of the code; "" if it names none."""
        for each in self.predicate.buildDefinition.resolvedDependencies:
            if _COMMIT_KEY in each.digest:
                return each.digest[_COMMIT_KEY]
        return ""


def state_provenance(model: ModelVersion, package: Path, known: Provenance, builder: Builder) -> Statement:
    """The statement about a registered version and its package, whose provenance.json is `known`."""
    digests = file_digests(package)
    files = [Subject(name=name, digest={_SHA256: digests[name]}) for name in sorted(digests, key=str.encode)]
    whole = Subject(name=f"{model.name}:{model.version}", digest={_SHA256: model.digest.removeprefix(DIGEST_PREFIX)})
    data = known.data
    definition = BuildDefinition(
        buildType=BUILD_TYPE,
        externalParameters={
            "pipeline": PIPELINE_FILE.as_posix(),
            "data": f"{data.name}:{data.version}",
            "components": known.components,
        },
        internalParameters={"job": known.job},
        resolvedDependencies=(
            Dependency(
                name="source",
                uri=f"git+{builder.source}" if builder.source else None,
                digest={_COMMIT_KEY: known.git_commit},
            ),
            Dependency(name="data", uri=f"azureml:{data.name}:{data.version}", digest={_SHA256: data.sha256}),
            Dependency(name="environment", digest={_SHA256: known.environment.lock_sha256}),
        ),
    )
    details = RunDetails(
        builder=BuilderId(id=builder.id),
        metadata=Metadata(invocationId=builder.run or known.job, finishedOn=known.created),
    )
    return Statement(
        _type=STATEMENT_TYPE,
        subject=(whole, *files),
        predicateType=PREDICATE_TYPE,
        predicate=Predicate(buildDefinition=definition, runDetails=details),
    )


def statement_path(model: str, version: str) -> PurePosixPath:
    """The path of the statement about a model version, relative to the project's folder."""
    return STATEMENT_FOLDER / model / f"{version}.json"


def parse_statement(text: str, place: str) -> Statement:
    """A committed statement. Raises ProjectError for a text that `mlops` did not write."""
    try:
        return Statement.model_validate_json(text)
    except ValidationError as error:
        details = tuple(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        raise ProjectError(f"{place} is not a provenance statement", "Promote the model again.", details) from error
