"""`mlops init --into`: a further model in the same repository, which `mlops check` sees at the top."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from forks import Fork
from project_copy import copy_project, git

NOT_COPIED = ("packages/", "docs/", "benchmarks/", "infra/")


@pytest.fixture(scope="module")
def fork(tmp_path_factory: pytest.TempPathFactory) -> Fork:
    """The template's own model at the top, and a further one from a table."""
    folder = tmp_path_factory.mktemp("fork") / "project"
    folder.mkdir()
    copy_project(folder, without=NOT_COPIED)
    table = folder.parent / "price.csv"
    rows = [
        f"{number % 7},{'north' if number % 3 else 'south'},{number % 7 * 2.5 + number % 3}" for number in range(400)
    ]
    table.write_text("\n".join(["rooms,region,price", *rows]))
    made = Fork(folder, table)
    made.run("init", "--into", "models/price", "--data", str(table), "--target", "price", "--keep-rules")
    (folder / "models/price/releases/gates.yml").write_text(_without_rules(folder, "gates"))
    (folder / "models/price/releases/monitor.yml").write_text(_without_rules(folder, "monitor"))
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "A second model")
    return made


def _without_rules(folder: Path, name: str) -> str:
    """Rules that fit any task: those of a binary model, which `--keep-rules` left, do not."""
    document = yaml.safe_load((folder / f"models/price/releases/{name}.yml").read_text())
    measures = {
        "gates": ["digest_differences"],
        "monitor": ["rows", "broken_share", "missing_features", "failure_share"],
    }[name]
    rules = [rule for rule in document["rules"] if rule["measure"] in measures]
    return yaml.safe_dump(
        {**document, "slices": [], "rules": rules} | ({"retrain_on": []} if name == "monitor" else {})
    )


def test_both_are_checked_at_the_top_and_each_in_its_folder(fork: Fork) -> None:
    inside = Fork(fork.folder / "models/price", fork.table)

    assert fork.run("check") == "all checks passed\n"
    assert inside.run("check") == "all checks passed\n"
    assert fork.run("--project", "models/price", "stages", "list").count("price-") == 3


def test_it_has_names_workflows_and_owners_of_its_own_and_releases_nothing(fork: Fork) -> None:
    model = fork.folder / "models" / "price"
    workflows = {file.name for file in (fork.folder / ".github" / "workflows").glob("price-*.yml")}

    assert yaml.safe_load((model / "project.yml").read_text())["model"] == "price"
    assert {"price-train.yml", "price-deploy.yml", "price-gate.yml", "price-ci.yml"} <= workflows
    assert "/.github/workflows/price-train.yml@refs/heads/main" in (model / "releases/provenance.yml").read_text()
    assert "/models/price/releases/ @" in (fork.folder / ".github/CODEOWNERS").read_text()
    assert yaml.safe_load((model / "releases/prod.yml").read_text())["release"] is None
    assert not (model / "tests/supply").exists()
    assert git(fork.folder, "status", "--porcelain") == ""


def test_azure_pipelines_has_files_for_it_as_github_has(fork: Fork) -> None:
    folder = fork.folder / ".azuredevops"
    own = {file.name.removeprefix("price-"): yaml.safe_load(file.read_text()) for file in folder.glob("price-*.yml")}

    assert {"train.yml", "deploy.yml", "promote.yml", "monitor.yml", "gate.yml", "ci.yml"} <= own.keys()
    for name, pipeline in own.items():
        assert pipeline["variables"] == {"MLOPS_PROJECT": "models/price"}
        assert pipeline["name"].startswith(f"price-{name.removesuffix('.yml')}-")
        # What it includes is there.
        templates = [step["template"] for step in nodes(pipeline) if "template" in step]
        assert all((folder / template).is_file() for template in templates)
    paths = own["train.yml"]["trigger"]["paths"]["include"]
    assert paths
    assert all(path.startswith("models/price/") for path in paths)
    assert own["deploy.yml"]["trigger"]["paths"]["include"] == ["models/price/releases/*.yml"]
    assert [stage["stage"] for stage in own["gate.yml"]["stages"]] == ["gate"]
    scripts = [step["script"] for step in nodes(own["ci.yml"]) if "script" in step]
    assert "uv run --directory models/price pytest" in scripts


def nodes(value: Any) -> Iterator[dict[str, Any]]:
    """Every mapping in a document."""
    if isinstance(value, dict):
        yield value
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from nodes(each)


@pytest.mark.parametrize(
    ("file", "old", "new", "sentence"),
    [
        ("models/price/project.yml", "model: price", "model: credit-default", "`model` is 'credit-default', as in"),
        (
            "models/price/project.yml",
            "endpoint: price-prod",
            "endpoint: credit-default-prod",
            "the endpoint credit-default-prod of prod is that of",
        ),
        ("models/price/schema.yml", "type: integer", "type: intger", "models/price/"),
        (".github/workflows/price-train.yml", "models/price/data/**", "data/**", "differs from what the file"),
        (".azuredevops/price-train.yml", "models/price/data", "data", "differs from what the file"),
        ("models/price/environments/versions.lock.yml", "2.0.0: sha256:", "2.0.0: sha256:0", "other content than in"),
    ],
    ids=["a model's name", "an endpoint", "its schema", "its workflow", "its pipeline", "its environment"],
)
def test_what_is_wrong_with_it_is_found_at_the_top(fork: Fork, file: str, old: str, new: str, sentence: str) -> None:
    path = fork.folder / file
    before = path.read_text()
    assert old in before
    path.write_text(before.replace(old, new, 1))
    try:
        done = fork.attempt("check")
    finally:
        path.write_text(before)

    assert done.returncode != 0
    assert sentence in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--into", "models/price", "--target", "price"], "models/price exists"),
        (["--into", "price", "--target", "price"], "price is not a folder for a further model"),
        (["--into", "models/other", "--target", "nowhere"], "nowhere"),
    ],
    ids=["a folder that exists", "a folder elsewhere", "a target that is absent"],
)
def test_one_that_cannot_be_made_leaves_nothing(fork: Fork, words: list[str], sentence: str) -> None:
    done = fork.attempt("init", "--data", str(fork.table), *words)

    assert done.returncode != 0
    assert sentence in done.stderr
    assert git(fork.folder, "status", "--porcelain") == ""
