"""releases/<stage>.yml as frozen objects, and how a release is written into a manifest so that the diff of a pull
request shows what changed and nothing else.

stages/release_history.py checks which stage a release may come from.
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, ClassVar, Final

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from mlops.core.documents import Part, PlainName, YamlFile, parse_checked, read_checked, read_text, read_yaml
from mlops.core.errors import ProjectError
from mlops.core.layout import demo_hint
from mlops.core.yaml_nodes import compose
from mlops.settings.project import BATCH, KUBERNETES, NO_ONLINE_ENDPOINT, AssetName, Serving
from mlops.settings.stages import StageName

RELEASE_FOLDER: Final = Path("releases")
# Its files besides manifests, gates.yml and provenance.yml.
RULE_NAMES: Final = ("monitor", "protection", "retirement", "retraining")
WHOLE_TRAFFIC: Final = 100
# The default limit for a rollout step without evidence: Azure takes minutes to deploy.
PROGRESS_DEADLINE_SECONDS: Final = 1_200.0

# Azure mirrors at most half of an endpoint's traffic.
MirrorPercentage = Annotated[int, Field(ge=0, le=50)]
TrafficPercentage = Annotated[int, Field(ge=1, le=WHOLE_TRAFFIC)]
Hours = Annotated[float, Field(ge=0, le=8_760, allow_inf_nan=False)]
Milliseconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
# "unknown" and "-dirty" are facts that a manifest may state; a gate decides whether a stage accepts them.
GitCommit = Annotated[str, Field(pattern=r"^([0-9a-f]{40}([0-9a-f]{24})?(-dirty)?|unknown)$")]
Sha256 = Annotated[str, Field(pattern=r"^([0-9a-f]{64}|unknown)$")]
Digest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]


class Model(Part):
    """The registered model that a stage runs; the digest is of its whole package."""

    name: AssetName
    version: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+$", max_length=255)]
    digest: Digest


class Data(Part):
    """The data asset that the model was trained on, and the sha256 of the file."""

    name: PlainName
    version: PlainName
    sha256: Sha256


class Source(Part):
    """Where the model comes from: the previous stage, the job that produced it, its code and its data."""

    stage: StageName
    job: PlainName
    git_commit: GitCommit
    data: Data


class Release(Part):
    """One model and where it comes from."""

    model: Model
    source: Source


class Load(Part):
    """The load test that a new deployment must pass within the SLO before it gets traffic; 0 seconds skips it."""

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
    def _increases_to_whole_traffic(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if list(value) != sorted(set(value)) or value[-1] != WHOLE_TRAFFIC:
            raise ValueError(f"must increase and end with {WHOLE_TRAFFIC}, such as [10, 50, 100]")
        return value


class Slo(Part):
    """What callers are promised: latency percentiles and the share of requests that may fail, 0 to 1."""

    p95_milliseconds: Milliseconds
    p99_milliseconds: Milliseconds
    error_rate: Annotated[float, Field(ge=0, le=1)]

    @model_validator(mode="after")
    def _percentiles_in_order(self) -> Slo:
        if self.p99_milliseconds < self.p95_milliseconds:
            raise ValueError("p99_milliseconds must not be below p95_milliseconds")
        return self


class Manifest(YamlFile):
    """A stage's release (None before the first), its rollout and its SLO.

    `wait_hours`: how long the previous stage must have run a model before it is proposed here automatically.
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
    """The path of a manifest relative to the project's folder."""
    return PurePosixPath(RELEASE_FOLDER.as_posix()) / f"{stage}.yml"


def read_manifest(file: Path) -> Manifest:
    """Read and check a manifest. Raises ProjectError naming file, line, key and what to do."""
    return read_checked(file, Manifest).value


def nothing_released(root: Path, stage: StageName) -> ProjectError:
    """The error of a command that needs a release where the stage's manifest has none."""
    return ProjectError(
        f"nothing is released to {stage} yet: `release` in {manifest_path(stage)} is null",
        f"Promote what the previous stage runs: `mlops promote --to {stage}`. {demo_hint(root)}".rstrip(),
    )


def parse_manifest(text: str, stage: StageName) -> Manifest:
    """Check the text of the manifest of `stage` at some revision. Raises ProjectError as `read_manifest` does."""
    return parse_checked(text, RELEASE_FOLDER / f"{stage}.yml", Manifest).value


class _OnlyRelease(BaseModel):
    # The rest of a past manifest, in whatever format, is ignored.
    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    release: Release | None


def parse_release(text: str, stage: StageName) -> Release | None:
    """What the manifest of `stage` released at some revision, in any format. Raises ProjectError."""
    return parse_checked(text, RELEASE_FOLDER / f"{stage}.yml", _OnlyRelease).value.release


MIRROR: Final = "mirror"


@dataclass(frozen=True)
class SkippedPhase:
    """A phase of a rollout that a manifest requests but that is skipped, with the reason."""

    phase: str
    reason: str


def skipped_phases(rollout: Rollout, serving: Serving) -> tuple[SkippedPhase, ...]:
    """The phases of a rollout that Azure does not offer on this kind of serving."""
    if serving == BATCH:
        phases = {
            "load": rollout.load.seconds > 0,
            MIRROR: rollout.mirror_percentage > 0,
            "traffic": rollout.traffic_steps != (WHOLE_TRAFFIC,),
            "slo": True,
        }
        return tuple(SkippedPhase(phase, NO_ONLINE_ENDPOINT) for phase, is_asked in phases.items() if is_asked)
    if serving == KUBERNETES and rollout.mirror_percentage:
        reason = f"Azure cannot mirror traffic on Kubernetes (mirror_percentage {rollout.mirror_percentage})"
        return (SkippedPhase(MIRROR, reason),)
    return ()


_RELEASE_KEY: Final = "release"
_NOTHING: Final = re.compile(r"release:[ \t]*(?:null|Null|NULL|~)?(?P<comment>[ \t]+#.*)?\s*")
# Longer than any line, so that no value is ever wrapped.
_LINE_WIDTH: Final = 100_000


def write_release(file: Path, release: Release) -> bool:
    """Write `release` into the manifest; False if the manifest already has it.

    The file is replaced atomically, so that an interrupted command leaves the old or the new one.
    Raises ProjectError for a manifest that cannot be read, or cannot be written without losing content.
    """
    before = read_manifest(file)
    if before.release == release:
        return False
    text = _first_release(file, release) if before.release is None else _next_release(file, release)
    draft = file.with_name(f".{file.name}.draft")
    draft.write_text(text, encoding="utf-8")
    try:
        _check(read_manifest(draft), release, file)
        draft.replace(file)
    finally:
        draft.unlink(missing_ok=True)
    return True


def without_release(text: str) -> bytes:
    """A manifest's text with nothing released; comments, order and layout stay."""
    emptied = change_values(text, {_RELEASE_KEY: None})
    return re.sub(rf"^{_RELEASE_KEY}:[ \t]*$", f"{_RELEASE_KEY}: null", emptied, flags=re.MULTILINE).encode()


def change_values(text: str, values: dict[str, Any]) -> str:
    """A YAML file's text with some values changed or added, by key; comments, order and layout stay.

    An entry of a list goes by its `name`: {"stages": {"prod": {…}}} changes the entry that is called prod.
    """
    # Within limits: what ruamel.yaml reads has none.
    compose(text)
    document = _yaml().load(text)
    _update(document, values)
    return _dump(document)


def _check(written: Manifest, release: Release, file: Path) -> None:
    if written.release != release:
        raise ProjectError(
            f"{file} cannot be written without losing content",
            "Write its `release` in the plain form of the template: one key per line, no anchors.",
        )


def _first_release(file: Path, release: Release) -> str:
    """Replace the line `release: null` by the release; all other bytes stay."""
    lines = read_text(file).splitlines(keepends=True)
    at = read_yaml(file).lines[(_RELEASE_KEY,)] - 1
    empty = _NOTHING.fullmatch(lines[at])
    if not empty:
        raise ProjectError(f"{file}:{at + 1}: the empty release is not on one line", "Write `release: null`.")
    block = _dump({_RELEASE_KEY: _plain(release)}).splitlines(keepends=True)
    lines[at : at + 1] = [f"{_RELEASE_KEY}:{empty['comment'] or ''}\n", *block[1:]]
    return "".join(lines)


def _next_release(file: Path, release: Release) -> str:
    """Change the values that differ; comments, order and layout stay."""
    return change_values(read_text(file), {_RELEASE_KEY: _plain(release)})


def _update(old: Any, new: dict[str, Any]) -> None:
    if isinstance(old, list):
        old = {entry["name"]: entry for entry in old}
    for key, value in new.items():
        if isinstance(value, dict) and isinstance(old.get(key), dict | list):
            _update(old[key], value)
        elif key not in old or old[key] != value:
            old[key] = value


def _plain(release: Release) -> dict[str, Any]:
    values = release.model_dump(mode="json")
    # Always quoted: "3" and "2026-11-20" would otherwise be read back as a number and a date.
    values["model"]["version"] = DoubleQuotedScalarString(release.model.version)
    values["source"]["data"]["version"] = DoubleQuotedScalarString(release.source.data.version)
    return values


def _dump(document: Any) -> str:
    stream = io.StringIO()
    _yaml().dump(document, stream)
    return stream.getvalue()


def _yaml() -> YAML:
    yaml = YAML(typ="rt", pure=True)
    yaml.preserve_quotes = True
    yaml.width = _LINE_WIDTH
    yaml.indent(mapping=2, sequence=4, offset=2)
    return yaml


@dataclass(frozen=True)
class RolloutTiming:
    """How long each step is watched, and the duration and rate of the load test before the first one, in seconds.

    The latencies are lower limits for what the SLO allows a new deployment.
    """

    soak_seconds: float
    load_seconds: float
    requests_per_second: float
    p95_milliseconds: float
    p99_milliseconds: float


def with_timing(text: str, stage: StageName, timing: RolloutTiming) -> bytes:
    """A manifest's text in which no step takes longer than `timing` says. Raises ProjectError without a manifest."""
    manifest = parse_manifest(text, stage)
    rollout, slo = manifest.rollout, manifest.slo
    values = {
        "rollout": {
            "soak_seconds": min(rollout.soak_seconds, timing.soak_seconds),
            "load": {
                "requests_per_second": min(rollout.load.requests_per_second, timing.requests_per_second),
                "seconds": min(rollout.load.seconds, timing.load_seconds),
            },
        },
        "slo": {
            "p95_milliseconds": max(slo.p95_milliseconds, timing.p95_milliseconds),
            "p99_milliseconds": max(slo.p99_milliseconds, timing.p99_milliseconds),
        },
    }
    quicker = change_values(text, values)
    parse_manifest(quicker, stage)
    return quicker.encode()
