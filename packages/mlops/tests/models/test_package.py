import json
import shutil
from pathlib import Path

import pytest

from mlops.core.errors import JobFailed
from mlops.models.evaluation import Metric, read_metrics
from mlops.models.package import find_package, package_digest, read_document
from model_package.digest import folder_digest

ROOT = Path(__file__).parents[4]
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


def test_digest_is_the_known_one(tmp_path: Path) -> None:
    assert package_digest(write(tmp_path, list(FILES))) == KNOWN_DIGEST


def test_digest_does_not_depend_on_the_order_of_writing(tmp_path: Path) -> None:
    one = write(tmp_path / "one", list(FILES))
    other = write(tmp_path / "other", list(reversed(FILES)))

    assert package_digest(one) == package_digest(other)


def test_digest_is_the_one_that_serving_computes(tmp_path: Path) -> None:
    package = write(tmp_path, list(FILES))

    assert package_digest(package) == folder_digest(package)


@pytest.mark.parametrize("change", ["content", "name", "added", "removed"])
def test_every_change_changes_the_digest(tmp_path: Path, change: str) -> None:
    # given
    original = write(tmp_path / "original", list(FILES))
    changed = Path(shutil.copytree(original, tmp_path / "changed"))

    # when
    match change:
        case "content":
            (changed / "schema.json").write_bytes(b"{ }")
        case "name":
            (changed / "Z").rename(changed / "Y")
        case "added":
            (changed / "plots" / "empty").write_bytes(b"")
        case "removed":
            (changed / "plots.txt").unlink()

    # then
    assert package_digest(changed) != package_digest(original)


def test_package_is_found_below_the_output(tmp_path: Path) -> None:
    package = write(tmp_path / "named-outputs" / "model_package", list(FILES))

    assert find_package(tmp_path) == package


def test_output_without_a_package_is_told(tmp_path: Path) -> None:
    with pytest.raises(JobFailed, match="found 0"):
        find_package(tmp_path)


def test_metrics_are_read_with_their_intervals(tmp_path: Path) -> None:
    document = {"metrics": {"roc_auc": {"value": 0.78, "low": 0.77, "high": 0.79}, "rows": 3}}
    (tmp_path / "evaluation.json").write_text(json.dumps(document))

    assert read_metrics(tmp_path) == {"roc_auc": Metric(0.78, 0.77, 0.79), "rows": Metric(3.0)}


@pytest.mark.parametrize(
    "document", ['{"metrics": {}}', "{}", "[]", "{", '{"metrics": {"auc": null}}'], ids=lambda text: text
)
def test_evaluation_without_metrics_is_refused(tmp_path: Path, document: str) -> None:
    (tmp_path / "evaluation.json").write_text(document)

    with pytest.raises(JobFailed, match=r"evaluation\.json"):
        read_metrics(tmp_path)


def test_missing_document_is_named(tmp_path: Path) -> None:
    with pytest.raises(JobFailed, match=r"golden\.json"):
        read_document(tmp_path, "golden.json")
