"""A trial for tests: `trial.py SCORE [MODE]` reports its score to MLflow by plain HTTP, which is faster than MLflow.

Modes: `grow` reports ten times while it runs, until its score; `nan`, `silent` and `fail` do what they say;
`sleep` reports and then waits; `wait` waits until the file that FLAG names exists.
"""

from __future__ import annotations

import json
import os
import sys
import time
import urllib.request
from pathlib import Path


def report(value: float, step: int = 0) -> None:
    body = {
        "run_id": os.environ["MLFLOW_RUN_ID"],
        "key": "score",
        "value": value if value == value else "NaN",
        "timestamp": int(time.time() * 1000),
        "step": step,
    }
    url = f"{os.environ['MLFLOW_TRACKING_URI']}/api/2.0/mlflow/runs/log-metric"
    token = os.environ["MLFLOW_TRACKING_TOKEN"]
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)  # noqa: S310 - MLflow's address
    urllib.request.urlopen(request).read()  # noqa: S310


score, mode = float(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "once"
target = os.environ.get("AZURE_ML_OUTPUT_model")  # noqa: SIM112 - as Azure names it
if target:
    swept = os.environ["AZUREML_SWEEP_x"]  # noqa: SIM112 - as Azure names it
    Path(target, "score.txt").write_text(f"{score:g} {swept}")
Path("outputs", "artifact.txt").write_text(f"{score:g}")
match mode:
    case "fail":
        sys.exit(f"the trial with {score:g} fails")
    case "nan":
        report(float("nan"))
    case "once":
        report(score)
    case "grow":
        for step in range(1, 11):
            report(score * step / 10, step)
            time.sleep(0.4)
    case "sleep":
        report(score)
        time.sleep(600)
    case "wait":
        report(score)
        print("pid", os.getpid(), flush=True)
        while not Path(os.environ["FLAG"]).exists():
            time.sleep(0.05)
