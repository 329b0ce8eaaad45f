"""Puts a release into a manifest so that the difference in a pull request shows what changed and no more.

Comments and the order of keys stay; a manifest that holds the release already keeps every byte.
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from mlops.core.documents import read_yaml
from mlops.core.errors import ProjectError
from mlops.settings.releases import Manifest, Release, parse_manifest, read_manifest
from mlops.settings.stages import StageName

_RELEASE_KEY: Final = "release"
_NOTHING: Final = re.compile(r"release:[ \t]*(?:null|Null|NULL|~)?(?P<comment>[ \t]+#.*)?\s*")
# Longer than any line, so that no value is ever wrapped.
_LINE_WIDTH: Final = 100_000


def write_release(file: Path, release: Release) -> bool:
    """Write `release` into the manifest; False when it already is what the manifest says.

    The file changes in one step, so that an interrupted command leaves the old or the new one.
    Raises ProjectError for a manifest that cannot be read, or written without losing something.
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
    document = _yaml().load(text)
    _update(document, values)
    return _dump(document)


def _check(written: Manifest, release: Release, file: Path) -> None:
    if written.release != release:
        raise ProjectError(
            f"{file} cannot be written without losing something",
            "Write its `release` in the plain form of the template: one key per line, no anchors.",
        )


def _first_release(file: Path, release: Release) -> str:
    """Replace the line `release: null` by the release; all other bytes stay."""
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
    at = read_yaml(file).lines[(_RELEASE_KEY,)] - 1
    empty = _NOTHING.fullmatch(lines[at])
    if not empty:
        raise ProjectError(f"{file}:{at + 1}: the empty release is not written in one line", "Write `release: null`.")
    block = _dump({_RELEASE_KEY: _plain(release)}).splitlines(keepends=True)
    lines[at : at + 1] = [f"{_RELEASE_KEY}:{empty['comment'] or ''}\n", *block[1:]]
    return "".join(lines)


def _next_release(file: Path, release: Release) -> str:
    """Change the values that differ; comments, order and layout stay."""
    return change_values(file.read_text(encoding="utf-8"), {_RELEASE_KEY: _plain(release)})


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
    # Quoted always: "3" and "2026-11-20" would otherwise be read back as a number and a date.
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
    """How long a step is watched, and how long the load before the first one lasts, in seconds, at which rate.

    The latencies are those that a new deployment may have at least.
    """

    soak_seconds: float
    load_seconds: float
    requests_per_second: float
    p95_milliseconds: float
    p99_milliseconds: float


def with_timing(text: str, stage: StageName, timing: RolloutTiming) -> bytes:
    """A manifest's text in which no step takes longer than `timing` says. Raises ProjectError for no manifest."""
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
