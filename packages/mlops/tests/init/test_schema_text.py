"""The proposed schema.yml: its comments give the reasons, and the project's own reader accepts it for any table."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn import datasets
from table_files import DIALECTS, Dialect, Rows, text

from mlops.core.documents import parse_yaml
from mlops.init.columns import infer
from mlops.init.proposal import Proposal, propose, sample_request, scalar, schema_text
from mlops.init.reading import plain_name, read_table
from model_package.schema import Schema
from model_package.schema_file import SchemaFile

TABLES = ("iris", "wine", "breast_cancer", "diabetes", "linnerud", "digits")


def proposal_of(file: Path, target: str, time: str | None = None) -> Proposal:
    source = read_table(file)
    return propose(source, infer(source), target, None, None, time)


def parsed(proposal: Proposal) -> Schema:
    return SchemaFile.model_validate(parse_yaml(schema_text(proposal)).value).schema_of_columns()


RENTALS = """\
ride;when;plan;helmet;minutes;zone code;remark;source;price
{rows}
"""


def rentals() -> str:
    """Rides with a column of each kind; every seventh lacks its minutes, every twentieth its price."""
    rows = [
        ";".join(
            (
                f"R-{1000 + number}",
                f"{1 + number % 28:02}/{1 + number % 12:02}/2024 {number % 24:02}:30",
                ("Basic", "Pro", "yes")[number % 3],
                ("J", "N")[number % 2] if number % 2 else "Y",
                "" if number % 7 == 0 else f"{number * 1.5:.1f}".replace(".", ","),
                f"{number % 5:02}",
                f"ride number {number} went well and ended at the station",
                "app",
                "" if number % 20 == 0 else f"{number * number % 97 + 2.25:.2f}".replace(".", ","),
            )
        )
        for number in range(240)
    ]
    return RENTALS.format(rows="\n".join(rows))


SCHEMA = """\
# The columns of rentals.csv (240 rows, 9 columns), as `mlops init` proposes them. Yours to edit:
# validation, training, endpoints, gates and monitoring follow it. docs/init.md says what each key means.
# Limits are the range seen, widened by its own width to both sides, never across 0.
format: 1
task: regression # price has 49 different numbers
id: ride # every row has a value of its own
time: when # the newest rows test the model
target: price # seen 2.25 to 98.25; 12 rows without it are left out

# Columns of the file that are not used, and why.
ignore:
  - source # constant: every row has 'app'

features:
  # Seen 2024-01-01T00:30:00 to 2024-12-28T23:30:00. Dates are read day first, and written as ISO 8601.
  - name: when
    type: timestamp
  # 3 categories seen.
  - name: plan
    type: category
    categories: [Basic, Pro, "yes"]
  # True or false. 'Y' is true and 'N' is false.
  - name: helmet
    type: boolean
  # Seen 1.5 to 358.5. 15 % missing.
  - name: minutes
    type: number
    minimum: 0
    maximum: 720
    nullable: true
  # 5 categories seen.
  - name: zone code
    type: category
    categories: ["00", "01", "02", "03", "04"]
  # 240 different texts.
  - name: remark
    type: text
"""


def test_the_text_gives_the_reasons(tmp_path: Path) -> None:
    proposal = proposal_of(text(tmp_path / "rentals.csv", rentals()), "price", "when")

    assert schema_text(proposal) == SCHEMA
    assert json.loads(sample_request(proposal)) == {
        "input_data": [
            {
                "when": "2024-02-02T01:30:00",
                "plan": "Pro",
                "helmet": False,
                "minutes": 1.5,
                "zone code": "01",
                "remark": "ride number 1 went well and ended at the station",
            }
        ]
    }


def test_the_schema_says_what_the_text_says(tmp_path: Path) -> None:
    schema = parsed(proposal_of(text(tmp_path / "rentals.csv", rentals()), "price", "when"))

    assert (schema.task, schema.identifier, schema.time, schema.target) == ("regression", "ride", "when", "price")
    assert schema.ignored == ("source",)
    assert [feature.type for feature in schema.features] == [
        *("timestamp", "category", "boolean", "number", "category", "text")
    ]
    assert [feature.name for feature in schema.features if feature.nullable] == ["minutes"]


def table_of(name: str) -> tuple[Rows, str]:
    """A table of scikit-learn's, in which a target of names is text."""
    found = getattr(datasets, f"load_{name}")()
    target = found.target[:, 0] if found.target.ndim == 2 else found.target
    names = [str(each) for each in found.feature_names]
    columns = {column: found.data[:, at].tolist() for at, column in enumerate(names)}
    labels = [str(found.target_names[each]) for each in target] if name in ("iris", "wine") else target.tolist()
    return {**columns, "outcome": labels}, "outcome"


@pytest.mark.parametrize("dialect", ["commas", "decimal comma", "tabs"])
@pytest.mark.parametrize("name", TABLES)
def test_the_schema_of_a_real_table_is_read_by_the_project(name: str, dialect: str, tmp_path: Path) -> None:
    rows, target = table_of(name)
    if name == "linnerud":
        rows = {column: [*values] * 3 for column, values in rows.items()}
    proposal = proposal_of(DIALECTS[dialect].write(rows, tmp_path / "a.csv"), target)

    schema = parsed(proposal)

    assert schema.task == {
        "diabetes": "regression",
        "linnerud": "regression",
        "breast_cancer": "binary_classification",
    }.get(name, "multiclass_classification")
    assert {*schema.columns, *schema.ignored} == set(rows)


def test_a_proposal_is_the_same_every_time(tmp_path: Path) -> None:
    file = text(tmp_path / "rentals.csv", rentals())

    assert schema_text(proposal_of(file, "price")) == schema_text(proposal_of(file, "price"))


TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)), min_size=1, max_size=8)
TRAPS = ("yes", "No", "null", "~", "1", "1e3", "0x1F", "a: b", "- a", "a #b", "2024-01-31", "é", "=", "@a", "a,b", "[")


@settings(max_examples=150, deadline=None)
@given(TEXTS | st.sampled_from(TRAPS))
def test_any_text_survives_yaml(value: str) -> None:
    assert parse_yaml(f"a: {scalar(value)}\nb: [{scalar(value)}]\n").value == {"a": value, "b": [value]}


WORDS = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), min_size=1, max_size=8)


@settings(max_examples=40, deadline=None)
@given(
    first=WORDS | st.sampled_from(TRAPS), target=WORDS | st.sampled_from(TRAPS), label=WORDS | st.sampled_from(TRAPS)
)
def test_any_names_and_categories_give_a_schema_that_is_read(
    first: str, target: str, label: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    assume(plain_name(first) and plain_name(target) and plain_name(first) != plain_name(target))
    columns = {
        first: [label, "other one"] * 60,
        target: [number % 7 + 0.5 for number in range(120)],
        "the noise of it": [number * 7919 % 113 for number in range(120)],
    }

    proposal = proposal_of(Dialect().write(columns, tmp_path_factory.mktemp("a") / "a.csv"), target)

    schema = parsed(proposal)
    assert {*schema.columns, *schema.ignored} == {plain_name(first), plain_name(target), "the noise of it"}
