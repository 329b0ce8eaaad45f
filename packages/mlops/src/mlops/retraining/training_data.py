"""The data that a retraining runs on: an existing version, or one made of the rows that a stage collected.

The same cause, rows and outcomes make the same version again. The rows of a later stage are copied to the training
stage's storage here, and nowhere else: only where releases/retraining.yml asks for it.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from mlops.audit.record import Record
from mlops.audit.retraining_policy import NotBegun
from mlops.azure.collected_data import read_collected
from mlops.azure.workspace import WorkspaceClients
from mlops.core.errors import InputError
from mlops.core.layout import ROWS_FOLDER, private_folder
from mlops.endpoint.view import observe
from mlops.models.data_asset import NEWEST, DataVersion, Origin, download_data, ensure_data, find_data
from mlops.settings.policies import CollectedRows
from mlops.settings.stages import StageName
from model_package.collected.labels import Labels, read_labels
from model_package.collected.newest import NewestRows
from model_package.collected.window import Window
from model_package.errors import UnreadableRows
from model_package.rows.collected_columns import (
    CORRELATION_ID,
    IDENTITY,
    MODEL_VERSION,
    OUTCOME,
    ROW,
    TIME,
    collected_name,
    feature_name,
)
from model_package.rows.rules import RowRules
from model_package.rows.tables import read_column
from model_package.schema import CATEGORY, Feature, Schema
from model_package.tasks import Task, task_of

_UNTIL: Final = "until"
# The longest value of a tag that Azure accepts.
_LONGEST_TAG: Final = 256
_ROW_NUMBER_BYTES: Final = 8
_ORDER: Final = "\0order"
_MOMENT: Final = "%Y-%m-%dT%H:%M:%S%.3fZ"
_ADVICE: Final = "Train on it first: `mlops train --data-version newest` says what is wrong with it."


@dataclass(frozen=True)
class TrainingData:
    """A version to train on; `data_description` says what it consists of, "" for one that existed before."""

    version: DataVersion
    data_description: str = ""


@dataclass(frozen=True)
class LabelledRows:
    """`table` has the columns of a training file: the id, the features, the target, by id. The rest counts rows.

    `collected` are all rows, of which `unlabelled` have no outcome yet, `unfit` have a value that validation refuses,
    and `known` equal rows of the data that is trained on anyway. `models` are the versions that answered.
    """

    table: pl.DataFrame
    task: Task
    collected: int
    unlabelled: int
    unfit: int
    models: tuple[str, ...]
    known: int = 0

    def only(self, table: pl.DataFrame) -> LabelledRows:
        """The same with only the rows of `table` left; the others are known."""
        return replace(self, table=table, known=self.table.height - table.height)

    def objection(self, rules: CollectedRows) -> str:
        """Why these rows are not enough to train on; "" when they are."""
        rows = self.table.height
        counts = f"of {self.collected:,} rows {rows:,} can be used, {self.unlabelled:,} have no outcome yet"
        counts += f", {self.unfit:,} have values that validation refuses" if self.unfit else ""
        counts += f", {self.known:,} equal rows that are in the data anyway" if self.known else ""
        if rows < rules.min_rows:
            return f"there are too few rows to train on: {counts}; min_rows is {rules.min_rows:,}"
        classes = self.task.class_counts(self.task.encode(self.table[self.task.schema.target].to_numpy()))
        rarest = min(classes, key=lambda name: classes[name], default=None)
        if rarest is not None and classes[rarest] < rules.min_rows_per_class:
            return (
                f"there are too few outcomes of one class: {classes[rarest]:,} of {rows:,} rows have outcome {rarest}; "
                f"min_rows_per_class is {rules.min_rows_per_class:,}"
            )
        return ""


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
    """The window of the rows: it ends where the window that drifted ended, less `label_delay_days`.

    Raises InputError for a cause that does not say where its window ends.
    """
    try:
        found = datetime.fromisoformat(cause.event.evidence[_UNTIL])
    except (KeyError, ValueError) as error:
        message = f"record {cause.number} of {cause.event.stage} does not say where its window ends"
        raise InputError(message, f"Monitor again: `mlops monitor --stage {cause.event.stage}`.") from error
    end = found - timedelta(days=rules.label_delay_days)
    return Window(end - timedelta(days=rules.window_days), end)


@dataclass(frozen=True)
class _Making:
    """Makes one version; its intermediate files are in `folder`."""

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
        settings, training = self.clients.project.settings, self.clients.training
        version, labels = self._labels(settings.labels)
        collected = self._collected()
        rows = label(collected.table, labels, self.schema, self.stage)
        history = find_data(training, settings.data, NEWEST) if self.rules.include_history else None
        past = download_data(training, history, self._subfolder("history")) if history else None
        kept = rows.table
        if past is not None and self.rules.exclude_known_rows:
            kept = without_known_rows(past, kept, self.schema)
        used = rows.only(kept)
        objection = used.objection(self.rules)
        if objection:
            return NotBegun(objection)
        file = self.folder / f"collected-{self.stage}.csv"
        total = merge_dataset(past, kept, self.schema, file)
        facts = self._facts(used, collected, labels, version) | {"rows": f"{total:,}"}
        if history:
            facts["history"] = f"{history.name}:{history.version}, {total - kept.height:,} rows"
        data_description = _sentence(self.stage, facts)
        tags = {name: text[:_LONGEST_TAG] for name, text in facts.items()}
        made, _ = ensure_data(training, settings.data, file, Origin(data_description, tags))
        return TrainingData(made, data_description)

    def _subfolder(self, name: str) -> Path:
        """One folder per downloaded file: the name of the file itself comes from outside."""
        folder = self.folder / name
        folder.mkdir()
        return folder

    def _labels(self, asset: str) -> tuple[DataVersion, Labels]:
        client = self.clients.stage(self.stage)
        try:
            version = find_data(client, asset, NEWEST)
        except InputError as error:
            advice = f"Pass them as they become known: `mlops monitor --stage {self.stage} --labels FILE`."
            raise InputError(f"no outcomes of requests to {self.stage} are known: {error.message}", advice) from error
        file = download_data(client, version, self._subfolder("labels"))
        try:
            return version, read_labels(file, self.schema)
        except UnreadableRows as error:
            advice = f"Pass a file that can be read: `mlops monitor --stage {self.stage} --labels FILE`."
            raise InputError(str(error), advice) from error

    def _collected(self) -> NewestRows:
        client, endpoint = (
            self.clients.stage(self.stage),
            self.clients.project.settings.stage(self.stage).online_endpoint,
        )
        view = observe(client, endpoint)
        # A mirrored request is collected twice; the copy whose answer the caller got counts.
        deployments = sorted(view.deployments, key=lambda name: (name != view.live, name))
        window = training_window(self.rules, self.cause)
        return read_collected(client, endpoint, deployments, task_of(self.schema), window, self.rules.max_rows)

    def _facts(self, rows: LabelledRows, collected: NewestRows, labels: Labels, version: DataVersion) -> dict[str, str]:
        model, found = self.cause.event.model, collected.found
        counts = {
            "collected": rows.collected,
            "labelled": rows.table.height,
            "without_outcome": rows.unlabelled,
            "unfit": rows.unfit,
            "known": rows.known,
            "repeated": found.repeated,
            "broken": found.broken,
            "skewed": found.skewed,
            "outcomes_repeated": labels.repeated,
            "outcomes_contradictory": labels.contradictory,
            "outcomes_unusable": labels.unusable,
        }
        return {
            "stage": self.stage,
            "window": str(collected.window),
            "models": ", ".join(f"{model} {each}" for each in rows.models),
            "labels": f"{version.name}:{version.version}",
            **{name: f"{count:,}" for name, count in counts.items()},
        }


def _sentence(stage: StageName, facts: Mapping[str, str]) -> str:
    after = f", after those of {facts['history']}" if "history" in facts else ""
    left_out = f"{facts['without_outcome']} without an outcome, {facts['unfit']} unfit, {facts['known']} known before"
    return (
        f"{facts['labelled']} rows that {stage} collected from {facts['window']}, scored by {facts['models']}, with "
        f"the outcomes of {facts['labels']}{after}; left out: {left_out}"
    )


def label(collected: pl.DataFrame, labels: Labels, schema: Schema, stage: str) -> LabelledRows:
    """Join collected rows, each there once, with their outcomes, and keep those that are fit to train on. No I/O.

    Raises InputError for collected rows that lack a feature of the schema.
    """
    task = task_of(schema)
    features = [replace(each, name=collected_name(each.name, task)) for each in schema.features]
    if schema.group not in ("", *schema.names):
        raise InputError(
            f"the rows that {stage} collected have no column {schema.group}, by which schema.yml splits them",
            f"Train on data that has it: `mlops train --data FILE`. Or list {schema.group} among the features.",
        )
    missing = [each.name for each in features if each.name not in collected.columns]
    if missing and collected.height:
        raise InputError(
            f"the rows that {stage} collected have no column {', '.join(map(feature_name, missing))}",
            "Another model answered then: choose a shorter window_days in releases/retraining.yml.",
        )
    if missing:
        collected = collected.with_columns(pl.lit(None, pl.Float64).alias(name) for name in missing)
    known = collected.join(labels.table, on=IDENTITY, how="inner", maintain_order="left")
    read = [read_column(known, each) for each in features]
    wrong = RowRules(schema).wrong_values(np.stack([each.values for each in read], axis=1))
    fit = known.filter(~np.any(wrong | np.stack([each.unread for each in read], axis=1), axis=1))
    order = schema.identifier or _ORDER
    numbers = pl.Series(order, row_numbers(stage, fit[CORRELATION_ID], fit[ROW]), pl.Int64)
    moment = [] if schema.time in ("", *schema.names) else [pl.col(TIME).dt.strftime(_MOMENT).alias(schema.time)]
    written = [_as_written(each) for each in features]
    table = fit.select(numbers, *moment, *written, pl.col(OUTCOME).alias(schema.target)).sort(order)
    return LabelledRows(
        table=table.select(schema.columns),
        task=task,
        collected=collected.height,
        unlabelled=collected.height - known.height,
        unfit=known.height - fit.height,
        models=tuple(sorted(fit[MODEL_VERSION].drop_nulls().unique())),
    )


def _as_written(feature: Feature) -> pl.Expr:
    """Return a collected feature as a file of training data has it: numbers were collected as fractions."""
    column = pl.col(feature.name).alias(feature_name(feature.name))
    if feature.is_number:
        return column.cast(pl.Int64 if feature.is_whole else pl.Float64)
    is_whole = feature.type == CATEGORY and not any(isinstance(each, str) for each in feature.categories or ())
    return column.cast(pl.Int64) if is_whole else column


def row_numbers(stage: str, requests: Sequence[str] | pl.Series, rows: Sequence[int] | pl.Series) -> list[int]:
    """Return the same number for the same row of a request every time, so that it keeps its part of every split.

    Negative, because the rows of a data asset count from 0 up; 63 bits of a hash, so that numbers do not collide and
    do not reveal the request.
    """
    return [_row_number(stage, request, row) for request, row in zip(requests, rows, strict=True)]


def _row_number(stage: str, request: str, row: int) -> int:
    digest = hashlib.blake2b(f"{stage}\0{request}\0{row}".encode(), digest_size=_ROW_NUMBER_BYTES).digest()
    return -1 - (int.from_bytes(digest, "big") >> 1)


def without_known_rows(history: Path, rows: pl.DataFrame, schema: Schema) -> pl.DataFrame:
    """Return the rows that equal no row of a data file in every feature: a copy in the test part would leak.

    A row of the file with the same number is the row itself, and no copy.
    """
    alike = [
        pl.col(each.name).cast(pl.Float64, strict=False) if each.is_number else pl.col(each.name).cast(pl.String)
        for each in schema.features
    ]
    others = _others(history, rows, schema).select(alike)
    mine = rows.lazy().with_columns(alike).with_row_index(_ORDER)
    joined = mine.join(others, on=schema.names, how="anti", nulls_equal=True)
    new = joined.select(_ORDER).sort(_ORDER).collect()[_ORDER]
    return rows[new]


def merge_dataset(history: Path | None, rows: pl.DataFrame, schema: Schema, file: Path) -> int:
    """Write a CSV of a data file's rows and the labelled ones, which replace rows of the same number.

    Returns the number of rows. The same rows always make the same bytes. Raises InputError for a file without the
    schema's columns.
    """
    new = rows.lazy().select(pl.col(_columns(schema)).cast(pl.String))
    parts = [new] if history is None else [_others(history, rows, schema), new]
    pl.concat(parts, how="vertical").sink_csv(file)
    return int(pl.scan_csv(file, infer_schema=False).select(pl.len()).collect().item())


def _others(history: Path, rows: pl.DataFrame, schema: Schema) -> pl.LazyFrame:
    """Return the rows of a data file as text, without those that have the number of a labelled row."""
    try:
        lines = pl.scan_csv(history, infer_schema=False)
        found = lines.collect_schema().names()
    except pl.exceptions.PolarsError as error:
        raise InputError(f"{history.name} cannot be read as a CSV file: {error}", _ADVICE) from error
    missing = [name for name in _columns(schema) if name not in found]
    if missing:
        raise InputError(f"{history.name} has no column {', '.join(missing)}", _ADVICE)
    if not schema.identifier:
        return lines.select(_columns(schema))
    number = pl.col(schema.identifier).str.strip_chars().cast(pl.Int64, strict=False)
    again = number.is_in(rows[schema.identifier].implode()).fill_null(value=False)
    return lines.select(_columns(schema)).filter(~again)


def _columns(schema: Schema) -> list[str]:
    return list(schema.columns)
