"""What can change a model, or a rule that judges one, has an owner on each git host."""

from __future__ import annotations

import shutil
from pathlib import Path, PurePosixPath

import pytest

from mlops.checks.protection import check_owners
from mlops.init.example import add_owners
from mlops.settings.project import load_project

ROOT = Path(__file__).parents[4]
OWNERS = ".github/CODEOWNERS"
EVERYTHING_ELSE = "* @example-org/platform-owners\n"
PLACES = [
    *("releases", "schema.yml", "project.yml", "extensions", "components", "pipelines", "environments", "endpoints"),
    *(
        "data",
        "infra",
        ".github",
        ".azuredevops",
        "azure-pipelines.yml",
        ".ci",
        "pyproject.toml",
        "uv.lock",
        "packages",
    ),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The template's places, empty, with its owners and reviewed paths."""
    for place in PLACES:
        source, target = ROOT / place, tmp_path / place
        if source.is_file():
            shutil.copy(source, target)
        elif source.is_dir():
            target.mkdir()
    shutil.copy(ROOT / OWNERS, tmp_path / OWNERS)
    shutil.copy(ROOT / "releases" / "protection.yml", tmp_path / "releases")
    (tmp_path / ".github" / "workflows").mkdir()
    (tmp_path / ".github" / "workflows" / "gate.yml").write_text("name: gate\n")
    return tmp_path


def told(folder: Path) -> list[tuple[str, str]]:
    """File and first words of each problem."""
    return [(each.file, each.message.partition(":")[0]) for each in check_owners(load_project(folder))]


def without(text: str, place: str) -> str:
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith(f"/{place}"))


def test_as_shipped_everything_has_an_owner(folder: Path) -> None:
    assert told(folder) == []


@pytest.mark.parametrize("place", PLACES)
def test_a_place_without_an_owner_is_named(place: str, folder: Path) -> None:
    file = folder / OWNERS
    file.write_text(without(file.read_text(), place))
    assert told(folder) == [], "the line of everything else covers it"

    # when that line goes too
    file.write_text(file.read_text().replace(EVERYTHING_ELSE, ""))

    assert told(folder) == [(OWNERS, f"/{place} has no owner")]


@pytest.mark.parametrize("place", PLACES)
def test_a_place_that_azure_devops_has_no_reviewers_for_is_named(place: str, folder: Path) -> None:
    file = folder / "releases" / "protection.yml"
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join(line for line in lines if not line.strip().startswith(f"- /{place}")))

    ((where, _),) = told(folder)
    assert where == "releases/protection.yml"
    (problem,) = check_owners(load_project(folder))
    assert f"azure_devops: reviewed_paths lacks /{place}:" in problem.message


@pytest.mark.parametrize(
    "line",
    ["/extensions/\n", "/extensions/measures.py\n", "/extensions # for now\n"],
    ids=["nobody", "nobody for a part", "a comment is nobody"],
)
def test_a_later_line_without_owners_takes_them_away(line: str, folder: Path) -> None:
    file = folder / OWNERS
    file.write_text(file.read_text() + line)

    assert told(folder) == [(OWNERS, "/extensions has no owner")]


def test_a_star_covers_no_folder_below(folder: Path) -> None:
    file = folder / OWNERS
    file.write_text(file.read_text().replace(EVERYTHING_ELSE, "").replace("/packages/ ", "/packages/* "))

    assert told(folder) == [(OWNERS, "/packages has no owner")]


def test_a_host_whose_ci_the_project_does_not_have_is_not_asked_for(folder: Path) -> None:
    file = folder / "releases" / "protection.yml"
    file.write_text(file.read_text().replace("      - /data/*\n", ""))
    (folder / "azure-pipelines.yml").unlink()
    shutil.rmtree(folder / ".azuredevops")
    (folder / OWNERS).unlink()

    assert told(folder) == []


def test_a_further_model_has_owners_of_its_own(folder: Path) -> None:
    # given a second model whose files nobody owns
    model = folder / "models" / "price"
    for place in ("components", "pipelines", "releases"):
        (model / place).mkdir(parents=True)
    for name in ("project.yml", "schema.yml"):
        shutil.copy(ROOT / name, model)
    file = folder / OWNERS
    file.write_text(file.read_text().replace(EVERYTHING_ELSE, ""))
    named = {place for _, place in told(model)}
    assert "/models/price/releases has no owner" in named
    assert "/models/price/project.yml has no owner" in named

    # when they are those of the first model, as `mlops init --into` writes
    add_owners(folder, PurePosixPath("models/price"))

    assert told(model) == []
