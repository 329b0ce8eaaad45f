"""Manifests of releases: what is read, what is refused, and how little a written release changes."""

import difflib
import shutil
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from mlops.core.errors import ProjectError
from mlops.settings.releases import Release, manifest_file, parse_release, read_manifest, without_release, write_release
from mlops.settings.stages import StageName, StageOrder

ORDER = StageOrder(("dev", "staging", "prod"))

ROOT = Path(__file__).parents[4]
COMMIT = "1f" * 20


def release(version: str = "3", *, stage: str = "dev", **model: str) -> Release:
    facts: dict[str, Any] = {
        "model": {"name": "credit-default", "version": version, "digest": "sha256:" + "a" * 64} | model,
        "source": {
            "stage": stage,
            "job": "polite_fox_1",
            "git_commit": COMMIT,
            "data": {"name": "credit-default", "version": "2026-11-20", "sha256": "b" * 64},
        },
    }
    return Release.model_validate(facts)


@pytest.fixture
def staging(tmp_path: Path) -> Path:
    return Path(shutil.copy(manifest_file(ROOT, "staging"), tmp_path))


@pytest.mark.parametrize("stage", ORDER.names)
def test_the_templates_manifests_release_nothing_yet(stage: StageName) -> None:
    manifest = read_manifest(manifest_file(ROOT, stage))

    assert manifest.rollout.traffic_steps[-1] == 100


def test_the_first_release_replaces_one_line_and_nothing_else(staging: Path) -> None:
    before = staging.read_text().splitlines()

    changed = write_release(staging, release())

    after = staging.read_text().splitlines()
    removed = [line for line in difflib.ndiff(before, after) if line.startswith("- ")]
    assert changed
    assert removed == ["- release: null"]
    assert read_manifest(staging).release == release()


def test_the_next_release_changes_only_the_lines_that_differ(staging: Path) -> None:
    write_release(staging, release())
    staging.write_text(staging.read_text().replace("  source:", "  # reviewed by Ada\n  source: # from dev"))
    before = staging.read_text().splitlines()

    write_release(staging, release("4", digest="sha256:" + "c" * 64))

    difference = list(difflib.ndiff(before, staging.read_text().splitlines()))
    added = [line.removeprefix("+ ").strip() for line in difference if line.startswith("+ ")]
    assert added == ['version: "4"', "digest: sha256:" + "c" * 64]
    assert sum(line.startswith("- ") for line in difference) == 2


def test_writing_the_same_release_keeps_every_byte(staging: Path) -> None:
    write_release(staging, release())
    before = staging.read_bytes()

    changed = write_release(staging, release())

    assert not changed
    assert staging.read_bytes() == before


def test_the_same_release_is_written_in_the_same_bytes_every_time(staging: Path, tmp_path: Path) -> None:
    other = Path(shutil.copy(staging, tmp_path / "other.yml"))
    for file in (staging, other):
        write_release(file, release())

    assert staging.read_bytes() == other.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other.yml", "staging.yml"]


def test_text_that_looks_like_a_number_comes_back_as_text(staging: Path) -> None:
    poll = release("1e3", name="1234")

    write_release(staging, poll)

    assert read_manifest(staging).release == poll


def test_a_comment_beside_the_empty_release_stays(staging: Path) -> None:
    staging.write_text(staging.read_text().replace("release: null", "release: # ask the risk team"))

    write_release(staging, release())

    assert "release: # ask the risk team\n  model:" in staging.read_text()


@pytest.mark.parametrize(
    ("old", "new", "line", "key", "says"),
    [
        ("  soak_seconds:", "  soak_second:", 13, "rollout.soak_second", "unknown key"),
        ("slo:", "slow:", 20, "slow", "unknown key"),
        ("[10, 50, 100]", "[50, 10, 100]", 12, "rollout.traffic_steps", "must increase"),
        ("[10, 50, 100]", "[10, 50]", 12, "rollout.traffic_steps", "end with 100"),
        ("mirror_percentage: 10", "mirror_percentage: 60", 11, "rollout.mirror_percentage", "50"),
        ("p99_milliseconds: 300", "p99_milliseconds: 30", 20, "slo", "must not be below p95"),
        ("error_rate: 0.001", "error_rate: 1.5", 23, "slo.error_rate", "less than or equal to 1"),
        ("error_rate: 0.001", "error_rate: .nan", 23, "slo.error_rate", "less than or equal to 1"),
        ("release: null", "", 1, "release", "is missing"),
    ],
    ids=lambda value: str(value)[:24],
)
def test_a_wrong_manifest_is_refused_with_file_line_and_key(
    staging: Path, old: str, new: str, line: int, key: str, says: str
) -> None:
    staging.write_text(staging.read_text().replace(old, new))

    with pytest.raises(ProjectError) as refused:
        read_manifest(staging)

    sentences = "\n".join(refused.value.details)
    assert f"staging.yml:{line}: {key}: " in sentences
    assert says in sentences
    assert refused.value.advice


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('version: "3"', "version: 3", "put it in quotes"),
        ("sha256:" + "a" * 64, "sha256:" + "a" * 63, "release.model.digest"),
        ("stage: dev", "stage: Dev!", "release.source.stage"),
    ],
)
def test_a_wrong_release_is_refused(staging: Path, old: str, new: str, says: str) -> None:
    write_release(staging, release())
    staging.write_text(staging.read_text().replace(old, new))

    with pytest.raises(ProjectError) as refused:
        read_manifest(staging)

    assert says in refused.value.details[0]


def test_the_name_that_a_key_has_since_format_1_is_told(staging: Path) -> None:
    staging.write_text(staging.read_text().replace("progress_deadline_seconds:", "patience_seconds:"))

    with pytest.raises(ProjectError) as refused:
        read_manifest(staging)

    (told,) = refused.value.details
    assert told.startswith("staging.yml:14: rollout.patience_seconds: is called `progress_deadline_seconds` since")


def test_a_manifest_of_before_format_1_is_refused_but_its_release_can_be_read(staging: Path) -> None:
    write_release(staging, release())
    old = staging.read_text().replace("format: 1\n", "").replace("progress_deadline_seconds:", "patience_seconds:")
    staging.write_text(old)

    with pytest.raises(ProjectError) as refused:
        read_manifest(staging)

    assert "write `format: 1` at the top" in refused.value.details[0]
    assert parse_release(old, "staging") == release()


def test_a_manifest_without_its_release_is_what_it_was_before(staging: Path) -> None:
    before = staging.read_bytes()
    write_release(staging, release())

    assert without_release(staging.read_text()) == before


def test_a_merge_conflict_is_named_with_its_line(staging: Path) -> None:
    staging.write_text(staging.read_text().replace("release: null", "<<<<<<< HEAD\nrelease: null\n======="))

    with pytest.raises(ProjectError, match=r"staging\.yml:\d+"):
        read_manifest(staging)


def test_a_missing_manifest_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ProjectError) as refused:
        read_manifest(tmp_path / "staging.yml")

    assert "git" in refused.value.advice


@pytest.mark.parametrize("key", ["name", "version"])
@pytest.mark.parametrize("letter", ["\u0435", "\uff11", "\u0301", "\u200b", "\u00e9"])
def test_a_model_is_named_in_ascii(key: str, letter: str) -> None:
    with pytest.raises(ValidationError):
        release(**{key: f"credit-d{letter}fault"})


@pytest.mark.parametrize("place", ["job", "data.name", "data.version"])
def test_what_a_model_comes_from_is_named_in_ascii(place: str) -> None:
    document = release().model_dump(mode="json")
    *parents, key = place.split(".")
    inner = document["source"]
    for each in parents:
        inner = inner[each]
    inner[key] = "polit\u0435"

    with pytest.raises(ValidationError, match="cyrillic small letter ie"):
        Release.model_validate(document)
