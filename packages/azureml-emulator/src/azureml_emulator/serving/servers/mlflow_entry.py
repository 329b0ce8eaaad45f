"""The scoring script of a deployment that has only an MLflow model, like the one that Azure generates.

It is copied into the deployment's code folder, runs in the inference server's process, and imports nothing of the
emulator. Takes {"input_data": {"columns", "index", "data"}} or {"input_data": [row objects or rows]} and answers a
list.
"""

import json
import os
from pathlib import Path

import mlflow.pyfunc
import numpy as np
import pandas as pd
from azureml_inference_server_http.api.aml_request import AMLRequest, rawhttp
from azureml_inference_server_http.api.aml_response import AMLResponse
from mlflow.exceptions import MlflowException
from mlflow.utils.proto_json_utils import dataframe_from_parsed_json

_SPLIT_KEYS = {"columns", "index", "data"}
model: mlflow.pyfunc.PyFuncModel


def init() -> None:
    """Load the model below AZUREML_MODEL_DIR."""
    global model
    root = Path(os.environ["AZUREML_MODEL_DIR"])
    descriptions = sorted(root.rglob("MLmodel"))
    if not descriptions:
        raise FileNotFoundError(f"There is no MLmodel file below {root}: this is not an MLflow model.")
    model = mlflow.pyfunc.load_model(str(descriptions[0].parent))


@rawhttp
def run(request: AMLRequest) -> AMLResponse:
    """Answer one request with the model's predictions, or with 400 and the reason."""
    try:
        document = json.loads(request.get_data(cache=False))
        answer = model.predict(_rows(document), params=document.get("params"))
    except (ValueError, TypeError, KeyError, MlflowException) as error:
        return AMLResponse({"error": {"code": "InvalidInput", "message": str(error)}}, 400, json_str=True)
    return AMLResponse(_plain(answer), 200, json_str=True)


def _rows(document: object) -> pd.DataFrame | np.ndarray:
    if not isinstance(document, dict) or "input_data" not in document:
        raise ValueError('The request must be an object with the key "input_data".')
    given = document["input_data"]
    split = isinstance(given, dict) and "data" in given and set(given) <= _SPLIT_KEYS
    schema = model.metadata.get_input_schema()
    if schema is not None and schema.is_tensor_spec() and not schema.has_input_names():
        return np.asarray(given["data"] if split else given, dtype=schema.input_types()[0])
    if split:
        return dataframe_from_parsed_json(given, "split", schema)
    return dataframe_from_parsed_json([given] if isinstance(given, dict) else given, "records", schema)


def _plain(answer: object) -> object:
    if isinstance(answer, dict):
        return {name: _plain(value) for name, value in answer.items()}
    if isinstance(answer, pd.DataFrame):
        return answer.to_dict(orient="records")
    return answer.tolist() if isinstance(answer, pd.Series | np.ndarray) else answer
