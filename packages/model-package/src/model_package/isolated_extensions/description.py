"""What the process of extensions/ may say that they add: names, titles and directions, each within bounds. No code."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from model_package.tasks.task import Chart, Metric, SliceMetric, Words

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=100)]
Text = Annotated[str, Field(max_length=500)]
Better = Literal["higher", "lower"]
_MOST = 100


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Described(_Part):
    """A measure of the gates."""

    name: Name
    title: Text
    better: Better


class MonitorDescribed(Described):
    """A measure of monitoring."""

    section: Literal["quality", "drift"]


class MetricDescribed(_Part):
    """A metric."""

    name: Name
    title: Text
    better: Literal["higher", "lower", "none"]
    gated: bool
    monitored: bool
    needs_features: bool
    meaning: Text
    undefined: Text
    tasks: Annotated[list[Text], Field(max_length=_MOST)]

    def metric(self, function: Any = None) -> Metric:
        """Return it with the function that asks for its values."""
        return replace(Metric(**self.model_dump()), tasks=tuple(self.tasks), function=function)


class TaskDescribed(_Part):
    """A task: what its class says of itself."""

    # JSON has lists for tuples, and objects for dataclasses.
    model_config = ConfigDict(strict=False)

    name: Name
    base: Text
    words: Words
    output: Text
    represented_as: Text
    metrics: Annotated[list[MetricDescribed], Field(max_length=_MOST)]
    slice_metrics: Annotated[tuple[SliceMetric, ...], Field(max_length=_MOST)]
    change: MetricDescribed
    main_metric: Text
    decision_key: Text
    explained_as: Text
    rarest: Text
    subgroup_metrics: Annotated[tuple[Text, ...], Field(max_length=_MOST)]
    subgroup_fact_titles: Annotated[dict[str, Text], Field(max_length=_MOST)]
    charts: Annotated[tuple[Chart, ...], Field(max_length=_MOST)]
    decides: bool

    @model_validator(mode="after")
    def _main_metric_is_one(self) -> TaskDescribed:
        if self.main_metric not in {each.name for each in self.metrics}:
            raise ValueError(f"main_metric {self.main_metric!r} is none of its metrics")
        return self

    def class_attributes(self) -> dict[str, Any]:
        """Return what the class of the task has, as a class of the template has it."""
        own = {"metrics": tuple(each.metric() for each in self.metrics), "change": self.change.metric()}
        rest = (name for name in type(self).model_fields if name not in ("decides", *own))
        return {**{name: getattr(self, name) for name in rest}, **own}


class Description(_Part):
    """Everything that extensions/ add."""

    metrics: Annotated[list[MetricDescribed], Field(max_length=_MOST)]
    gates: Annotated[list[Described], Field(max_length=_MOST)]
    monitor: Annotated[list[MonitorDescribed], Field(max_length=_MOST)]
    tasks: Annotated[list[TaskDescribed], Field(max_length=_MOST)]


def first_problem(error: ValidationError) -> str:
    """Return the first thing that is wrong with an answer, in one line without its content."""
    found = error.errors(include_url=False, include_input=False, include_context=False)[0]
    where = ".".join(map(str, found["loc"]))
    return " ".join(f"{where}: {found['msg']}".removeprefix(": ").split())[:200]
