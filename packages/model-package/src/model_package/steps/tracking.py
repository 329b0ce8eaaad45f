"""Logging to MLflow, in as few calls as can be. Where runs are kept is said by environment variables, never here.

No `log_model`: Azure's tracking server answers 404 to it. A model is saved into the step's output folder.
"""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

# The experiment that every MLflow server has from the start.
_DEFAULT_EXPERIMENT = "0"


def record(
    parameters: Mapping[str, object] | None = None,
    metrics: Mapping[str, float] | None = None,
    files: Iterable[Path] = (),
    *,
    step: int = 0,
) -> None:
    """Log to the run of this job, or to a new run where no job gave one; nothing without MLFLOW_TRACKING_URI.

    Parameters and metrics travel in one call, each file in one more. `step` says how far the training has come, for
    metrics that are logged more than once.
    """
    if not os.environ.get("MLFLOW_TRACKING_URI"):
        return
    # Imported here: it costs over a second, and a step run by hand has no tracking server.
    from mlflow.entities import Metric, Param
    from mlflow.tracking import MlflowClient
    from mlflow.utils.time import get_current_time_millis

    client = MlflowClient()
    given = os.environ.get("MLFLOW_RUN_ID")
    experiment = os.environ.get("MLFLOW_EXPERIMENT_ID", _DEFAULT_EXPERIMENT)
    run = given or client.create_run(experiment).info.run_id
    now = get_current_time_millis()
    client.log_batch(
        run,
        metrics=[Metric(key, float(value), now, step) for key, value in (metrics or {}).items()],
        params=[Param(key, str(value)) for key, value in (parameters or {}).items()],
    )
    for file in files:
        client.log_artifact(run, str(file))
    if not given:
        client.set_terminated(run)


def report_progress(metrics: Mapping[str, float], step: int) -> None:
    """Log metrics of a training that goes on to the run of this job; nothing outside of one.

    A sweep counts each call that has its metric, and stops a trial that falls behind.
    """
    if os.environ.get("MLFLOW_RUN_ID"):
        record(metrics=metrics, step=step)
