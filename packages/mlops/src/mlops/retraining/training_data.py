"""The data that a retraining runs on: a version that is there, or one made of what the stage was asked.

The same cause, rows and outcomes make the same version again. The rows of a later stage move to the training stage's
storage here, and nowhere else: only where releases/retraining.yml asks for it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import polars as pl

from mlops.audit.record import Record
from mlops.audit.retraining_policy import NotBegun
from mlops.azure.collected_data.frames import Collected
from mlops.azure.collected_data.reading import read_collected
from mlops.azure.collected_data.window import Window
from mlops.azure.workspace import WorkspaceClients
from mlops.core.errors import InputError
from mlops.core.layout import ROWS_FOLDER, private_folder
from mlops.endpoint.view import observe
from mlops.models.data_asset import NEWEST, DataVersion, Origin, download_data, ensure_data, find_data
from mlops.models.package_documents import Schema
from mlops.retraining.label_join import LabelledData, Outcomes, label, read_outcomes
from mlops.settings.retraining import CollectedRows
from mlops.settings.stages import StageName

_UNTIL: Final = "until"
# Azure takes no longer text for a tag.
_LONGEST_TAG: Final = 256


@dataclass(frozen=True)
class TrainingData:
    """A version to train on; `data_description` says what it consists of, "" for one that existed before."""

    version: DataVersion
    data_description: str = ""


def training_data(
    clients: WorkspaceClients, wanted: str | CollectedRows, cause: Record, schema: Schema
) -> TrainingData | NotBegun:
    """Find or make the version. `schema` is of the model that drifted. Raises InputError as `find_data` does."""
    if isinstance(wanted, str):
        return TrainingData(find_data(clients.training, clients.project.settings.data, wanted))
    with tempfile.TemporaryDirectory(dir=private_folder(clients.project.path(ROWS_FOLDER))) as folder:
        try:
            return _Making(clients, wanted, cause, schema, Path(folder)).make()
        except InputError as error:
            return NotBegun(f"{error.message}. {error.advice}")


def training_window(rules: CollectedRows, cause: Record) -> Window:
    """The rows' window: it ends where the one that drifted did, less the time in which outcomes settle.

    Raises InputError for a cause that does not say where that is.
    """
    try:
        found = datetime.fromisoformat(cause.event.evidence[_UNTIL])
    except (KeyError, ValueError) as error:
        message = f"record {cause.number} of {cause.event.stage} does not say where its window ends"
        raise InputError(message, f"Judge anew: `mlops monitor --stage {cause.event.stage}`.") from error
    end = found - timedelta(days=rules.label_delay_days)
    return Window(end - timedelta(days=rules.window_days), end)


@dataclass(frozen=True)
class _Making:
    """One version in the making; files on the way lie in `folder`."""

    clients: WorkspaceClients
    rules: CollectedRows
    cause: Record
    schema: Schema
    folder: Path

    @property
    def stage(self) -> StageName:
        return self.clients.project.order.find(self.cause.event.stage)

    def make(self) -> TrainingData | NotBegun:
        """Read, join, and register. Raises InputError where there is nothing to make it of."""
        if not self.schema.id:
            raise InputError("the model that drifted names no column for the rows' numbers", "Train it again first.")
        settings, training = self.clients.project.settings, self.clients.training
        labels, outcomes = self._outcomes(settings.labels)
        collected = self._collected()
        rows = label(collected.frame, outcomes, self.schema, self.stage)
        history = find_data(training, settings.data, NEWEST) if self.rules.include_history else None
        past = download_data(training, history, self._place("history")) if history else None
        kept = rows.frame
        if past is not None and self.rules.exclude_known_rows:
            kept = without_known_rows(past, kept, self.schema)
        used = rows.only(kept)
        objection = used.objection(self.rules)
        if objection:
            return NotBegun(objection)
        file = self.folder / f"collected-{self.stage}.csv"
        total = merge_dataset(past, kept, self.schema, file)
        facts = self._facts(used, collected, outcomes, labels) | {"rows": f"{total:,}"}
        if history:
            facts["history"] = f"{history.name}:{history.version}, {total - kept.height:,} rows"
        data_description = _sentence(self.stage, facts)
        tags = {name: text[:_LONGEST_TAG] for name, text in facts.items()}
        version, _ = ensure_data(training, settings.data, file, Origin(data_description, tags))
        return TrainingData(version, data_description)

    def _place(self, name: str) -> Path:
        """A folder of its own for each file, whose name anybody may have chosen."""
        folder = self.folder / name
        folder.mkdir()
        return folder

    def _outcomes(self, asset: str) -> tuple[DataVersion, Outcomes]:
        client = self.clients.stage(self.stage)
        try:
            labels = find_data(client, asset, NEWEST)
        except InputError as error:
            advice = f"Give them as they become known: `mlops monitor --stage {self.stage} --labels FILE`."
            raise InputError(
                f"no outcomes are known of what {self.stage} was asked: {error.message}", advice
            ) from error
        return labels, read_outcomes(download_data(client, labels, self._place("labels")), self.schema.target)

    def _collected(self) -> Collected:
        client, endpoint = self.clients.stage(self.stage), self.clients.project.settings.stage(self.stage).endpoint
        view = observe(client, endpoint)
        # A request that was mirrored is there twice; the one whose answer the caller got counts.
        deployments = sorted(view.deployments, key=lambda name: (name != view.live, name))
        window = training_window(self.rules, self.cause)
        return read_collected(client, endpoint, deployments, window, self.rules.max_rows)

    def _facts(self, rows: LabelledData, found: Collected, outcomes: Outcomes, labels: DataVersion) -> dict[str, str]:
        model = self.cause.event.model
        counts = {
            "collected": rows.collected,
            "labelled": rows.frame.height,
            "without_outcome": rows.unknown,
            "unfit": rows.unfit,
            "known": rows.known,
            "repeated": found.repeated,
            "broken": found.broken,
            "skewed": found.skewed,
            "outcomes_repeated": outcomes.repeated,
            "outcomes_contradictory": outcomes.contradictory,
            "outcomes_unusable": outcomes.unusable,
        }
        return {
            "stage": self.stage,
            "window": str(found.window),
            "models": ", ".join(f"{model} {version}" for version in rows.models),
            "labels": f"{labels.name}:{labels.version}",
            **{name: f"{count:,}" for name, count in counts.items()},
        }


def _sentence(stage: StageName, facts: Mapping[str, str]) -> str:
    after = f", after those of {facts['history']}" if "history" in facts else ""
    left_out = f"{facts['without_outcome']} without an outcome, {facts['unfit']} unfit, {facts['known']} known before"
    return (
        f"{facts['labelled']} rows that {stage} was asked from {facts['window']}, answered by {facts['models']}, with "
        f"the outcomes of {facts['labels']}{after}; left out: {left_out}"
    )


_ADVICE: Final = "Train on it first: `mlops train --data-version newest` says what is wrong with it."


def without_known_rows(history: Path, rows: pl.DataFrame, schema: Schema) -> pl.DataFrame:
    """The rows that equal none of a data file in every feature: as another row they would test what they trained.

    What stands in the file under a row's own number is the row itself.
    """
    others = _others(history, rows, schema).select(pl.col(schema.names).cast(pl.Float64, strict=False))
    mine = rows.lazy().with_columns(pl.col(schema.names).cast(pl.Float64)).with_row_index()
    new = mine.join(others, on=schema.names, how="anti").select("index").sort("index").collect()["index"]
    return rows[new]


def merge_dataset(history: Path | None, rows: pl.DataFrame, schema: Schema, file: Path) -> int:
    """Write a CSV of a data file's rows and the labelled ones, which replace rows of the same number.

    Gives the number of rows. The same rows always make the same bytes. Raises InputError for a file without the
    schema's columns.
    """
    new = rows.lazy().select(pl.col(_columns(schema)).cast(pl.String))
    parts = [new] if history is None else [_others(history, rows, schema), new]
    pl.concat(parts, how="vertical").sink_csv(file)
    return int(pl.scan_csv(file, infer_schema=False).select(pl.len()).collect().item())


def _others(history: Path, rows: pl.DataFrame, schema: Schema) -> pl.LazyFrame:
    """The rows of a data file as text, without those of the same number as a labelled one."""
    try:
        lines = pl.scan_csv(history, infer_schema=False)
        found = lines.collect_schema().names()
    except pl.exceptions.PolarsError as error:
        raise InputError(f"{history.name} is no readable CSV file: {error}", _ADVICE) from error
    missing = [name for name in _columns(schema) if name not in found]
    if missing:
        raise InputError(f"{history.name} has no column {', '.join(missing)}", _ADVICE)
    number = pl.col(schema.id).str.strip_chars().cast(pl.Int64, strict=False)
    again = number.is_in(rows[schema.id].implode()).fill_null(value=False)
    return lines.select(_columns(schema)).filter(~again)


def _columns(schema: Schema) -> list[str]:
    return [schema.id, *schema.names, schema.target]
