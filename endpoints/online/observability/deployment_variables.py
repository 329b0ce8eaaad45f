"""The environment variables of a deployment that decide what is recorded of its requests.

A variable with an invalid value stops the deployment from starting: recording less than was asked for would go
unnoticed, and recording more would break a promise.
"""

from collections.abc import Mapping

METRICS_PATH = "METRICS_PATH"
CONNECTION_STRING = "APPLICATIONINSIGHTS_CONNECTION_STRING"
DEPLOYMENT_NAME = "DEPLOYMENT_NAME"
# The folder to collect to, in the container of a datastore; `mlops deploy` sets it where no collector of Azure's runs.
COLLECTED_DATA_URL = "COLLECTED_DATA_URL"
DATA_COLLECTION_SAMPLING_RATE = "DATA_COLLECTION_SAMPLING_RATE"
TRACE_SAMPLING_RATE = "TRACE_SAMPLING_RATE"
# Of requests that are neither failed nor slow, per worker; without it there is no limit.
TRACES_PER_SECOND = "TRACES_PER_SECOND"
# Refused rather than ignored: a fork that limits what it collects must not collect everything after an upgrade.
FORMER_NAMES = {
    DATA_COLLECTION_SAMPLING_RATE: "COLLECTED_SHARE",
    TRACE_SAMPLING_RATE: "TRACED_SHARE",
}
RECORD_ALL = "1.0"


class VariableError(Exception):
    """A variable of the deployment has an invalid value: correct it in deployment.yml."""


def sampling_rate(environment: Mapping[str, str], name: str) -> float:
    """The share of requests (0 to 1) that the variable `name` asks to record; 1 when it is not set.

    Raises VariableError when the value is not a number from 0 to 1, or when the variable's former name is set.
    """
    former = FORMER_NAMES[name]
    if former in environment:
        raise VariableError(f"{former} is now called {name}: rename it in deployment.yml")
    text = environment.get(name) or RECORD_ALL
    try:
        rate = float(text)
    except ValueError:
        rate = -1.0
    if not 0 <= rate <= 1:
        raise VariableError(f"{name} is '{text}': set it to the share of requests to record, from 0 to 1")
    return rate


def positive_number(environment: Mapping[str, str], name: str, default: float) -> float:
    """The positive number in the variable `name`. Raises VariableError for anything else."""
    text = environment.get(name) or str(default)
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise VariableError(f"{name} is '{text}': set it to a positive number")
    return number
