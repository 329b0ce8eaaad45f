"""The scoring script of a deployment that brings only an MLflow model, as Azure generates one.

Copied into the deployment's code folder: runs in the inference server's process, imports nothing of the
emulator. Takes {"input_data": {"columns", "index", "data"}} or {"input_data": [row objects or rows]} and
answers a list.
"""

import json
import os
from pathlib import Path

import mlflow.pyfunc
import numpy as np
import pandas as pd
from azureml_inference_server_http.api.aml_request import AMLRequest, rawhttp
from azureml_inference_server_http.api.aml_response import AMLResponse

_SPLIT_KEYS = {"columns", "index", "data"}
model: mlflow.pyfunc.PyFuncModel


def init() -> None:
    """Load the model below AZUREML_MODEL_DIR."""
    global model
    root = Path(os.environ["AZUREML_MODEL_DIR"])
    descriptions = sorted(root.rglob("MLmodel"))
    if not descriptions:
        raise FileNotFoundError(f"There is no MLmodel file below {root}: this is no MLflow model.")
    model = mlflow.pyfunc.load_model(str(descriptions[0].parent))


@rawhttp
def run(request: AMLRequest) -> AMLResponse:
    """Answer one request with the model's predictions, or 400 with what is wrong with it."""
    try:
        frame, parameters = _read(json.loads(request.get_data(cache=False)))
    except (ValueError, TypeError, KeyError) as error:
        return AMLResponse({"error": {"code": "InvalidInput", "message": str(error)}}, 400, json_str=True)
    return AMLResponse(_plain(model.predict(frame, params=parameters)), 200, json_str=True)


def _read(document: object) -> tuple[pd.DataFrame, dict[str, object] | None]:
    if not isinstance(document, dict) or "input_data" not in document:
        raise ValueError('The request must be an object with the key "input_data".')
    given = document["input_data"]
    if isinstance(given, dict) and "data" in given and set(given) <= _SPLIT_KEYS:
        return pd.DataFrame(**given), document.get("params")
    return pd.DataFrame([given] if isinstance(given, dict) else given), document.get("params")


def _plain(answer: object) -> object:
    if isinstance(answer, pd.DataFrame):
        return answer.to_dict(orient="records")
    if isinstance(answer, pd.Series | np.ndarray):
        return answer.tolist()
    return answer
