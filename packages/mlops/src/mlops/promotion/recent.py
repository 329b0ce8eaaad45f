"""A stage's recent inputs, collected by its deployments, as what its gates measure drift on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from azure.ai.ml import MLClient
from azure.ai.ml.exceptions import MlException
from azure.core.exceptions import AzureError

from mlops.azure.collected_data.reading import read_collected
from mlops.azure.collected_data.window import Window
from mlops.azure.errors import explain
from mlops.core.errors import MlopsError
from mlops.endpoint.view import observe
from mlops.gates.rows import Rows

NAME: Final = "recent inputs"
# More do not tell more of a distribution; they only take longer.
MOST_ROWS: Final = 20_000


@dataclass(frozen=True)
class Recent:
    """The rows, None for none; `notes` on what is wrong with some, `problem` when they could not be read."""

    rows: Rows | None = None
    notes: tuple[str, ...] = ()
    problem: str = ""


def recent_inputs(client: MLClient, endpoint: str, days: int) -> Recent:
    """What callers have asked an endpoint in the last days, whichever of its deployments answered."""
    try:
        view = observe(client, endpoint)
        # A request that was mirrored is there twice; the one whose answer the caller got counts.
        deployments = sorted(view.deployments, key=lambda name: (name != view.live, name))
        window = Window.last(timedelta(days=days), datetime.now(UTC))
        found = read_collected(client, endpoint, deployments, window, MOST_ROWS)
    except (AzureError, MlException, MlopsError) as error:
        explained = explain(error) if not isinstance(error, MlopsError) else error
        reason = explained.message if explained else str(error)
        return Recent(problem=f"the collected inputs of {endpoint} cannot be read: {reason}")
    return Recent(Rows(found.frame, NAME) if not found.frame.is_empty() else None, found.notes)
