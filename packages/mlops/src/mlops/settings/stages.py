"""The ordered stages of a project, and values per stage in other files. Pure: no I/O.

Only the list in project.yml defines the stages; every other file is checked against it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Generic, Literal, TypeVar

from pydantic import AfterValidator, ConfigDict, RootModel, ValidationInfo, model_validator

from mlops.core.errors import InputError
from model_package.errors import did_you_mean

# What answers requests in every stage of a project.
Server = Literal["inference-server", "granian"]
GRANIAN: Final[Server] = "granian"
MOST_STAGES: Final = 6
_NAME: Final = re.compile(r"[a-z][a-z0-9]{1,11}")
# Names of other files in releases/, of other stacks, and of jobs and environments in CI.
RESERVED_NAMES: Final = frozenset(
    {
        *("gates", "monitor", "protection", "provenance", "releases", "reports", "retirement", "retraining"),
        *("ci", "repository", "shared"),
        *("changes", "gate", "plan", "preview", "promote", "promotion", "retrain", "train"),
    }
)
# The context key under which `read_checked` passes the stages of project.yml to the models of other files.
_CONTEXT: Final = "stages"


def name_problem(text: str) -> str | None:
    """Why a text cannot be the name of a stage; None if it can."""
    if not _NAME.fullmatch(text):
        return f"'{text}' is not allowed: 2 to 12 lower-case letters and digits, starting with a letter"
    if text in RESERVED_NAMES:
        return f"'{text}' is reserved for something else in releases/, infra/ or CI; choose another name"
    return None


def _stage_name(text: str) -> str:
    problem = name_problem(text)
    if problem:
        raise ValueError(problem)
    return text


StageName = Annotated[str, AfterValidator(_stage_name)]


@dataclass(frozen=True)
class StageOrder:
    """The names of a project's stages: the first trains, the last is production, models move from left to right."""

    names: tuple[StageName, ...]

    def __iter__(self) -> Iterator[StageName]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)

    def __str__(self) -> str:
        return " → ".join(self.names)

    @property
    def training(self) -> StageName:
        """Where models are trained and registered; it accepts any version."""
        return self.names[0]

    @property
    def production(self) -> StageName:
        """The last stage."""
        return self.names[-1]

    def source_of(self, stage: StageName) -> StageName:
        """The stage that `stage` takes its models from: the one before it, the first one itself."""
        return self.names[max(self.names.index(stage) - 1, 0)]

    def next_after(self, stage: StageName) -> StageName | None:
        """The stage that takes its models from `stage`; None for the last one."""
        rest = self.names[self.names.index(stage) + 1 :]
        return rest[0] if rest else None

    def until(self, stage: StageName) -> tuple[StageName, ...]:
        """The stages up to and including `stage`."""
        return self.names[: self.names.index(stage) + 1]

    def find(self, text: str) -> StageName:
        """The stage with this name. Raises InputError with a suggestion."""
        if text in self.names:
            return text
        raise InputError(f"there is no stage '{text}'{did_you_mean(text, self.names)}", f"project.yml lists {self}.")


def stage_context(order: StageOrder) -> Mapping[str, Any]:
    """The context for reading a file that uses `ByStage` or `KnownStage`."""
    return {_CONTEXT: order}


def _known_stage(name: str, info: ValidationInfo) -> str:
    order: StageOrder = (info.context or {})[_CONTEXT]
    if name not in order.names:
        raise ValueError(f"project.yml has no stage '{name}'{did_you_mean(name, order.names)}; its stages are {order}")
    return name


# A stage that project.yml lists.
KnownStage = Annotated[str, AfterValidator(_known_stage)]
Value = TypeVar("Value")


class ByStage(RootModel[dict[KnownStage, Value]], Generic[Value]):
    """A value for each stage of project.yml: none missing, none extra."""

    model_config = ConfigDict(frozen=True, strict=True)

    @model_validator(mode="after")
    def _has_every_stage(self, info: ValidationInfo) -> ByStage[Value]:
        order: StageOrder = (info.context or {})[_CONTEXT]
        missing = [name for name in order if name not in self.root]
        if missing:
            added = " and ".join(f"`{name}:`" for name in missing)
            raise ValueError(
                f"has no entry for {', '.join(missing)}, which project.yml lists; add {added} "
                f"(`mlops stages add` copies the previous stage's)"
            )
        return self

    def __getitem__(self, stage: StageName) -> Value:
        return self.root[stage]

    def values(self) -> tuple[Value, ...]:
        """The value of every stage, in file order."""
        return tuple(self.root.values())
