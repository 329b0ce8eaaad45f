"""Measure a window of what a released model was asked and answered: quality, drift, performance, fairness.

Decides nothing: what a value is worth is said by releases/monitor.yml, which `mlops monitor` judges by.
"""

import argparse
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bins import Bins
from collected import Window, read_window
from drift import Moved, Sensitivity
from labels import read_labels
from measuring import ANY_VERSION, Settings, measure, window_document
from outcomes import METRICS
from package import read_package
from pictures import draw_attribution, draw_bins, draw_distributions, draw_drift, draw_performance

from shared.columns import SCHEMA
from shared.documents import write_json
from shared.pages import write_page
from shared.tracking import record

NOW = "now"
ALL = "all"
EXAMPLE = (
    "example: python components/monitor_model/monitor_model.py --collected out/modelDataCollector/credit-default-prod "
    "--model-package out/package --until 2026-03-02T00:00:00+00:00 --hours 24 --monitoring out/monitoring"
)


def parse_window(until: str, hours: float) -> Window:
    """The window that ends at a moment in ISO 8601, or now. Raises ValueError."""
    end = datetime.now(UTC) if until == NOW else datetime.fromisoformat(until)
    if end.tzinfo is None:
        raise ValueError(f"the end of the window, {until}, needs a time zone, such as +00:00")
    return Window(end.astimezone(UTC) - timedelta(hours=hours), end.astimezone(UTC))


def draw(document: dict[str, Any], moved: list[Moved], limit: float) -> dict[str, str]:
    """Draw what there is to be drawn: name → SVG."""
    figures: dict[str, str] = {}
    if moved:
        figures |= {"drift": draw_drift(moved, limit), "attribution": draw_attribution(moved)}
        for number, picture in enumerate(draw_distributions(moved), start=1):
            figures[f"feature_{number}"] = picture
    if document["score"] is not None:
        figures["score"] = draw_bins("score", Bins(**document["score"]["bins"]))
    performance = {name: document["measures"][name] for name in METRICS}
    if any(each.get("low") is not None for each in performance.values()):
        figures["performance"] = draw_performance(performance)
    return figures


def write_results(folder: Path, document: dict[str, Any], figures: dict[str, str]) -> Path:
    """Write measures.json, the pictures and report.html; give the report."""
    pictures = folder / "figures"
    pictures.mkdir(parents=True, exist_ok=True)
    for name, picture in figures.items():
        (pictures / f"{name}.svg").write_text(picture, encoding="utf-8")
    report = folder / "report.html"
    write_page(report, Path(__file__).with_name("report.html.j2"), {"document": document, "figures": figures})
    # Last: whoever finds it finds everything.
    write_json(folder / "measures.json", document)
    return report


def parser() -> argparse.ArgumentParser:
    """The command line."""
    words = argparse.ArgumentParser(description="Measure a window of collected data.", epilog=EXAMPLE)
    words.add_argument("--collected", type=Path, required=True, help="folder with a folder a deployment")
    words.add_argument("--model-package", type=Path, required=True, help="the released model package")
    words.add_argument("--labels", type=Path, help="CSV or parquet: correlation_id, row, outcome")
    words.add_argument("--monitoring", type=Path, required=True, help="folder for results and report")
    words.add_argument("--until", default=NOW, help="end of the window, ISO 8601 or now; default: %(default)s")
    words.add_argument("--hours", type=float, default=24.0, help="length of the window; default: %(default)s")
    words.add_argument("--deployments", default=ALL, help="names with commas, the live one first; default: %(default)s")
    words.add_argument("--model-version", default=ANY_VERSION, help="whose answers count; default: %(default)s")
    words.add_argument("--fewest-rows", type=int, default=500, help="default: %(default)s")
    words.add_argument("--fewest-labels", type=int, default=300, help="default: %(default)s")
    words.add_argument("--smallest-band", type=int, default=100, help="default: %(default)s")
    words.add_argument("--moved-index", type=float, default=0.1, help="default: %(default)s")
    words.add_argument("--false-discoveries", type=float, default=0.01, help="default: %(default)s")
    words.add_argument("--bootstrap-resamples", type=int, default=400, help="default: %(default)s")
    words.add_argument("--seed", type=int, default=7, help="default: %(default)s")
    return words


def settings_of(arguments: argparse.Namespace) -> Settings:
    """How to measure, from the command line."""
    return Settings(
        model_version=arguments.model_version,
        fewest_rows=arguments.fewest_rows,
        fewest_labels=arguments.fewest_labels,
        smallest_band=arguments.smallest_band,
        sensitivity=Sensitivity(arguments.moved_index, arguments.false_discoveries),
        resamples=arguments.bootstrap_resamples,
        seed=arguments.seed,
    )


def main() -> int:
    """Measure, and write measures.json, figures/ and report.html."""
    arguments = parser().parse_args()
    settings = settings_of(arguments)
    deployments = [] if arguments.deployments == ALL else arguments.deployments.split(",")
    try:
        window = parse_window(arguments.until, arguments.hours)
        package = read_package(arguments.model_package)
        labels = read_labels(arguments.labels, package.target) if arguments.labels else None
    except (ValueError, FileNotFoundError) as error:
        print(f"nothing was measured: {error}", file=sys.stderr)
        return 1
    collected = read_window(arguments.collected, window, package.names, deployments)
    measured, moved = measure(collected, package, labels, SCHEMA.groups, settings)
    document: dict[str, Any] = {**measured, "window": window_document(window)}
    figures = draw(document, moved, settings.sensitivity.index)
    report = write_results(arguments.monitoring, document, figures)
    values = {name: each["value"] for name, each in document["measures"].items() if each["state"] == "measured"}
    record(window_document(window), values, [report])
    print(f"{document['rows']:,} rows from {document['files']} files, {document['labelled']:,} with labels")
    for note in document["notes"]:
        print(note)
    for name, value in values.items():
        print(f"{name}: {value:.4f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
