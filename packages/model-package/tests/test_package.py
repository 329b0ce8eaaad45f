"""A package is found, proven, written and read back; whatever is wrong with it is named."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tiny_package import documents, write_package

from model_package.digest import checksums, file_digests, folder_digest, source_sha256
from model_package.errors import PackageError
from model_package.evaluation import PYFUNC, Estimate, Parity
from model_package.package import (
    BASELINE_FILE,
    EVALUATION_FILE,
    GOLDEN_FILE,
    PROVENANCE_FILE,
    ModelPackage,
    find_package,
    package_digest,
    read_schema,
    verify,
)
from model_package.provenance import extended_lineage, write_lineage

FILES = {
    "MLmodel": b"flavors: {}\n",
    "model.onnx": bytes(range(256)) * 5000,
    "schema.json": b"{}",
    "plots/roc.png": b"\x89PNG",
    "plots.txt": b"",
    "\u00e9t\u00e9.txt": "\u00e9".encode(),
    "Z": b"z",
}
# Computed once by `sha256sum` and `LC_ALL=C sort` on the files above.
KNOWN_DIGEST = "sha256:eef32c969915f21edd72b3206e212a5ecefb2716b83772651a4abc1798d5ebfd"


def write(folder: Path, names: list[str]) -> Path:
    for name in names:
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(FILES[name])
    return folder


def test_the_digest_is_the_known_one_in_whatever_order_files_are_written(tmp_path: Path):
    assert folder_digest(write(tmp_path / "one", list(FILES))) == KNOWN_DIGEST
    assert folder_digest(write(tmp_path / "other", list(reversed(FILES)))) == KNOWN_DIGEST


def test_checksums_are_what_sha256sum_prints(tmp_path: Path):
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "x.txt").write_text("x")
    (tmp_path / "Z.txt").write_text("z")

    assert checksums(file_digests(tmp_path)) == (
        b"594e519ae499312b29433b7dd8a97ff068defcba9755b6d5d00e84c524d67b06  Z.txt\n"
        b"2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881  b/x.txt\n"
    )
    # printf '%s  Z.txt\n%s  b/x.txt\n' "$(printf z | sha256sum | cut -c-64)" ... | sha256sum
    assert folder_digest(tmp_path) == "sha256:1d1a2d9ec562454f28e14ac561760674733bdbfb28ce00c06e7eeb3616ec601a"


@pytest.mark.parametrize("change", ["content", "name", "added", "removed"])
def test_every_change_changes_the_digest(tmp_path: Path, change: str):
    original = write(tmp_path / "original", list(FILES))
    changed = Path(shutil.copytree(original, tmp_path / "changed"))
    match change:
        case "content":
            (changed / "schema.json").write_bytes(b"{ }")
        case "name":
            (changed / "Z").rename(changed / "Y")
        case "added":
            (changed / "plots" / "empty").write_bytes(b"")
        case "removed":
            (changed / "plots.txt").unlink()

    assert folder_digest(changed) != folder_digest(original)


def test_line_endings_of_a_text_do_not_count_as_source(tmp_path: Path):
    for name, content in (("unix", b"a\nb\n"), ("windows", b"a\r\nb\r\n"), ("binary", b"\0\r\n"), ("other", b"\0\n")):
        (tmp_path / name).write_bytes(content)

    assert source_sha256(tmp_path / "unix") == source_sha256(tmp_path / "windows")
    assert source_sha256(tmp_path / "binary") != source_sha256(tmp_path / "other")


def test_a_package_is_read_back_as_it_was_written(tmp_path: Path):
    package = write_package(tmp_path / "package")

    assert ModelPackage.read(package) == documents()


def test_a_package_without_onnx_says_so_in_its_documents(tmp_path: Path):
    known = documents()
    parity = Parity(400, 1e-7, 1e-5, PYFUNC)
    without = replace(
        known,
        evaluation=known.evaluation.with_parity(parity),
        provenance=replace(known.provenance, model_digest="sha256:1"),
    )
    without.write(tmp_path)

    assert ModelPackage.read(tmp_path) == without
    assert set(json.loads((tmp_path / "evaluation.json").read_text())) & {"onnx_parity", "pyfunc_parity"} == {
        "pyfunc_parity"
    }


def test_it_is_found_at_any_depth_and_proven_by_its_digest(tmp_path: Path):
    package = write_package(tmp_path / "named-outputs" / "model_package")

    assert find_package(tmp_path) == package
    verify(package, package_digest(package))
    (package / GOLDEN_FILE).write_text("{}")
    with pytest.raises(PackageError, match=r"has digest sha256:.* but the release promises sha256:0000"):
        verify(package, "sha256:0000")


@pytest.mark.parametrize(
    ("folders", "says"),
    [([], "no model package below"), (["one", "two"], "more than one model package below .*: one, two")],
)
def test_a_folder_without_exactly_one_package_is_refused(tmp_path: Path, folders: list[str], says: str):
    for folder in folders:
        write(tmp_path / folder, ["model.onnx", "schema.json"])

    with pytest.raises(PackageError, match=says):
        find_package(tmp_path)
    with pytest.raises(PackageError, match="nowhere does not exist"):
        find_package(tmp_path / "nowhere")


BROKEN: list[tuple[str, dict[str, Any], str]] = [
    (BASELINE_FILE, {"rows": -1}, r"baseline\.json: rows must be a whole number of at least 0, found -1"),
    (BASELINE_FILE, {"features": {"age": {"edges": [0, 1], "counts": [1, 2]}}}, "features.age.mean is missing"),
    (BASELINE_FILE, {"probability": None}, r"baseline\.json: probability is missing"),
    (EVALUATION_FILE, {"metrics": {"roc_auc": 0.7}}, "metrics.roc_auc must be an object, found 0.7"),
    (EVALUATION_FILE, {"threshold": "high"}, "threshold must be a finite number, found 'high'"),
    (GOLDEN_FILE, {"cases": []}, "cases must hold at least one case"),
    (
        GOLDEN_FILE,
        {"cases": [{"request": {}, "probability": [0.1], "decision": []}]},
        r"cases\[0\]\.request must have one answer",
    ),
    (PROVENANCE_FILE, {"data": ["payers"]}, "data must be an object"),
]


@pytest.mark.parametrize(("name", "change", "says"), BROKEN, ids=[each[2][:40] for each in BROKEN])
def test_a_broken_document_is_refused_with_the_path_of_the_key(
    tmp_path: Path, name: str, change: dict[str, Any], says: str
):
    package = write_package(tmp_path / "package")
    document = json.loads((package / name).read_text())
    (package / name).write_text(json.dumps(document | change))

    with pytest.raises(PackageError, match=says):
        ModelPackage.read(package)


@pytest.mark.parametrize(
    ("content", "says"),
    [(None, "there is no schema.json in"), (b"{", "cannot be read as JSON"), (b"[1]", "must hold a JSON object")],
    ids=["missing", "broken", "a list"],
)
def test_a_file_that_is_no_document_is_refused(tmp_path: Path, content: bytes | None, says: str):
    if content is not None:
        (tmp_path / "schema.json").write_bytes(content)

    with pytest.raises(PackageError, match=says):
        read_schema(tmp_path)


def test_bins_that_do_not_fit_their_counts_are_refused(tmp_path: Path):
    package = write_package(tmp_path / "package")
    document = json.loads((package / BASELINE_FILE).read_text())
    for change in ({"counts": [1]}, {"edges": [3, 2, 1], "counts": [1, 1]}):
        spoiled = document | {"probability": document["probability"] | change}
        (package / BASELINE_FILE).write_text(json.dumps(spoiled))
        with pytest.raises(PackageError, match="do not fit the bins"):
            ModelPackage.read(package)


def test_importance_weights_add_up_whatever_the_evaluation_states():
    evaluation = documents().evaluation

    assert evaluation.importance_weights(("age", "income", "kind")) == pytest.approx(
        {"age": 1 / 3, "income": 2 / 3, "kind": 0}
    )
    assert evaluation.importance_weights(("other", "names")) == {"other": 0.5, "names": 0.5}
    assert evaluation.estimate("unknown") == Estimate()


def test_lineage_is_handed_from_step_to_step(tmp_path: Path):
    for name, version in (("first", "1.0.0"), ("second", "2.1.0")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "component.yml").write_text(f"name: {name}\nversion: {version}\n")
    out = tmp_path / "out"
    out.mkdir()

    write_lineage(out, None, str(tmp_path / "first" / "first.py"))

    step = str(tmp_path / "second" / "second.py")
    assert extended_lineage(out, step) == {"first": "1.0.0", "second": "2.1.0"}
    (tmp_path / "second" / "component.yml").write_text("name: second\n")
    with pytest.raises(ValueError, match="states no version"):
        extended_lineage(out, step)
