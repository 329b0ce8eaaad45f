"""Steps log to their job's run, to a run of their own outside of a job, and not at all without a server."""

from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from model_package.steps.tracking import record

pytestmark = pytest.mark.xdist_group("tracking")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A real MLflow store."""
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow') / 'runs.db'}"


@pytest.fixture
def experiment(store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A new experiment of the store, which the environment names as a job's would."""
    client = MlflowClient(store)
    identifier = client.create_experiment(tmp_path.name, artifact_location=(tmp_path / "files").as_uri())
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", identifier)
    return identifier


def test_the_run_of_the_job_gets_everything_and_stays_open(
    store: str, experiment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    # Given a run that a job has opened
    client = MlflowClient(store)
    run = client.create_run(experiment).info.run_id
    monkeypatch.setenv("MLFLOW_RUN_ID", run)
    report = tmp_path / "report.html"
    report.write_text("<p>fine</p>")
    # When a step records
    record({"seed": 7}, {"roc_auc": 0.78}, [report])
    # Then it is in that run, which the job will end and not the step
    found = client.get_run(run)
    assert found.data.params == {"seed": "7"}
    assert found.data.metrics == {"roc_auc": 0.78}
    assert [file.path for file in client.list_artifacts(run)] == ["report.html"]
    assert found.info.status == "RUNNING"


def test_outside_of_a_job_a_run_of_its_own_is_opened_and_ended(
    store: str, experiment: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("MLFLOW_RUN_ID", raising=False)
    record(metrics={"rows": 3})
    (run,) = MlflowClient(store).search_runs([experiment])
    assert run.data.metrics == {"rows": 3.0}
    assert run.info.status == "FINISHED"


def test_without_a_server_nothing_is_logged(store: str, experiment: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    record({"seed": 7}, {"roc_auc": 0.78})
    assert not MlflowClient(store).search_runs([experiment])
