"""releases/<stage>.yml as frozen objects: the shape of a release and of how it is rolled out.

manifest_files.py writes them; which stage a release may come from is judged by stages/release_history.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, ClassVar, Final

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from mlops.core.documents import Part, YamlFile, parse_checked, read_checked
from mlops.settings.project import KUBERNETES, AssetName, Serving
from mlops.settings.stages import StageName

RELEASE_FOLDER: Final = Path("releases")
WHOLE_TRAFFIC: Final = 100
# How long a step of a rollout may go without evidence where a release does not say: Azure takes minutes to deploy.
PROGRESS_DEADLINE_SECONDS: Final = 1_200.0

# Azure mirrors at most half of an endpoint's traffic.
MirrorPercentage = Annotated[int, Field(ge=0, le=50)]
TrafficPercentage = Annotated[int, Field(ge=1, le=WHOLE_TRAFFIC)]
Hours = Annotated[float, Field(ge=0, le=8_760, allow_inf_nan=False)]
Milliseconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
# "unknown" and "-dirty" are facts that a manifest may state; whether a stage accepts them, a gate decides.
GitCommit = Annotated[str, Field(pattern=r"^([0-9a-f]{40}([0-9a-f]{24})?(-dirty)?|unknown)$")]
Sha256 = Annotated[str, Field(pattern=r"^([0-9a-f]{64}|unknown)$")]
Digest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
Text = Annotated[str, Field(min_length=1, max_length=255)]


class Model(Part):
    """The registered model that a stage runs; the digest is over its whole package."""

    name: AssetName
    version: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+$", max_length=255)]
    digest: Digest


class Data(Part):
    """The data asset that the model was trained on, and the sha256 of the file."""

    name: Text
    version: Text
    sha256: Sha256


class Source(Part):
    """Where the model comes from: the stage before, the job that made it, its code and its data."""

    stage: StageName
    job: Text
    git_commit: GitCommit
    data: Data


class Release(Part):
    """One model and where it comes from."""

    model: Model
    source: Source


class Load(Part):
    """The load that a new deployment must bear within the SLO before it gets traffic; 0 seconds skips it."""

    requests_per_second: Annotated[float, Field(gt=0, le=10_000, allow_inf_nan=False)]
    seconds: Annotated[float, Field(ge=0, le=3_600, allow_inf_nan=False)]


class Rollout(Part):
    """How traffic moves to a new deployment: a mirrored share, then rising percentages, each soaked."""

    mirror_percentage: MirrorPercentage
    traffic_steps: Annotated[tuple[TrafficPercentage, ...], Field(min_length=1, strict=False)]
    soak_seconds: Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False)]
    progress_deadline_seconds: Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)] = PROGRESS_DEADLINE_SECONDS
    load: Load

    @field_validator("traffic_steps")
    @classmethod
    def _rises_to_everything(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if list(value) != sorted(set(value)) or value[-1] != WHOLE_TRAFFIC:
            raise ValueError(f"must rise from step to step and end with {WHOLE_TRAFFIC}, such as [10, 50, 100]")
        return value


class Slo(Part):
    """What callers are promised: latency percentiles and the share of requests that may fail, 0 to 1."""

    p95_milliseconds: Milliseconds
    p99_milliseconds: Milliseconds
    error_rate: Annotated[float, Field(ge=0, le=1)]

    @model_validator(mode="after")
    def _percentiles_in_order(self) -> Slo:
        if self.p99_milliseconds < self.p95_milliseconds:
            raise ValueError("p99_milliseconds lies below p95_milliseconds; it cannot")
        return self


class Manifest(YamlFile):
    """A stage's release (None before the first), how it is rolled out and what callers are promised.

    `wait_hours`: how long the stage before must have run a model before it is proposed here by itself.
    """

    renamed_keys: ClassVar = {"patience_seconds": "progress_deadline_seconds"}

    rollout: Rollout
    slo: Slo
    wait_hours: Hours = 0.0
    release: Release | None


def manifest_file(root: Path, stage: StageName) -> Path:
    """The manifest of a stage in the project folder `root`."""
    return root / RELEASE_FOLDER / f"{stage}.yml"


def manifest_path(stage: StageName) -> PurePosixPath:
    """Where it lies in a repository, from the project's folder on."""
    return PurePosixPath(RELEASE_FOLDER.as_posix()) / f"{stage}.yml"


def read_manifest(file: Path) -> Manifest:
    """Read and check a manifest. Raises ProjectError naming file, line, key and what to do."""
    return read_checked(file, Manifest).value


def parse_manifest(text: str, stage: StageName) -> Manifest:
    """Check the text of the manifest of `stage` at some revision. Raises ProjectError as `read_manifest` does."""
    return parse_checked(text, RELEASE_FOLDER / f"{stage}.yml", Manifest).value


class _OnlyRelease(BaseModel):
    # Whatever else a manifest said, in whatever format, is not asked of the past.
    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    release: Release | None


def parse_release(text: str, stage: StageName) -> Release | None:
    """What the manifest of `stage` released at some revision, whatever its format. Raises ProjectError."""
    return parse_checked(text, RELEASE_FOLDER / f"{stage}.yml", _OnlyRelease).value.release


MIRROR: Final = "mirror"


@dataclass(frozen=True)
class SkippedPhase:
    """A phase of a rollout that a manifest asks for and that is skipped, with the reason."""

    phase: str
    reason: str


def skipped_phases(rollout: Rollout, serving: Serving) -> tuple[SkippedPhase, ...]:
    """The phases of a rollout that Azure does not offer on this kind of serving."""
    if serving == KUBERNETES and rollout.mirror_percentage:
        reason = f"Azure mirrors no traffic on Kubernetes (mirror_percentage {rollout.mirror_percentage})"
        return (SkippedPhase(MIRROR, reason),)
    return ()
