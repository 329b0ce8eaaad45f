"""Values per stage: none missing, none too many, each mistake with its line and what to write."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlops.core.documents import YamlFile, parse_checked
from mlops.core.errors import InputError, ProjectError
from mlops.settings.stages import ByStage, KnownStage, StageOrder, name_problem, stage_context

ORDER = StageOrder(("dev", "staging", "prod"))


class Limits(YamlFile):
    stages: ByStage[int | None]
    watched: KnownStage


def read(text: str, order: StageOrder = ORDER) -> Limits:
    return parse_checked(f"format: 1\nwatched: prod\n{text}", Path("limits.yml"), Limits, stage_context(order)).value


def test_each_stage_has_its_value_and_null_is_one() -> None:
    limits = read("stages:\n  dev: null\n  staging: 2\n  prod: 3\n")

    assert [limits.stages[stage] for stage in ORDER] == [None, 2, 3]
    assert limits.stages.values() == (None, 2, 3)


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        (
            "stages:\n  dev: 1\n  prod: 3\n",
            3,
            "stages: has no entry for staging, which project.yml lists; add `staging:`",
        ),
        (
            "stages:\n  prod: 3\n",
            3,
            "has no entry for dev, staging, which project.yml lists; add `dev:` and `staging:`",
        ),
        (
            "stages:\n  dev: 1\n  stagin: 2\n  prod: 3\n",
            5,
            "stages.stagin: project.yml has no stage 'stagin' (did you mean 'staging'?); its stages are dev → staging",
        ),
        ("stages:\n  dev: one\n  staging: 2\n  prod: 3\n", 4, "stages.dev: Input should be a valid integer"),
        ("stages: 5\n", 3, "stages: must be a mapping of keys to values"),
    ],
    ids=["one is missing", "two are missing", "misspelt", "wrong value", "no mapping"],
)
def test_what_does_not_fit_the_stages_is_told_with_its_line(text: str, line: int, says: str) -> None:
    with pytest.raises(ProjectError) as refused:
        read(text)

    (told,) = refused.value.details
    assert told.startswith(f"limits.yml:{line}: ")
    assert says in told


def test_the_file_of_three_stages_says_what_the_fourth_needs() -> None:
    four = StageOrder(("dev", "staging", "preprod", "prod"))

    with pytest.raises(ProjectError) as refused:
        read("stages:\n  dev: 1\n  staging: 2\n  prod: 3\n", four)

    assert "has no entry for preprod" in refused.value.details[0]
    assert "mlops stages add" in refused.value.details[0]


@pytest.mark.parametrize(
    "name", ["Dev", "pre-prod", "d", "9lives", "averyverylongname", "gates", "shared", "promotion"]
)
def test_names_that_a_stage_cannot_have_are_told(name: str) -> None:
    assert name in (name_problem(name) or "")


@pytest.mark.parametrize("name", ["dev", "uat", "preprod", "production", "eu1"])
def test_names_that_a_stage_can_have(name: str) -> None:
    assert name_problem(name) is None


def test_an_unknown_stage_far_from_all_names_is_told_without_a_guess() -> None:
    with pytest.raises(InputError) as refused:
        ORDER.find("quality")

    assert refused.value.message == "there is no stage 'quality'"
