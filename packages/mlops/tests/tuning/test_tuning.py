"""A tuning from its files to the proposed change: the job, the comparison, the edit of train.yml, the report."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from mlops.checks.stages import check_releases
from mlops.core.errors import ProjectError
from mlops.models.data_asset import DataVersion
from mlops.settings.project import load_project
from mlops.training.submission import Order
from mlops.tuning.report import Comparison, Trial, importance, write_report
from mlops.tuning.run import objective, tuning_job, with_parameters
from model_package.reports.pages import Fact

ROOT = Path(__file__).parents[4]
TRAIN = (ROOT / "pipelines" / "train.yml").read_text()
BEST = {"learning_rate": 0.035000000000000003, "maximum_leaves": 24, "feature_share": 0.5}


@pytest.fixture
def project_folder(tmp_path: Path) -> Path:
    """What a tuning reads of the project."""
    for name in ("components", "environments", "pipelines"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("project.yml", "schema.yml"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def tuned_job(folder: Path, trials: int | None = None) -> dict[str, Any]:
    """The submitted document."""
    order = Order("job-1", DataVersion("credit-default", "1", "0" * 64), is_new_data=False, git_commit="f" * 40)
    return yaml.safe_load(str(tuning_job(load_project(folder), "cpu-cluster", order, trials)))


def change(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def test_the_job_splits_and_trains_as_train_yml_does_and_varies_what_the_search_space_names(
    project_folder: Path,
) -> None:
    change(project_folder / "pipelines" / "train.yml", "salt: split-1", "salt: split-9")
    change(project_folder / "pipelines" / "train.yml", "  iterations: 0", "  iterations: 150")

    job = tuned_job(project_folder, trials=3)

    steps, sweep = job["jobs"], job["jobs"]["tune_model"]
    assert job["inputs"]["salt"] == "split-9"
    assert job["inputs"]["iterations"] == 150
    assert steps["prepare_data"]["inputs"]["salt"] == {"path": "${{parent.inputs.salt}}"}
    space = yaml.safe_load((project_folder / "components" / "search_space.yml").read_text())["parameters"]
    assert set(sweep["search_space"]) == set(space)
    assert set(sweep["inputs"]) == {"split_data", "iterations", "seed"}
    assert set(steps["train_model"]["inputs"]) == {*sweep["inputs"], *space}
    assert sweep["limits"]["max_total_trials"] == 3
    assert sweep["objective"] == {"primary_metric": "held_out_roc_auc", "goal": "maximize"}


@pytest.mark.parametrize("file", ["train.yml", "tune.yml"])
def test_what_the_files_say_of_the_data_beside_the_path_stays(project_folder: Path, file: str) -> None:
    data = "    type: uri_file\n    path: azureml:credit-default@latest\n"
    change(project_folder / "pipelines" / file, data, f"{data}    mode: download\n")

    job = tuned_job(project_folder)

    assert job["inputs"]["data"] == {"type": "uri_file", "path": "azureml:credit-default:1", "mode": "download"}


@pytest.mark.parametrize(
    ("head", "metric"),
    [
        ("task: regression\ntarget: y\n", "held_out_r2"),
        ("task: multiclass_classification\ntarget: y\nclasses: [a, b, c]\n", "held_out_roc_auc_ovr"),
        ("target: y\n", "held_out_roc_auc"),
    ],
)
def test_the_objective_is_the_main_metric_of_the_task(project_folder: Path, head: str, metric: str) -> None:
    (project_folder / "schema.yml").write_text(f"format: 1\n{head}features:\n  - {{name: x, type: number}}\n")

    assert objective(load_project(project_folder)) == (metric, "maximize")


def test_a_tuning_pipeline_without_a_sweep_is_refused(project_folder: Path) -> None:
    change(project_folder / "pipelines" / "tune.yml", "type: sweep", "type: command")

    with pytest.raises(ProjectError, match="no sweep beside a step of the same component"):
        tuned_job(project_folder)


def test_new_parameters_change_their_lines_of_train_yml_and_no_other() -> None:
    after = with_parameters(TRAIN.replace("  seed: 7\n", "  seed: 7 # ours\n"), "train_model", {**BEST, "seed": 11})

    changed = [line for line in after.splitlines() if line not in TRAIN.splitlines()]
    assert changed == ["  seed: 11 # ours", "  learning_rate: 0.035", "  maximum_leaves: 24", "  feature_share: 0.5"]


def test_a_parameter_that_train_yml_does_not_set_is_named() -> None:
    with pytest.raises(ProjectError, match="does not set `depth`"):
        with_parameters(TRAIN, "train_model", {"depth": 3})


def found(scores: list[float | None], *, maximize: bool = True, current: float | None = 0.5) -> Comparison:
    trials = tuple(
        Trial(
            number,
            f"t_{number}",
            "Completed" if number % 2 else "Canceled",
            {"x": number, "kind": "ab"[number % 2]},
            score,
        )
        for number, score in enumerate(scores)
    )
    return Comparison("held_out_r2", maximize, current, trials)


def test_the_best_trial_is_compared_with_the_parameters_of_train_yml() -> None:
    best = found([0.4, None, 0.7, 0.7])
    assert best.best is not None
    assert (best.best.number, best.gain) == (2, pytest.approx(0.2))
    lowest = found([0.4, None, 0.7], maximize=False)
    assert lowest.best is not None
    assert (lowest.best.number, lowest.gain) == (0, pytest.approx(0.1))
    assert found([None, None]).gain is None


def test_importance_tells_the_parameter_that_decides_from_one_that_does_not() -> None:
    scores: list[float | None] = [-((number - 6.0) ** 2) for number in range(12)]

    shares = importance(found(scores))

    assert list(shares) == ["x", "kind"]
    assert shares["x"] == pytest.approx(1)
    assert shares["kind"] < 0.2


@pytest.mark.parametrize("scores", [[0.4, 0.9, None, 0.6, 0.5, 0.55], [0.5], [None]], ids=["many", "one", "none"])
def test_the_report_is_one_page_with_its_pictures(tmp_path: Path, scores: list[float | None]) -> None:
    page = write_report(
        tmp_path / "report.html", found(scores), [Fact("job", "job-1", "https://example.com/job-1")]
    ).read_text()

    assert page.count("<svg") == 3
    assert "Parallel coordinates" in page
    assert '<dt>job</dt><dd><a href="https://example.com/job-1">job-1</a></dd>' in page
    assert not re.search(r"src=\"(?!#|data:)", page)
    assert 'href="report.html"' in (tmp_path / "index.html").read_text()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("type: qloguniform", "type: triangular", "triangular"),
        ("min_value: -3.9", "min_value: low", "min_value"),
        ("min_value: -3.9", "min_value: 3.9", "min_value 3.9 is not below max_value -1.6"),
        ("min_value: -3.9", "min: -3.9", "min"),
        ("learning_rate:", "learning_rte:", "of the step (did you mean 'learning_rate'?), which has: split"),
    ],
)
def test_what_is_wrong_in_the_search_space_is_said_with_its_line(
    project_folder: Path, old: str, new: str, said: str
) -> None:
    change(project_folder / "components" / "search_space.yml", old, new)

    with pytest.raises(ProjectError) as refused:
        tuned_job(project_folder)

    assert said in "\n".join(refused.value.details)
    (location, *_) = refused.value.locations
    assert (location.file.name, location.line) == ("search_space.yml", 5)
    (project_folder / "releases").mkdir()
    assert said in "".join(str(problem) for problem in check_releases(load_project(project_folder)))
