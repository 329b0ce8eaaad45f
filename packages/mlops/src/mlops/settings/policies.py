"""What is allowed, as frozen objects: releases/retirement.yml, retraining.yml and provenance.yml per stage, and the
search space of a tuning in components/search_space.yml.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Literal, Self

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator

from mlops.core.documents import Part, YamlFile, parse_checked, read_checked, read_yaml
from mlops.core.layout import SEARCH_SPACE_FILE, TUNING_PIPELINE_FILE
from mlops.settings.project import Project
from mlops.settings.releases import RELEASE_FOLDER, change_values
from mlops.settings.stages import ByStage, KnownStage, StageOrder, stage_context
from model_package.errors import did_you_mean

RETIREMENT_FILE: Final = RELEASE_FOLDER / "retirement.yml"

Days = Annotated[int, Field(ge=0, le=3_650)]


class Deadlines(Part):
    """One stage's grace periods in days. The newest model always stays: the next version is counted from it."""

    deployment_days: Days
    model_days: Days
    keep_latest_models: Annotated[int, Field(ge=1, le=10_000)]


class _RetirementFile(YamlFile):
    renamed_keys: ClassVar = {"newest_models": "keep_latest_models"}

    stages: ByStage[Deadlines]


def read_deadlines(project: Project) -> ByStage[Deadlines]:
    """The grace periods of each stage. Raises ProjectError naming file, line, key and what to do."""
    return deadlines_in(project.path(RETIREMENT_FILE), project.order)


def deadlines_in(file: Path, order: StageOrder) -> ByStage[Deadlines]:
    """The same, for a given file."""
    return read_checked(file, _RetirementFile, stage_context(order)).value.stages


RETRAINING_FILE: Final = RELEASE_FOLDER / "retraining.yml"


class CollectedRows(Part):
    """Which rows that a stage collected are trained on, once their outcomes are known.

    Those of `window_days` that ended `label_delay_days` before the end of the drifted window, the newest `max_rows` of
    them. `include_history`: appended to the rows of the newest version of the data asset, without duplicates of those
    (`exclude_known_rows`).
    """

    window_days: Annotated[int, Field(ge=1, le=3_650)]
    label_delay_days: Annotated[int, Field(ge=0, le=3_650)]
    min_rows: Annotated[int, Field(ge=1)]
    min_rows_per_class: Annotated[int, Field(ge=1)]
    max_rows: Annotated[int, Field(ge=1, le=10_000_000)]
    include_history: bool
    exclude_known_rows: bool


VersionName = Annotated[str, Field(min_length=1, max_length=255)]


def _choice(value: Any) -> str:
    return "rows" if isinstance(value, dict | CollectedRows) else "version"


DataChoice = Annotated[
    Annotated[VersionName, Tag("version")] | Annotated[CollectedRows, Tag("rows")], Discriminator(_choice)
]


class RetrainingRules(YamlFile):
    """The content of retraining.yml; `data` is a version of the data asset, `newest`, or collected rows."""

    renamed_keys: ClassVar = {
        "runs_a_week": "max_runs_per_week",
        "cause_days": "max_cause_age_days",
        "settled_days": "label_delay_days",
        "fewest_rows": "min_rows",
        "fewest_of_each": "min_rows_per_class",
        "most_rows": "max_rows",
        "with_history": "include_history",
        "leave_out_known": "exclude_known_rows",
    }

    stages: Annotated[tuple[KnownStage, ...], Field(strict=False)]
    cool_down_hours: Annotated[int, Field(ge=0, le=24 * 90)]
    max_runs_per_week: Annotated[int, Field(ge=0, le=100)]
    max_cause_age_days: Annotated[int, Field(ge=1, le=365)]
    data: DataChoice


def read_retraining_rules(file: Path, order: StageOrder) -> RetrainingRules:
    """Read and check retraining.yml. Raises ProjectError naming file, line, key and what to do."""
    return read_checked(file, RetrainingRules, stage_context(order)).value


POLICY_FILE: Final = RELEASE_FOLDER / "provenance.yml"
_ORIGIN: Final = "{origin}"
_ANYTHING: Final = "*"


def _renamed(value: object) -> object:
    if value == "github":
        raise ValueError("is now `required`: the git host of the remote must hold the attestation")
    return value


class Demands(Part):
    """What one stage requires."""

    statement: Literal["required", "optional"]
    builders: Annotated[tuple[str, ...], Field(min_length=1, strict=False)]
    commit: Literal["merged", "known", "any"]
    attestation: Annotated[Literal["required", "none"], BeforeValidator(_renamed)]


class Policy(YamlFile):
    """The content of the file."""

    stages: ByStage[Demands]


def read_policy(root: Path, order: StageOrder) -> Policy:
    """Read the policy of a project. Raises ProjectError: without a policy nothing is accepted."""
    return read_checked(root / POLICY_FILE, Policy, stage_context(order)).value


def parse_policy(text: str, order: StageOrder) -> Policy:
    """The same, for the text of the file at some revision."""
    return parse_checked(text, POLICY_FILE, Policy, stage_context(order)).value


def with_builder(text: str, builder: str, order: StageOrder) -> bytes:
    """A policy's text in which every stage accepts one more builder; comments and layout stay."""
    policy = parse_policy(text, order)
    stages = {stage: {"builders": [*policy.stages[stage].builders, builder]} for stage in order}
    return change_values(text, {"stages": stages}).encode()


def allows(builders: tuple[str, ...], builder: str, origin: str | None) -> bool:
    """Whether a builder is one of those named; without a git host, a pattern with {origin} matches nothing."""
    for pattern in builders:
        if _ORIGIN in pattern and origin is None:
            continue
        named = pattern.replace(_ORIGIN, origin or "")
        expression = ".*".join(re.escape(part) for part in named.split(_ANYTHING))
        if re.fullmatch(expression, builder):
            return True
    return False


class _Choice(Part):
    """One of some values."""

    type: Literal["choice"]
    values: Annotated[list[Any], Field(min_length=1)]


class _Ends(Part):
    min_value: float
    max_value: float

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.min_value < self.max_value:
            raise ValueError(f"min_value {self.min_value:g} is not below max_value {self.max_value:g}")
        return self


class _Between(_Ends):
    """Between two ends, for `loguniform` those of the exponent."""

    type: Literal["uniform", "loguniform"]


class _BetweenSteps(_Ends):
    """The same, rounded to multiples of `q`."""

    type: Literal["quniform", "qloguniform"]
    q: Annotated[float, Field(gt=0)]


class _Around(Part):
    """Around a mean, for `lognormal` that of the exponent."""

    type: Literal["normal", "lognormal"]
    mu: float
    sigma: Annotated[float, Field(gt=0)]


class _AroundSteps(Part):
    """The same, rounded to multiples of `q`."""

    type: Literal["qnormal", "qlognormal"]
    mu: float
    sigma: Annotated[float, Field(gt=0)]
    q: Annotated[float, Field(gt=0)]


class _Integer(Part):
    """A whole number from 0 to below `upper`."""

    type: Literal["randint"]
    upper: Annotated[int, Field(ge=1)]


Distribution = Annotated[
    _Choice | _Between | _BetweenSteps | _Around | _AroundSteps | _Integer, Field(discriminator="type")
]


class SearchSpace(YamlFile):
    """The content of components/search_space.yml: a distribution of Azure ML's sweep jobs per input of the step."""

    parameters: Annotated[dict[str, Distribution], Field(min_length=1)]


def read_search_space(root: Path) -> dict[str, dict[str, Any]]:
    """What `mlops tune` varies, a distribution per input of the sweep's step.

    Raises ProjectError naming file, line, key and what to do.
    """
    checked = read_checked(root / SEARCH_SPACE_FILE, SearchSpace)
    parameters = checked.value.parameters
    jobs = read_yaml(root / TUNING_PIPELINE_FILE).value["jobs"].values()
    component = next((str(each["trial"]) for each in jobs if "trial" in each), "")
    inputs = list(read_yaml((root / TUNING_PIPELINE_FILE).parent / component).value.get("inputs") or {})
    checked.refuse(
        [
            (
                ("parameters", name),
                f"{name} is not an input of the step{did_you_mean(name, inputs)}, which has: {', '.join(inputs)}",
            )
            for name in parameters
            if name not in inputs
        ]
    )
    return {name: each.model_dump() for name, each in parameters.items()}
