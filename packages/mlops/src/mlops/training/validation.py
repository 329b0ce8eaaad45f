"""What the validation of the data found worth a look, read from the report that a job keeps; decides nothing."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Final

from azure.ai.ml import MLClient
from azure.ai.ml.exceptions import MlException
from azure.core.exceptions import AzureError

from mlops.azure.sdk_output import suppress_output
from mlops.core.layout import VALIDATION_OUTPUT

_REPORT: Final = "report.json"
_WARNINGS: Final = "warnings"


def validation_warnings(client: MLClient, job: str) -> tuple[str, ...]:
    """The warnings of a job's validation report; none when the pipeline publishes no report."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            with suppress_output():
                client.jobs.download(job, download_path=folder, output_name=VALIDATION_OUTPUT)
        except (AzureError, MlException):
            # A model must not be lost for a report that is only worth a look.
            return ()
        report = next(iter(sorted(Path(folder).rglob(_REPORT))), None)
        return read_warnings(report) if report else ()


def read_warnings(report: Path) -> tuple[str, ...]:
    """The sentences under "warnings" in a report.json; a report of another shape has none."""
    try:
        document = json.loads(report.read_bytes())
    except ValueError:
        return ()
    found = document.get(_WARNINGS) if isinstance(document, dict) else None
    return tuple(str(each) for each in found) if isinstance(found, list) else ()
