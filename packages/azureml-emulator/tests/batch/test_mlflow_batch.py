"""A batch deployment of nothing but an MLflow model: tables in, one line of predictions.csv per row out."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import mlflow
import pandas as pd
import pytest
from mlflow.types import ColSpec, Schema

from azureml_emulator.jobs.parallel import mlflow_scorer
from azureml_emulator.testing import wait_for

pytestmark = [
    pytest.mark.xdist_group("jobs"),
    # It recommends type hints and an example.
    pytest.mark.filterwarnings("ignore::UserWarning:mlflow"),
]

TERMINAL = {"Completed", "Failed", "Canceled"}
# Multiplies the columns, which it needs as numbers and in the order of its signature.
MODEL = """
import mlflow

class Product(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        assert list(model_input.columns) == ["count", "price"]
        return model_input["count"] * model_input["price"]

mlflow.models.set_model(Product())
"""


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An MLflow model with a signature."""
    folder = tmp_path_factory.mktemp("mlflow")
    (folder / "product.py").write_text(MODEL)
    signature = mlflow.models.ModelSignature(
        Schema([ColSpec("long", "count"), ColSpec("double", "price")]), Schema([ColSpec("double")])
    )
    saved, code = folder / "product", str(folder / "product.py")
    mlflow.pyfunc.save_model(saved, python_model=code, signature=signature, pip_requirements=[])
    return saved


@pytest.fixture(scope="module")
def model(ml_client: Any, package: Path) -> Any:
    """The registered model."""
    from azure.ai.ml.entities import Model

    name = f"product-{uuid.uuid4().hex[:8]}"
    return ml_client.models.create_or_update(Model(name=name, version="1", path=str(package), type="mlflow_model"))


@pytest.fixture(scope="module")
def endpoint(ml_client: Any, model: Any) -> str:
    """An endpoint whose default deployment has neither a script nor an environment."""
    from azure.ai.ml.entities import BatchEndpoint, BatchRetrySettings, ModelBatchDeployment
    from azure.ai.ml.entities import ModelBatchDeploymentSettings as Settings

    name = f"mlflow-{uuid.uuid4().hex[:8]}"
    created = ml_client.batch_endpoints.begin_create_or_update(BatchEndpoint(name=name)).result()
    settings = Settings(
        mini_batch_size=1, max_concurrency_per_instance=1, retry_settings=BatchRetrySettings(timeout=90)
    )
    deployment = ModelBatchDeployment(
        name="plain", endpoint_name=name, model=model, compute="cpu-cluster", settings=settings
    )
    ml_client.batch_deployments.begin_create_or_update(deployment).result()
    created.defaults.deployment_name = "plain"
    return ml_client.batch_endpoints.begin_create_or_update(created).result().name


@pytest.fixture
def invoke(ml_client: Any, endpoint: str) -> Callable[[Path], Any]:
    """Scores a folder; the job when it has ended."""
    from azure.ai.ml import Input

    def score(folder: Path) -> Any:
        name = ml_client.batch_endpoints.invoke(endpoint, input=Input(type="uri_folder", path=str(folder))).name
        return wait_for(lambda: job if (job := ml_client.jobs.get(name)).status in TERMINAL else None)

    return score


def test_csv_and_parquet_are_scored_row_by_row(ml_client: Any, invoke: Callable[[Path], Any], tmp_path: Path) -> None:
    # given a table of each type, with columns in another order than the model's
    folder = tmp_path / "tables"
    folder.mkdir()
    (folder / "a.csv").write_text("price,count\n1.5,2\n10,3\n")
    pd.DataFrame({"count": [4], "price": [0.25]}).to_parquet(folder / "b.parquet")
    # and a folder below, which Azure does not explore
    (folder / "below").mkdir()
    (folder / "below" / "c.csv").write_text("price,count\n1,1\n")
    # when they are scored
    job = invoke(folder)
    # then the predictions are in Azure's format
    assert job.status == "Completed"
    ml_client.jobs.download(job.name, download_path=tmp_path, output_name="score")
    found = pd.read_csv(tmp_path / "named-outputs" / "score" / "predictions.csv", names=["row", "prediction", "file"])
    rows = [(0, 3.0, "a.csv"), (1, 30.0, "a.csv"), (0, 1.0, "b.parquet")]
    assert list(found.itertuples(index=False, name=None)) == rows


def test_a_file_of_another_type_fails_the_job(
    invoke: Callable[[Path], Any], http: httpx.Client, workspace: str, tmp_path: Path
) -> None:
    (tmp_path / "a.avro").write_text("x")

    job = invoke(tmp_path)

    assert job.status == "Failed"
    details = http.get(f"/history/v1.0{workspace}/runs/{job.name}/details").json()
    assert "File type 'avro' is not supported" in details["error"]["error"]["message"]


@pytest.mark.parametrize(
    ("text", "reason"), [("count,price\nmany,1\n", "many"), ("count\n1\n", "price")], ids=["a word", "no column"]
)
def test_a_table_must_have_the_columns_of_the_signature(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, reason: str
) -> None:
    monkeypatch.setenv("AZUREML_MODEL_DIR", str(package))
    mlflow_scorer.init()
    (tmp_path / "a.csv").write_text(text)

    with pytest.raises(mlflow_scorer.InputFileError, match=f"(?s)Error processing input file: .*{reason}"):
        mlflow_scorer.run([str(tmp_path / "a.csv")])


def test_only_an_mlflow_model_needs_no_script(ml_client: Any, endpoint: str, tmp_path: Path) -> None:
    from azure.ai.ml.entities import Model, ModelBatchDeployment
    from azure.core.exceptions import HttpResponseError

    (tmp_path / "weights.txt").write_text("1")
    custom = ml_client.models.create_or_update(
        Model(name=f"custom-{uuid.uuid4().hex[:8]}", path=str(tmp_path / "weights.txt"), type="custom_model")
    )
    deployment = ModelBatchDeployment(name="bare", endpoint_name=endpoint, model=custom, compute="cpu-cluster")

    with pytest.raises(HttpResponseError, match="Give it a scoring script"):
        ml_client.batch_deployments.begin_create_or_update(deployment).result()
