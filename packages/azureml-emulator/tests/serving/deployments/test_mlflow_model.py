"""An MLflow model deployed without a scoring script, as Azure's no-code deployment."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

pytestmark = pytest.mark.xdist_group("serving")


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """An MLflow model that adds up each row."""
    rows = helper.make_tensor_value_info("rows", TensorProto.FLOAT, [None, 2])
    sums = helper.make_tensor_value_info("sums", TensorProto.FLOAT, [None, 1])
    ones = helper.make_tensor("ones", TensorProto.FLOAT, [2, 1], [1.0, 1.0])
    graph = helper.make_graph([helper.make_node("MatMul", ["rows", "ones"], ["sums"])], "sum", [rows], [sums], [ones])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    example = np.ones((1, 2), dtype=np.float32)
    signature = mlflow.models.infer_signature(example, example[:, :1])
    mlflow.onnx.save_model(model, tmp_path / "sums", signature=signature, pip_requirements=["onnxruntime"])
    return tmp_path / "sums"


def test_a_model_without_a_script_is_served(ml_client: Any, package: Path, tmp_path: Path) -> None:
    from azure.ai.ml.entities import ManagedOnlineDeployment, ManagedOnlineEndpoint, Model

    # given a deployment of nothing but the model
    name = f"mlflow-{uuid.uuid4().hex[:8]}"
    endpoint = ManagedOnlineEndpoint(name=name, auth_mode="key")
    ml_client.online_endpoints.begin_create_or_update(endpoint).result()
    model = Model(name=name, version="1", path=str(package), type="mlflow_model")
    deployment = ManagedOnlineDeployment(
        name="blue", endpoint_name=name, model=model, instance_type="Standard_DS3_v2", instance_count=1
    )
    ml_client.online_deployments.begin_create_or_update(deployment).result()
    # when it is called with Azure's format
    request = tmp_path / "request.json"
    request.write_text(json.dumps({"input_data": {"columns": [0, 1], "index": [0], "data": [[1.5, 2.0]]}}))
    answer = ml_client.online_endpoints.invoke(name, request_file=str(request), deployment_name="blue")
    # then it answers
    assert "3.5" in answer
