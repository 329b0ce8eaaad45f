"""Measure a window of a released model's requests and predictions: quality, drift, performance, fairness.

Decides nothing: `mlops monitor` judges the values by releases/monitor.yml. model_package.monitoring defines each
measure.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from model_package.collected.folder import read_window
from model_package.collected.labels import read_labels
from model_package.collected.window import Window
from model_package.documents import write_json
from model_package.errors import ExtensionError, ModelPackageError
from model_package.isolated_extensions import use_isolated_extensions
from model_package.monitoring.drift import Sensitivity
from model_package.monitoring.measuring import ANY_VERSION, Settings, measure
from model_package.monitoring.plots import draw
from model_package.monitoring.reference import Reference
from model_package.package import read_provenance
from model_package.provenance import Provenance
from model_package.reports.pages import Fact, write_page
from model_package.statistics.bootstrap import Bootstrap
from model_package.steps.run import job_facts
from model_package.steps.tracking import record

NOW = "now"
ALL = "all"
MEASURES_FILE = "measures.json"
EXAMPLE = (
    "example: python components/monitor_model/monitor_model.py --collected out/modelDataCollector/NAME-prod "
    "--model-package out/package --until 2026-03-02T00:00:00+00:00 --hours 24 --monitoring out/monitoring"
)


def parse_window(until: str, hours: float) -> Window:
    """The window that ends at a time in ISO 8601, or now. Raises ValueError."""
    end = datetime.now(UTC) if until == NOW else datetime.fromisoformat(until)
    return Window.ending(end, timedelta(hours=hours))


def facts_of(package: Path, version: str) -> list[Fact]:
    """What the report is about: the released model and where it comes from, and the job that measures."""
    try:
        found = read_provenance(package)
    except ModelPackageError:
        # Measuring needs none.
        found = Provenance()
    return [
        Fact("model version", version),
        Fact("trained by job", found.job),
        Fact("commit", found.git_commit),
        Fact("data", f"{found.data.name} {found.data.version}".strip()),
        *job_facts(os.environ),
    ]


def write_results(folder: Path, document: dict[str, Any], figures: dict[str, str], facts: Sequence[Fact] = ()) -> Path:
    """Write measures.json, the figures and report.html; return the report."""
    pictures = folder / "figures"
    pictures.mkdir(parents=True, exist_ok=True)
    for name, picture in figures.items():
        (pictures / f"{name}.svg").write_text(picture, encoding="utf-8")
    report = folder / "report.html"
    template = Path(__file__).with_name("report.html.j2")
    write_page(report, template, {"document": document, "figures": figures}, facts)
    # Last: once it exists, everything else does.
    write_json(folder / MEASURES_FILE, document)
    return report


def parser() -> argparse.ArgumentParser:
    """The command line."""
    words = argparse.ArgumentParser(description="Measure a window of collected data.", epilog=EXAMPLE)
    words.add_argument("--collected", type=Path, required=True, help="folder with one folder per deployment")
    words.add_argument("--model-package", type=Path, required=True, help="the released model package")
    words.add_argument("--labels", type=Path, help="CSV or parquet: correlation_id, row, outcome")
    words.add_argument("--monitoring", type=Path, required=True, help="folder for results and report")
    words.add_argument("--until", default=NOW, help="end of the window, ISO 8601 or now; default: %(default)s")
    words.add_argument("--hours", type=float, default=24.0, help="length of the window; default: %(default)s")
    words.add_argument(
        "--deployments", default=ALL, help="comma-separated names, the live one first; default: %(default)s"
    )
    words.add_argument(
        "--model-version", default=ANY_VERSION, help="the deployment whose answers count; default: %(default)s"
    )
    words.add_argument("--min-rows", type=int, default=500, help="default: %(default)s")
    words.add_argument("--min-labels", type=int, default=300, help="default: %(default)s")
    words.add_argument("--min-slice-rows", type=int, default=100, help="default: %(default)s")
    words.add_argument("--psi-threshold", type=float, default=0.1, help="default: %(default)s")
    words.add_argument("--false-discovery-rate", type=float, default=0.01, help="default: %(default)s")
    words.add_argument("--bootstrap-resamples", type=int, default=400, help="default: %(default)s")
    words.add_argument("--seed", type=int, default=7, help="default: %(default)s")
    return words


def settings_of(arguments: argparse.Namespace) -> Settings:
    """The settings of the measurement, from the command line."""
    return Settings(
        model_version=arguments.model_version,
        min_rows=arguments.min_rows,
        min_labels=arguments.min_labels,
        min_slice_rows=arguments.min_slice_rows,
        sensitivity=Sensitivity(arguments.psi_threshold, arguments.false_discovery_rate),
        bootstrap=Bootstrap(arguments.bootstrap_resamples, arguments.seed),
    )


def main() -> int:
    """Measure, and write measures.json, figures/ and report.html."""
    arguments = parser().parse_args()
    settings = settings_of(arguments)
    # What is measured decides about alarms and retraining: added code has no part in the rest of it.
    use_isolated_extensions()
    deployments = [] if arguments.deployments == ALL else arguments.deployments.split(",")
    try:
        window = parse_window(arguments.until, arguments.hours)
        reference = Reference.read(arguments.model_package)
        labels = read_labels(arguments.labels, reference.schema) if arguments.labels else None
        facts = facts_of(arguments.model_package, arguments.model_version)
    except (ValueError, ModelPackageError) as error:
        print(f"nothing was measured: {error}", file=sys.stderr)
        return 1
    try:
        collected = read_window(arguments.collected, window, reference.schema, deployments)
        found = measure(collected, reference, labels, settings)
    except ExtensionError as error:
        print(f"nothing was measured: {error}", file=sys.stderr)
        return 1
    document: dict[str, Any] = {**found.as_document(), "window": window.as_document()}
    figures = draw(found, settings.sensitivity.psi_threshold)
    report = write_results(arguments.monitoring, document, figures, facts)
    values = {name: each["value"] for name, each in document["measures"].items() if each["state"] == "measured"}
    record(window.as_document(), values, [report])
    print(f"{found.rows:,} rows from {found.files} files, {found.labelled:,} with labels")
    for note in found.notes:
        print(note)
    for name, value in values.items():
        print(f"{name}: {value:.4f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
