"""AutoML tasks as jobs and as nodes send them: one meaning, and what is refused by name. Needs no FLAML."""

from __future__ import annotations

from typing import Any

import pytest

from azureml_emulator.jobs.automl.documents import DIFFERENCES, noted_differences
from azureml_emulator.jobs.automl.search import AutomlSearch, missing_packages
from azureml_emulator.jobs.automl.settings import read_automl
from azureml_emulator.jobs.definitions.automl import read_settings
from azureml_emulator.jobs.definitions.states import COMPLETED, FAILED, State
from azureml_emulator.jobs.definitions.sweep import SweepSettings
from azureml_emulator.jobs.graph.automl_job import read_automl_job
from azureml_emulator.jobs.graph.reader import read_pipeline
from azureml_emulator.jobs.sweeps.trials import Trial
from azureml_emulator.kernel.errors import BadRequest, NotModelled

JOB = {
    "taskType": "Classification",
    "primaryMetric": "AveragePrecisionScoreWeighted",
    "targetColumnName": "churn",
    "weightColumnName": "importance",
    "nCrossValidations": {"mode": "Custom", "value": 4},
    "testDataSize": 0.2,
    "featurizationSettings": {"mode": "Custom", "columnNameAndTypes": {"zip": "CategoricalHash", "note": "Text"}},
    "limitSettings": {
        "maxNodes": 4,
        "maxTrials": 12,
        "maxConcurrentTrials": 3,
        "maxCoresPerTrial": -1,
        "timeout": "PT15M",
        "trialTimeout": "PT5M",
        "enableEarlyTermination": False,
        "exitScore": 0.9,
    },
    "trainingSettings": {
        "blockedTrainingAlgorithms": ["XGBoostClassifier", "SVM"],
        "enableOnnxCompatibleModels": True,
    },
}
NODE = {
    "type": "automl",
    "task": "classification",
    "primary_metric": "average_precision_score_weighted",
    "target_column_name": "churn",
    "weight_column_name": "importance",
    "n_cross_validations": 4,
    "test_data_size": 0.2,
    "featurization": {"mode": "custom", "column_name_and_types": {"zip": "categorical_hash", "note": "text"}},
    "limits": {
        "max_nodes": 4,
        "max_trials": 12,
        "max_concurrent_trials": 3,
        "max_cores_per_trial": -1,
        "timeout_minutes": 15,
        "trial_timeout_minutes": 5,
        "enable_early_termination": False,
        "exit_score": 0.9,
    },
    "training": {
        "blocked_training_algorithms": ["xg_boost_classifier", "svm"],
        "enable_onnx_compatible_models": True,
    },
}


def task_of(search: SweepSettings) -> Any:
    assert search.automl is not None
    return search.automl


def test_a_job_and_a_node_mean_the_same() -> None:
    search = read_automl(JOB)

    assert search == read_automl(NODE)
    assert (search.metric, search.maximize) == ("average_precision_score_weighted", True)
    assert (search.max_trials, search.max_concurrent) == (12, 3)
    assert (search.timeout, search.trial_timeout) == (900, 300)
    task = task_of(search)
    assert task.algorithms == (
        "LightGBM",
        "GradientBoosting",
        "RandomForest",
        "ExtremeRandomTrees",
        "LogisticRegression",
    )
    assert (task.folds, task.test_size, task.exit_score, task.early_termination) == (4, 0.2, 0.9, False)
    assert task.purposes == (("zip", "Categorical"), ("note", "Ignore"))
    assert "model.onnx" in task.notes[0]
    assert "max_nodes" in task.notes[1]
    assert read_settings(task.as_text()) == task


@pytest.mark.parametrize("option", ["enableVoteEnsemble", "enableStackEnsemble"])
@pytest.mark.parametrize("wanted", [True, False])
def test_an_ensemble_that_is_asked_for_is_noted(option: str, wanted: bool) -> None:  # noqa: FBT001
    task = {"taskType": "Classification", "targetColumnName": "y", "trainingSettings": {option: wanted}}
    rows = {"jobInputType": "mltable", "uri": "azureml://datastores/workspaceblobstore/paths/rows"}

    noted = noted_differences(read_automl_job("job", {"taskDetails": {**task, "trainingData": rows}}))

    assert ("No ensemble" in noted.get(DIFFERENCES, "")) == wanted


def test_what_is_left_open_has_azures_defaults() -> None:
    search = read_automl({"taskType": "Regression", "targetColumnName": "price"})

    task = task_of(search)
    assert (search.metric, search.maximize) == ("normalized_root_mean_squared_error", False)
    assert (search.max_trials, search.max_concurrent, search.timeout, search.trial_timeout) == (1000, 1, 21600, 1800)
    assert (task.featurize, task.early_termination, task.folds, task.cores) == (True, True, None, 1)


@pytest.mark.parametrize(
    ("task", "says"),
    [
        ("Forecasting", "not 'Forecasting'. Forecasts need libraries"),
        ("ImageObjectDetection", "not 'ImageObjectDetection'. Models of images"),
        ("text_ner", "not 'text_ner'. Models of text"),
    ],
)
def test_other_tasks_are_refused_by_name_with_what_to_do(task: str, says: str) -> None:
    with pytest.raises(NotModelled, match=says) as refused:
        read_automl({**JOB, "taskType": task})

    assert "with a command job of your own, or submit it to Azure" in refused.value.message


@pytest.mark.parametrize(
    ("change", "refusal", "says"),
    [
        ({"primaryMetric": "R2Score"}, BadRequest, "'R2Score' is not one of the task classification"),
        ({"targetColumnName": None}, BadRequest, "needs target_column_name"),
        ({"limitSettings": {"maxTrials": "many"}}, BadRequest, "max_trials': 'many' must be a number"),
        ({"limitSettings": {"maxTrials": 0}}, BadRequest, "max_trials': '0' must be an integer from 1 to 1000"),
        ({"nCrossValidations": {"mode": "Custom", "value": 1}}, BadRequest, "'1' must be an integer from 2 to 100"),
        ({"validationDataSize": 1.5}, BadRequest, "a share of the training data"),
        ({"trainingSettings": {"allowedTrainingAlgorithms": ["Magic"]}}, BadRequest, "Unknown training algorithm"),
        ({"trainingSettings": {"allowedTrainingAlgorithms": ["KNN"]}}, NotModelled, "the emulator trains LightGBM"),
        (
            {"featurizationSettings": {"transformerParams": {"Imputer": []}}},
            NotModelled,
            "leave out transformer_params",
        ),
        ({"cvSplitColumnNames": ["fold"]}, NotModelled, "use n_cross_validations"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_cannot_be_asked_for_is_refused(change: dict[str, Any], refusal: type[Exception], says: str) -> None:
    with pytest.raises(refusal, match=says):
        read_automl({**JOB, **change})


def search_for(tmp_path: Any, **limits: Any) -> AutomlSearch:
    settings = read_automl({**JOB, "limitSettings": {"maxTrials": 100, **limits}})
    return AutomlSearch(settings, task_of(settings), lambda name: tmp_path / name)


def ended(scores: list[float], state: State = COMPLETED) -> list[Trial]:
    return [Trial(f"job_{number}", {}, state, [score]) for number, score in enumerate(scores)]


def test_the_search_ends_at_its_exit_score(tmp_path: Any) -> None:
    search = search_for(tmp_path, exitScore=0.8)

    assert search.next(0, ended([0.5, 0.79])) == {}
    assert search.next(0, ended([0.5, 0.81])) is None
    assert search.no_more(ended([0.5, 0.81])) == "the exit score 0.8 is reached after 2 trials"


def test_early_termination_looks_at_the_last_ten_trials_from_the_21st_on(tmp_path: Any) -> None:
    without = search_for(tmp_path, enableEarlyTermination=False)
    search = search_for(tmp_path)

    stuck = [0.5] * 5 + [0.9] + [0.6] * 24
    assert search.next(0, ended(stuck[:29])) == {}
    assert search.next(0, ended(stuck)) is None
    assert without.next(0, ended(stuck)) == {}
    assert search.next(0, ended([*stuck[:-1], 0.95])) == {}


def test_three_trials_that_fail_are_enough(tmp_path: Any) -> None:
    search = search_for(tmp_path)

    assert search.next(0, ended([0.0] * 2, FAILED)) == {}
    assert search.next(0, ended([0.0] * 3, FAILED)) is None
    assert search.next(0, [*ended([0.0] * 3, FAILED), Trial("job_3", {}, COMPLETED, [0.5])]) == {}


def test_a_missing_package_is_named_with_what_to_install() -> None:
    assert missing_packages(["json"]) is None
    reason = missing_packages(["json", "no_such_package_of_automl"])
    assert reason is not None
    assert "needs no_such_package_of_automl" in reason
    assert "uv sync --group automl" in reason
    assert "pip install 'mlops-template-azureml-emulator[automl]'" in reason


def pipeline_of(**node: Any) -> dict[str, Any]:
    fit = {**NODE, "training_data": "${{parent.inputs.rows}}", "outputs": {}, **node}
    look = {"componentId": "look", "inputs": {"model": "${{parent.jobs.fit.outputs.best_model}}"}}
    return {
        "jobs": {"fit": fit, "look": look},
        "inputs": {
            "rows": {"jobInputType": "mltable", "uri": "azureml://datastores/d/paths/rows"},
            "trials": {"jobInputType": "literal", "value": "7"},
        },
    }


def look(_: str) -> dict[str, Any]:
    return {"command": "ls ${{inputs.model}}", "inputs": {"model": {"type": "mlflow_model"}}}


def test_a_node_reads_tables_and_settings_of_the_pipeline() -> None:
    limits = {"max_trials": "${{parent.inputs.trials}}"}

    steps = read_pipeline(pipeline_of(limits=limits), look).steps

    fit = steps["fit"]
    assert fit.sweep is not None
    assert fit.sweep.max_trials == 7
    assert list(fit.inputs) == ["training_data"]
    assert not fit.deterministic
    assert steps["look"].needs == {"fit"}


def test_a_node_without_data_and_a_job_with_a_folder_are_refused() -> None:
    with pytest.raises(BadRequest, match="The required input 'training_data' of the step 'fit' is missing"):
        read_pipeline(pipeline_of(training_data=None), look)
    folder = {"jobInputType": "uri_folder", "uri": "azureml://datastores/d/paths/rows"}
    with pytest.raises(BadRequest, match="must be of type mltable"):
        read_automl_job("job", {"taskDetails": {**JOB, "trainingData": folder}})
