"""releases/gates.yml as frozen objects: the rules, how evidence is collected for them, and the slices they judge."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import Field, PlainValidator, ValidationInfo

from mlops.documents import read_checked
from mlops.gates.measures import CATALOGUE
from mlops.judging.rules import Part, Rule, RuleEntry, problems_of, rules_at
from mlops.project import StageName
from mlops.project_schema import named_slice, slices_context
from mlops.releases.manifest import RELEASE_FOLDER
from model_package.schema import Schema, Slice

GATES_FILE: Final = RELEASE_FOLDER / "gates.yml"


def _slice(name: Any, info: ValidationInfo) -> Slice:
    return named_slice(name, info.context)


class Bootstrap(Part):
    """How intervals are drawn: rounds, their confidence, and the seed that repeats them."""

    rounds: Annotated[int, Field(ge=100, le=100_000)]
    confidence: Annotated[float, Field(gt=0.5, lt=1)]
    seed: Annotated[int, Field(ge=0)]


class MinSubgroup(Part):
    """A subgroup below this is reported, and does not count in a difference between subgroups."""

    rows: Annotated[int, Field(ge=1)]
    positives: Annotated[int, Field(ge=1)]


class GatesFile(Part):
    """What gates.yml says. `slices` are named there and defined in schema.yml."""

    renamed: ClassVar[Mapping[str, str]] = {
        "groups": "slices: a list of names, which schema.yml defines",
        "smallest_band": "min_subgroup",
    }

    format: Literal[1]
    bootstrap: Bootstrap
    calibration_bins: Annotated[int, Field(ge=2, le=100)]
    latency_calls: Annotated[int, Field(ge=100, le=100_000)]
    recent_rows: Annotated[int, Field(ge=1)]
    recent_days: Annotated[int, Field(ge=1, le=90)]
    min_subgroup: MinSubgroup
    slices: Annotated[tuple[Annotated[Slice, PlainValidator(_slice)], ...], Field(strict=False)]
    rules: Annotated[tuple[RuleEntry, ...], Field(min_length=1, strict=False)]

    def rules_at(self, stage: StageName) -> tuple[Rule, ...]:
        """The rules that a stage asks for, in the file's order."""
        return rules_at(self.rules, stage)


def read_gates(file: Path, schema: Schema) -> GatesFile:
    """Read and check gates.yml, whose slices the schema defines. Raises ProjectError naming file, line and key."""
    checked = read_checked(file, GatesFile, slices_context(schema))
    gates = checked.value
    checked.refuse(problems_of(gates.rules, CATALOGUE, [each.name for each in gates.slices], has_champions=True))
    return gates
